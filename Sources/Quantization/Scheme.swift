import GraphIR
import Support
import Tensors

/// How the values of a graph are quantized, as data that a user can see, edit and feed back. A value without
/// an entry stays in f32, and with it the nodes that would compute on it.
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

  /// In the order of the graph's values.
  public private(set) var entries: [Entry]
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
      case (_?, nil): self = Scheme(entries.filter { $0.name != name })
      case (nil, nil): break
      }
    }
  }
}
