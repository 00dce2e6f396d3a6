import GraphIR
import Machine
import NPUISA
import NPUInterpreter
import Support
import Tensors

/// Where the time, the bytes and the energy of a compiled model go: what `furc report` prints. It needs the file
/// alone, since time does not depend on data.
public struct ProgramReport: Sendable {
  /// A conversion or host segment.
  public struct HostStep: Sendable {
    /// Conversion or host.
    public let kind: ProgramOutline.Step.Kind
    /// Operators and names, in program order, and why they run there.
    public let nodes: [(op: String, name: String, reason: String)]
    /// Of its results.
    public let elements: Int
    /// By the target's rate of elements.
    public let microseconds: Double
  }

  /// What the report is of.
  public let model: CompiledModel
  /// The SHA-256 of the file.
  public let digest: Digest
  /// The device steps, in their order.
  public let devices: [DeviceReport]
  /// The other steps, in their order.
  public let hostSteps: [HostStep]

  /// - Throws: what keeps a program from running.
  public init(_ model: CompiledModel, digest: Digest) throws(Diagnostic) {
    self.model = model
    self.digest = digest
    var devices: [DeviceReport] = []
    for (number, nodes) in model.ownedNodes.enumerated() {
      devices.append(try DeviceReport(number, of: model, nodes: nodes))
    }
    self.devices = devices
    hostSteps = model.outline.steps.filter { $0.kind != .device }.map { Self.hostStep($0, model) }
  }

  private static func hostStep(_ step: ProgramOutline.Step, _ model: CompiledModel) -> HostStep {
    let graph = model.graphs[step.payload]
    let elements = step.outputs.reduce(0) { sum, name in
      sum + (model.outline.type(of: name).flatMap { try? $0.elementCount() } ?? 0)
    }
    let nodes = graph.order.map { id in
      let node = graph.nodes[id]
      let known = model.outline.hostNodes.first { $0.node == node.name && $0.op == node.op }?.reason
      let reason = step.kind == .conversion ? "the host converts for every target" : known ?? ""
      let value = graph.operands(of: id).first { !$0.isNone }.map { graph.values[$0].name } ?? ""
      return (op: node.op, name: node.name.isEmpty ? value : node.name, reason: reason)
    }
    return HostStep(
      kind: step.kind, nodes: nodes, elements: elements,
      microseconds: model.target.machine.hostMicroseconds(elements: elements))
  }

  var machine: SliceMachine { model.target.machine }

  /// Of one run, of all device steps.
  public var cycles: Int64 { devices.reduce(0) { $0 + $1.cycles } }
  /// Of what is placed once before any run.
  public var loadCycles: Int64 { devices.reduce(0) { $0 + $1.loadCycles } }
  /// Of one inference.
  public var latency: Latency { Latency(model, cycles: cycles) }
  /// `resident` where some device step places constants before a run, else `streamed`.
  public var weights: String { devices.contains { $0.load != nil } ? "resident" : "streamed" }

  /// What the cycles cannot undercut; nil where the file does not say.
  public var boundCycles: Int? { model.layers?.devices.reduce(0) { $0 + ($1.binding?.cycles ?? 0) } }
  /// The same as long as kernels are not fused; nil where the file does not say.
  public var layerBoundCycles: Int? { model.layers?.devices.reduce(0) { $0 + $1.layerCycles } }
  /// Multiply-adds of the model; nil where the file does not say.
  public var macs: Int? { model.layers?.devices.reduce(0) { $0 + $1.macs } }
  /// The term that binds the device step of the largest bound.
  public var binding: String? {
    model.layers?.devices.compactMap(\.binding).max { $0.cycles < $1.cycles }?.name
  }

  /// Cycles above the bound, as a share of it.
  public var overBound: Double? {
    boundCycles.flatMap { $0 > 0 ? Double(cycles) / Double($0) - 1 : nil }
  }

  /// Multiply-adds of the model per one that the machine could do in the time;
  /// nil without device steps or where the file does not say.
  public var utilization: Double? {
    guard let macs, cycles > 0 else { return nil }
    return Double(macs) / (Double(cycles) * Double(machine.slices * machine.lanes * machine.packetBytes))
  }

  /// Work and bytes of one run, of all device steps.
  public var counters: RunCounters {
    var sum = RunCounters()
    for device in devices { sum.add(device.counters) }
    return sum
  }

  /// Of one run.
  public var energy: Energy { Energy(counters, on: machine) }
  /// Of a slice's SRAM, of the device step that uses most.
  public var sramPeakBytes: Int { devices.map(\.sramPeakBytes).max() ?? 0 }
}

extension SliceMachine {
  /// Cycles with decimals, for reports.
  func exactCycles(_ ticks: Int64) -> Double { Double(ticks) / Double(ticksPerCycle) }

  func microseconds(_ ticks: Int64) -> Double { exactCycles(ticks) / Double(clockHz) * 1e6 }
}
