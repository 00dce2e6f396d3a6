import GraphIR
import Operators
import Support
import Tensors

/// What the importers of a model's graph and of its regions share.
final class ImportContext {
  let operators: OperatorSet
  let options: ImportOptions
  /// By canonical domain.
  let opsets: [String: Int64]
  var decoder: TensorDecoder
  var errors: [Diagnostic] = []
  var warnings: [Diagnostic] = []
  /// Of the named dimensions that occurred, in the order of their occurrence.
  private(set) var symbols: [String] = []
  /// Unnamed first dimensions and those of this name are the batch.
  var batchSymbols: Set<String> = []
  /// Extents of named dimensions that follow from the shapes of data.
  var boundSymbols: [String: Int] = [:]

  init(
    operators: OperatorSet, options: ImportOptions, opsets: [String: Int64], decoder: TensorDecoder
  ) {
    self.operators = operators
    self.options = options
    self.opsets = opsets
    self.decoder = decoder
  }

  /// A hostile file can be wrong in a million places.
  private static let mostErrors = 1000

  func report(_ finding: Diagnostic, at place: Diagnostic.Location = .unknown) {
    guard errors.count < Self.mostErrors else {
      if errors.count == Self.mostErrors {
        errors.append(Diagnostic(finding.kind, "further findings are left out"))
      }
      return
    }
    errors.append(finding.located(at: place))
  }

  func warn(_ kind: Diagnostic.Kind, _ message: String) { warnings.append(Diagnostic(kind, message)) }

  // MARK: Types

  /// The type that a message states, with all known symbols fixed.
  /// - Returns: nil where the message states no rank.
  /// - Throws: `unsupportedModel` for what is no tensor, `importLimit` for an absurd size.
  func type(_ message: TypeMessage?, of name: String) throws(Diagnostic) -> ValueType? {
    guard let message else { return nil }
    switch message {
    case .other(let kind):
      throw Diagnostic(.unsupportedModel, "value '\(name)' is a \(kind), supported are tensors")
    case .tensor(let code, let shape):
      let element = try DataType.element(code)
      guard let shape else { return nil }
      guard shape.count <= 64 else {
        throw Diagnostic(.unsupportedModel, "value '\(name)' has rank \(shape.count), allowed is 64")
      }
      let type = ValueType(element, shape.map(dimension))
      if let concrete = type.concrete, try concrete.byteCount().bytes > Self.largestValue {
        throw Diagnostic(
          .importLimit, "value '\(name)' is \(type), allowed are \(Self.largestValue >> 30) GiB")
      }
      return type
    }
  }

  /// The shape of data for an input, as far as it is known and of the input's rank.
  func shape(for input: String, rank: Int) -> [Int]? {
    guard let shape = options.inputShapes[input] else { return nil }
    let own = shape.count == rank + 1 ? Array(shape.dropFirst()) : shape
    return own.count == rank ? own : nil
  }

  /// The type of an input, with unnamed extents taken from its data; an unnamed first one is the batch.
  func bound(_ type: ValueType, of input: String) -> ValueType {
    if let extents = shape(for: input, rank: type.rank) {
      let shape = zip(type.shape, extents).map { $0 == .unknown ? .fixed($1) : $0 }
      return ValueType(type.element, shape)
    }
    guard let batch = options.batch, type.shape.first == .unknown else { return type }
    return ValueType(type.element, [.fixed(batch)] + type.shape.dropFirst())
  }

  /// 64 GiB.
  private static let largestValue = 1 << 36

  private func dimension(_ message: DimensionMessage) -> Dimension {
    switch message {
    // Exporters write -1 for what they do not know.
    case .fixed(let extent): return extent < 0 ? .unknown : .fixed(Int(extent))
    case .unknown: return .unknown
    case .named(let name):
      if !symbols.contains(name) { symbols.append(name) }
      if let extent = options.dimensions[name] ?? boundSymbols[name] { return .fixed(extent) }
      if let batch = options.batch, batchSymbols.contains(name) { return .fixed(batch) }
      return .symbol(name)
    }
  }
}
