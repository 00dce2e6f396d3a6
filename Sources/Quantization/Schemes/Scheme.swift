import GraphIR
import Support
import Tensors

/// How a graph is quantized, as data that a user can see, edit and feed back. A value without an entry stays in
/// f32, and with it the nodes that would compute on it.
public struct Scheme: Equatable, Sendable {
  public struct Entry: Equatable, Sendable {
    /// The value's name, or `%` and its number.
    public var name: String
    public var element: ElementType
    public var quantization: Quantization
    /// How the scale was found.
    public var method: String
    /// What was observed or is there, before it was widened or shared.
    public var range: ValueRange

    public init(
      _ name: String, _ element: ElementType, _ quantization: Quantization, method: String,
      _ range: ValueRange
    ) {
      self.name = name
      self.element = element
      self.quantization = quantization
      self.method = method
      self.range = range
    }
  }

  /// What is added to the bias of a node, one number per output channel.
  public struct Correction: Equatable, Sendable {
    /// The node's name, or `n` and its number.
    public var node: String
    public var added: [Float]

    public init(node: String, added: [Float]) {
      self.node = node
      self.added = added
    }
  }

  /// By what the channels of a value between contractions are divided before anything is quantized: what makes the
  /// value is scaled by the reciprocals, what reads it by the divisors, so that the model computes the same.
  public struct Equalization: Equatable, Sendable {
    /// The value's name, or `%` and its number.
    public var value: String
    public var divisors: [Float]

    public init(value: String, divisors: [Float]) {
      self.value = value
      self.divisors = divisors
    }
  }

  /// In the order of the graph's values.
  public private(set) var entries: [Entry]
  /// Nodes that stay in f32 whatever entries their values have, by name.
  public var kept: [String] = []
  /// In program order.
  public var equalizations: [Equalization] = []
  /// Of contractions, in program order. They hold for the graph with equalized channels.
  public var corrections: [Correction] = []
  private var positions: [String: Int] = [:]

  /// Of entries with the same name the last counts.
  public init(_ entries: [Entry]) {
    self.entries = []
    for entry in entries { self[entry.name] = entry }
  }

  /// The entry of that name; setting nil leaves the value in f32.
  public subscript(name: String) -> Entry? {
    get { positions[name].map { entries[$0] } }
    set {
      switch (positions[name], newValue) {
      case (let position?, let entry?): entries[position] = entry
      case (nil, let entry?):
        positions[name] = entries.count
        entries.append(entry)
      case (_?, nil):
        entries.removeAll { $0.name == name }
        positions = [:]
        for (position, entry) in entries.enumerated() { positions[entry.name] = position }
      case (nil, nil): break
      }
    }
  }
}
