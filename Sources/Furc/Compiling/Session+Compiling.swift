import GraphIR
import KernelIR
import Machine
import NPUCompiler
import NPUISA
import ONNX
import Operators
import Passes
import Quantization
import Support
import Tensors

extension Session {
  /// Compiles a model for a target: passes, quantization where the target needs it, partition, mapping, emission.
  /// The binary depends on model, target and options alone.
  /// - Throws: `symbolicShape` where an input is not fixed; `unsupportedKernel` where a node is refused and may not
  ///   fall back; `doesNotFit`; what passes and calibration throw.
  public func compile(
    _ model: Model, for target: TargetDescription, _ options: CompileOptions = CompileOptions()
  ) throws(Diagnostic) -> Compilation {
    var seconds = Compilation.Seconds()
    var watch = Stopwatch()
    try requireFixed(model.graph)
    var warnings = model.imported.warnings
    let optimized = try optimized(model.graph).withUniqueNames()
    seconds.passes = watch.lap()

    var canonical = optimized
    var quantization: Compilation.Quantization?
    if !optimized.isQuantized, !target.machine.multipliesFloats {
      let float = try prepared(model.graph)
      let result = try quantized(float, options.quantization, &warnings)
      canonical = try self.optimized(result.graph)
      quantization = Compilation.Quantization(float: float, result: result)
    }
    canonical = canonical.withUniqueNames()
    seconds.quantize = watch.lap()

    let parts = try partitioned(canonical, for: target, options)
    seconds.map = watch.lap()
    var outline = ProgramOutline(
      name: model.name, precision: canonical.precision, weights: options.weights.rawValue)
    outline.inputs = canonical.inputs.map { id in
      ProgramOutline.Port(name: canonical.values[id].name, buffer: canonical.values[id].name)
    }
    outline.outputs = canonical.outputs.map { id in
      ProgramOutline.Port(name: canonical.values[id].name, buffer: canonical.values[id].name)
    }
    outline.hostNodes = parts.hostNodes
    outline.buffers = try canonical.ports(\.inputs)
    var graphs: [Graph] = []
    var programs = parts.programs[...]
    for segment in parts.segments {
      let isDevice = segment.kind == .device
      let payload = isDevice ? parts.programs.count - programs.count : graphs.count
      if isDevice { programs = programs.dropFirst() } else { graphs.append(segment.graph) }
      let (inputs, outputs) = (try segment.graph.ports(\.inputs), try segment.graph.ports(\.outputs))
      outline.buffers += outputs
      outline.steps.append(
        ProgramOutline.Step(
          segment.kind, payload: payload, inputs: inputs.map(\.name), outputs: outputs.map(\.name)))
    }
    let layers = ProgramLayers(model.graph, parts.devices, parts.programs, on: target.machine)
    let compiled = CompiledModel(
      outline: outline, target: target, devices: parts.programs, graphs: graphs, layers: layers)
    let bytes = try compiled.encoded()
    seconds.emit = watch.lap()
    return Compilation(
      model: model, optimized: optimized, canonical: canonical, quantization: quantization,
      devices: parts.devices, partition: parts.partition, compiled: compiled, bytes: bytes,
      warnings: warnings, seconds: seconds)
  }

  private func requireFixed(_ graph: Graph) throws(Diagnostic) {
    for id in graph.inputs where graph.values[id].type.concrete == nil {
      let value = graph.values[id]
      throw Diagnostic(
        .symbolicShape, "input '\(value.name)' is \(value.type), a target needs fixed extents",
        help: "give them with --dim name=extent and --batch")
    }
  }

  private struct Parts {
    var partition: Partition
    var segments: [Partition.Segment] = []
    var devices: [Compilation.Device] = []
    var programs: [NPUProgram] = []
    var hostNodes: [ProgramOutline.HostNode] = []
  }

  /// Cuts the graph and compiles the device's parts. What turns out not to fit moves to the host, and the cut is
  /// made anew.
  private func partitioned(
    _ graph: Graph, for target: TargetDescription, _ options: CompileOptions
  ) throws(Diagnostic) -> Parts {
    var partition = Partition(graph, on: target.machine, operators)
    while true {
      try requireAllowed(partition, graph, target, options)
      var parts = Parts(partition: partition)
      parts.segments = partition.segments()
      parts.hostNodes = partition.hostNodes.map { node, reason in
        ProgramOutline.HostNode(op: graph.nodes[node].op, node: graph.nodes[node].name, reason: reason)
      }
      var refused: NodeID?
      for segment in parts.segments where segment.kind == .device {
        let kernels = try operators.lower(segment.graph)
        let fused = kernels.fused(on: target.machine)
        do {
          let result = try compile(fused, on: target.machine, options)
          parts.programs.append(result.program)
          parts.devices.append(
            Compilation.Device(kernels: kernels, fused: fused, decisions: result.decisions))
        } catch {
          let node = segment.nodes.first { error.message.contains("'\(graph.nodes[$0].name)'") }
          guard let node, [.doesNotFit, .unsupportedKernel].contains(error.kind) else { throw error }
          partition.refuse(node, error.message)
          refused = node
          break
        }
      }
      if refused == nil {
        try appendConstants(graph, &parts)
        return parts
      }
    }
  }

  private func compile(
    _ kernels: KernelGraph, on machine: SliceMachine, _ options: CompileOptions
  ) throws(Diagnostic) -> NPUCompiler.Result {
    var settings = NPUCompiler.Options()
    settings.weights = options.weights
    settings.effort = options.effort
    settings.threads = threads
    return try NPUCompiler.compile(kernels, on: machine, settings)
  }

  /// - Throws: `unsupportedKernel` for every node on the host, where that is not allowed.
  private func requireAllowed(
    _ partition: Partition, _ graph: Graph, _ target: TargetDescription, _ options: CompileOptions
  ) throws(Diagnostic) {
    guard !options.allowsFallback else { return }
    let findings = partition.hostNodes.map { node, reason in
      Diagnostic(
        .unsupportedKernel, at: graph.location(of: node), "\(target.name) does not run it: \(reason)",
        help: "without --no-fallback the host runs it")
    }
    if let finding = Diagnostic.collecting(findings) { throw finding }
  }

  /// Outputs that are constants come from a step without nodes.
  private func appendConstants(_ graph: Graph, _ parts: inout Parts) throws(Diagnostic) {
    let constants = graph.outputs.filter { graph.values[$0].constant != nil }
    guard !constants.isEmpty else { return }
    parts.segments.append(
      Partition.Segment(
        kind: .host, graph: graph.extracting([], returning: constants, name: "constants"), nodes: []))
  }
}

extension SliceMachine {
  /// Whether the tensor unit multiplies some float type.
  var multipliesFloats: Bool { contractionTypes.contains { $0.contains("f") } }
}

extension Graph {
  /// Whether some value is stored quantized.
  var isQuantized: Bool { values.ids.contains { values[$0].quantization != nil } }

  /// What reports call the precision: the stored type of most quantized results, or f32.
  var precision: String {
    let stored = order.flatMap { results(of: $0) }.filter { values[$0].quantization != nil }
    let types = stored.map { values[$0].type.element }
    if types.contains(where: { $0 == .f8e4m3 || $0 == .f8e5m2 }) { return "fp8" }
    return types.isEmpty ? "f32" : "int8"
  }
}

extension KernelGraph {
  /// Maps composed into their producers where the target takes the result.
  func fused(on machine: SliceMachine) -> KernelGraph {
    let fused = fused { kernel in
      var single = KernelGraph(name: "")
      var operands: [BufferID] = []
      for (index, operand) in kernel.operands.enumerated() {
        let constant = index == 1 ? try? Tensor(operand.type) : nil
        operands.append(constant.map { single.constant($0) } ?? single.input("", operand.type))
      }
      _ = single.kernel(kernel, operands)
      return single.nodes.ids.allSatisfy {
        NPUCompiler.refusal(of: single.nodes[$0], in: single, on: machine) == nil
      }
    }
    let isTaken = fused.nodes.ids.allSatisfy {
      NPUCompiler.refusal(of: fused.nodes[$0], in: fused, on: machine) == nil
    }
    return isTaken ? fused : self
  }
}
