import GraphIR
import Support
import Tensors

/// A result of one step that is an input of the next.
public struct StateLink: Equatable, Sendable {
  /// The name of the input.
  public let input: String
  /// The name of the result that becomes it.
  public let output: String

  /// Links a result to an input.
  public init(input: String, output: String) {
    self.input = input
    self.output = output
  }

  /// `input=output`; nil for other text.
  public init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
      String.init)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
    self.init(input: parts[0], output: parts[1])
  }
}

/// Runs a model step after step and feeds its states back.
///
/// An array with one dimension more than its input, `[steps, …]`, gives each step its row; one of the input's
/// rank is fed at every step. For a state the array is what it starts with. Without one it starts with zeros; an
/// open extent of it is what an array of another input gives the same symbol, else 0.
public struct Stepping: Sendable {
  private var rows: [String: Tensor] = [:]
  private var constants: InputSet = [:]
  private let states: [StateLink]
  private let steps: Int

  /// - Throws: `invalidOperand` for states and arrays that do not fit the model.
  public init(
    _ arrays: InputSet, for ports: [(name: String, type: ValueType)], outputs: [String],
    states: [StateLink], steps: Int
  ) throws(Diagnostic) {
    self.states = states
    self.steps = steps
    for state in states {
      guard ports.contains(where: { $0.name == state.input }), outputs.contains(state.output),
        states.count(where: { $0.input == state.input }) == 1
      else {
        throw Diagnostic(
          .invalidOperand, "state '\(state.input)=\(state.output)' does not link an input to an output",
          help: "inputs are \(ports.map(\.name)), outputs are \(outputs), each state once")
      }
    }
    var symbols: [String: Int] = [:]
    for port in ports {
      guard let array = arrays[port.name] else { continue }
      let isState = states.contains { $0.input == port.name }
      if !isState, array.shape.count == port.type.rank + 1 {
        guard array.shape[0] == steps else {
          throw Diagnostic(.invalidOperand, "array '\(port.name)' is \(array.type) for \(steps) steps")
        }
        rows[port.name] = array
        constants[port.name] = try InputSets.fit(Self.row(array, 0), to: port)
      } else {
        constants[port.name] = try InputSets.fit(array, to: port)
      }
      for (dimension, extent) in zip(port.type.shape, constants[port.name]?.shape ?? []) {
        if case .symbol(let name) = dimension, !name.isEmpty { symbols[name] = symbols[name] ?? extent }
      }
    }
    for port in ports where constants[port.name] == nil {
      guard states.contains(where: { $0.input == port.name }) else {
        throw Diagnostic(.invalidOperand, "no data is given for input '\(port.name)'")
      }
      let shape = port.type.binding(symbols).shape.map { $0.extent ?? 0 }
      constants[port.name] = try Tensor(TensorType(port.type.element, shape))
    }
    self.ports = ports
  }

  private let ports: [(name: String, type: ValueType)]

  private static func row(_ array: Tensor, _ step: Int) throws(Diagnostic) -> Tensor {
    let row = try array.rows(step..<(step + 1))
    return try row.reshaped(Array(row.shape.dropFirst()))
  }

  /// - Parameter body: one run of the model.
  /// - Returns: the outputs, each as `[steps, …]`. A state, and an output whose shape changes, is that of the
  ///   last step alone.
  public func run(
    _ body: (InputSet) throws(Diagnostic) -> [(name: String, tensor: Tensor)]
  ) throws(Diagnostic) -> [(name: String, tensor: Tensor)] {
    var inputs = constants
    var all: [(name: String, tensors: [Tensor])] = []
    for step in 0..<steps {
      for port in ports {
        guard let array = rows[port.name] else { continue }
        inputs[port.name] = try InputSets.fit(Self.row(array, step), to: port)
      }
      let outputs = try body(inputs)
      for (index, output) in outputs.enumerated() {
        if index == all.count { all.append((output.name, [])) }
        let isState = states.contains { $0.output == output.name }
        if isState || all[index].tensors.first.map({ $0.type != output.tensor.type }) ?? false {
          all[index].tensors = [output.tensor]
        } else {
          all[index].tensors.append(output.tensor)
        }
      }
      for state in states {
        inputs[state.input] = outputs.first { $0.name == state.output }?.tensor
      }
    }
    return try all.map { (output) throws(Diagnostic) in
      let isState = states.contains { $0.output == output.name }
      guard !isState, output.tensors.count == steps else {
        return (output.name, output.tensors[output.tensors.count - 1])
      }
      return (output.name, try Self.stack(output.tensors))
    }
  }

  private static func stack(_ tensors: [Tensor]) throws(Diagnostic) -> Tensor {
    let type = TensorType(tensors[0].element, [tensors.count] + tensors[0].shape)
    return try Tensor(type) { (memory: UnsafeMutableRawBufferPointer) in
      var rest = memory[...]
      for tensor in tensors {
        tensor.withBytes { UnsafeMutableRawBufferPointer(rebasing: rest).copyMemory(from: $0) }
        rest = rest.dropFirst(tensor.bytes.count)
      }
    }
  }
}
