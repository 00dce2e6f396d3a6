import Executor
import GraphIR
import Machine
import NPUISA
import NPUInterpreter
import Operators
import Support
import Tensors

/// Inputs of one run, by name.
public typealias InputSet = [String: Tensor]

/// What one run of a compiled model gave.
public struct ProgramRun: Sendable {
  /// By the names of the model's outputs, in their order.
  public var outputs: [(name: String, tensor: Tensor)] = []
  /// Every buffer of the outline, by name.
  public var buffers: [String: Tensor] = [:]
  /// Of the device steps, in order.
  public var devices: [NPUInterpreter.RunResult] = []
  /// Wall time.
  public var seconds = 0.0

  /// Of all device steps.
  public var cycles: Int64 { devices.reduce(0) { $0 + $1.cycles } }
}

/// Runs a compiled model step by step: device programs on the interpreter, the rest on the executor.
public struct ProgramRunner {
  /// What runs.
  public let model: CompiledModel
  private var interpreters: [NPUInterpreter] = []
  private let executors: [GraphExecutor]
  /// Of the load programs, once they have run.
  public private(set) var loads: [NPUInterpreter.RunResult] = []

  /// - Throws: what makes a program malformed, or does not fit the machine.
  public init(
    _ model: CompiledModel, mode: NPUInterpreter.Mode = .fast, _ session: Session = Session()
  ) throws(Diagnostic) {
    self.model = model
    for program in model.devices {
      interpreters.append(
        try NPUInterpreter(program, on: model.target.machine, mode: mode, threads: session.threads))
    }
    executors = model.graphs.map { session.executor($0) }
  }

  /// One inference. - Throws: `invalidOperand` for inputs that are missing or of another type; errors at run time.
  public mutating func run(_ inputs: InputSet) throws(Diagnostic) -> ProgramRun {
    var watch = Stopwatch()
    var run = ProgramRun()
    for port in model.outline.inputs {
      let type = model.outline.type(of: port.buffer)
      guard let tensor = inputs[port.name] else {
        throw Diagnostic(.invalidOperand, "input '\(port.name)' is missing")
      }
      guard tensor.type == type else {
        let wanted = type.map { "\($0)" } ?? "nothing"
        throw Diagnostic(.invalidOperand, "input '\(port.name)' is \(tensor.type), the model takes \(wanted)")
      }
      run.buffers[port.buffer] = tensor
    }
    if loads.isEmpty {
      for index in interpreters.indices { loads.append(try interpreters[index].load()) }
    }
    for step in model.outline.steps {
      switch step.kind {
      case .device:
        let result = try interpreters[step.payload].run(inputs: run.buffers)
        for name in step.outputs { run.buffers[name] = result.outputs[name] }
        run.devices.append(result)
      case .conversion, .host:
        var operands: InputSet = [:]
        for name in step.inputs { operands[name] = run.buffers[name] }
        let results = try executors[step.payload].run(operands).outputs
        for (name, result) in zip(step.outputs, results) { run.buffers[name] = result.tensor }
      }
    }
    for port in model.outline.outputs {
      guard let tensor = run.buffers[port.buffer] else { continue }
      run.outputs.append((port.name, tensor))
    }
    run.seconds = watch.lap()
    return run
  }
}
