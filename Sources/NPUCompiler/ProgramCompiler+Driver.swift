import KernelIR
import Machine
import NPUISA
import Support
import Tensors

extension ProgramCompiler {
  /// Programs for the whole graph, unfinished ones side by side: of all ways to place a kernel after those kept so far,
  /// the `beam` cheapest stay whose results lie in different places, by the ticks of their instructions.
  static func compile(
    _ graph: KernelGraph, _ machine: SliceMachine, residentBytes: Int, _ options: NPUCompiler.Options
  ) throws(Diagnostic) -> ProgramCompiler {
    var start = ProgramCompiler(graph, machine, residentBytes: residentBytes)
    for id in graph.inputs {
      let type = graph.buffers[id].type
      start.settle(id, Placement(dram: start.allocateDRAM(start.byteCount(type)), type), owned: nil)
    }
    var beam = [start]
    for (number, id) in graph.nodes.ids.enumerated() {
      let node = graph.nodes[id]
      var next: [ProgramCompiler] = []
      var failure: Diagnostic?
      for var state in beam {
        state.run.kernel = UInt32(number)
        state.load.kernel = UInt32(number)
        do { next += try state.placed(node, options) } catch {
          switch error {
          case .unsupported(let diagnostic): failure = diagnostic
          case .doesNotFit(let reason):
            failure = Diagnostic(.doesNotFit, "kernel \(number) '\(node.name)': \(reason) on \(machine.name)")
          }
        }
      }
      if next.isEmpty, let failure { throw failure }
      beam = cheapest(next, result: node.result, count: max(options.beam, 1))
      for index in beam.indices {
        if node.kernel != nil { beam[index].record(node) }
        beam[index].release(after: node)
      }
    }
    for index in beam.indices {
      for output in graph.outputs {
        do { try beam[index].finish(output) } catch {
          throw Diagnostic(.doesNotFit, "output '\(graph.buffers[output].name)' cannot be copied to DRAM")
        }
      }
    }
    let ends = beam.map { Timeline($0.run.code, programs: $0.run.programs, on: machine).end }
    return beam[ends.indices.min { (ends[$0], $0) < (ends[$1], $1) } ?? 0]
  }

  /// The cheapest states, of those with the result in the same place only the first.
  private static func cheapest(_ states: [ProgramCompiler], result: BufferID, count: Int) -> [ProgramCompiler]
  {
    let order = states.indices.sorted { (states[$0].ticks, $0) < (states[$1].ticks, $1) }
    var kept: [ProgramCompiler] = []
    for index in order where kept.count < count {
      let placement = states[index].homes[result]?.placement
      if !kept.contains(where: { $0.homes[result]?.placement == placement }) { kept.append(states[index]) }
    }
    return kept
  }

  /// Brings an output to DRAM, into bytes that the program writes: an input or a constant under another name is copied.
  private mutating func finish(_ output: BufferID) throws(Failure) {
    let address = try bringToDRAM(output)
    let inputs = Set(graph.inputs.compactMap { homes[$0]?.placement.base })
    guard inputs.contains(address) || images.contains(where: { $0.address == Int64(address) }) else { return }
    let type = graph.buffers[output].type
    let target = Placement(dram: allocateDRAM(byteCount(type)), type)
    let maps = type.shape.indices.map(CopyPlan.SourceMap.axis)
    let plan = CopyPlan(
      from: Placement(dram: address, type), maps, to: target, ranges: type.shape.map { 0..<$0 },
      window: window)
    copy(plan?.descriptors ?? [])
    settle(output, target, owned: nil)
  }

  /// Remembers where a named result lies complete, for comparisons layer by layer.
  private mutating func record(_ node: KernelNode) {
    let buffer = graph.buffers[node.result]
    guard !buffer.name.isEmpty, let placement = homes[node.result]?.placement, let last = run.last else {
      return
    }
    let dimensions = placement.dimensions.map { dimension in
      NPUProgram.Residence.Dimension(
        block: Int64(max(dimension.step, 1)),
        blockStride: Int64(
          placement.memory == .sram ? dimension.sliceStride * window : dimension.step * dimension.stride),
        stride: Int64(dimension.stride))
    }
    residences.append(
      NPUProgram.Residence(
        name: buffer.name, type: buffer.type, place: .init(placement.memory, Int64(placement.base)),
        dimensions: dimensions, from: Wait(tag: last.tag, count: last.count - 1)))
  }

  /// The states after a node: one, or one per mapping of a computation.
  private func placed(_ node: KernelNode, _ options: NPUCompiler.Options) throws(Failure) -> [ProgramCompiler]
  {
    var next = self
    let before = run.code.contexts.map(\.count)
    if let kernel = node.kernel, kernel.elements > 0 {
      switch kernel.form {
      case .move: try next.emitMove(node, kernel)
      case .gather, .scatter: try next.emitRows(node, kernel)
      case .map where kernel.operands.isEmpty: try next.placeConstant(node, kernel)
      case .contract, .map, .reduce: return try computed(node, kernel, options)
      }
    } else if let kernel = node.kernel {
      next.settle(node.result, Placement(dram: next.allocateDRAM(0), kernel.result), owned: nil)
    } else {
      try next.emitView(node)
    }
    next.addTicks(since: before)
    return [next]
  }

  /// A map of nothing is a constant.
  private mutating func placeConstant(_ node: KernelNode, _ kernel: Kernel) throws(Failure) {
    let value: Tensor
    do { value = try KernelEvaluator.run(kernel, []) } catch { throw .unsupported(error) }
    let address = image(value.withBytes { Array($0) })
    settle(node.result, Placement(dram: address, kernel.result), owned: nil)
  }

  /// Every mapping that fits; if none does, room is made; then the kernel is cut in pieces.
  private func computed(
    _ node: KernelNode, _ kernel: Kernel, _ options: NPUCompiler.Options
  ) throws(Failure) -> [ProgramCompiler] {
    var reason = "no mapping"
    let before = run.code.contexts.map(\.count)
    let plain = mapped(node, kernel, options, before, &reason)
    if !plain.isEmpty { return plain }
    // Room: everything else to DRAM, then the operands too.
    var roomy = self
    for buffer in graph.buffers.ids where !node.operands.contains(buffer) && roomy.homes[buffer]?.owned != nil
    {
      try roomy.bringToDRAM(buffer)
    }
    let alone = roomy.mapped(node, kernel, options, before, &reason)
    if !alone.isEmpty { return alone }
    for buffer in Set(node.operands).sorted() where roomy.homes[buffer]?.owned != nil {
      try roomy.bringToDRAM(buffer)
    }
    let streamed = roomy.mapped(node, kernel, options, before, &reason)
    if !streamed.isEmpty { return streamed }
    try roomy.placeInPieces(node, kernel, options, reason)
    roomy.addTicks(since: before)
    return [roomy]
  }

  private func mapped(
    _ node: KernelNode, _ kernel: Kernel, _ options: NPUCompiler.Options, _ before: [Int],
    _ reason: inout String
  ) -> [ProgramCompiler] {
    var states: [ProgramCompiler] = []
    for geometry in candidates(node, kernel, options) {
      for flitAxis in flitAxes(node, kernel) {
        var trial = self
        do {
          try trial.emit(node, geometry, flitAxis: flitAxis)
          trial.addTicks(since: before)
          states.append(trial)
        } catch {
          if case .doesNotFit(let what) = error { reason = what }
        }
      }
    }
    return states
  }

  /// Adds the ticks of the instructions since then, one after another.
  private mutating func addTicks(since before: [Int]) {
    for (index, list) in run.code.contexts.enumerated() {
      for instruction in list[before[index]...] {
        ticks +=
          instruction.duration(on: machine, context: Context(index: index), programs: run.programs).ticks
      }
    }
  }

  private func candidates(_ node: KernelNode, _ kernel: Kernel, _ options: NPUCompiler.Options) -> [Geometry]
  {
    var present: [[AxisID: Int]] = []
    for (operand, buffer) in zip(kernel.operands, node.operands) {
      guard let placement = homes[buffer]?.placement, placement.memory == .sram else { continue }
      var choice: [AxisID: Int] = [:]
      for (map, dimension) in zip(operand.maps, placement.dimensions) where dimension.blocks > 1 {
        for term in map.terms
        where kernel.axes[term.axis].role == .parallel
          && kernel.axes[term.axis].extent % dimension.blocks == 0
        {
          choice[term.axis] = dimension.blocks
        }
      }
      if !choice.isEmpty, !present.contains(choice) { present.append(choice) }
    }
    return Slicing.candidates(
      for: kernel, slices: machine.slices, present: present, limit: max(options.effort, 2))
  }

  /// Axes along which the elements of a flit may lie, the likely best first. A contraction finds its own.
  private func flitAxes(_ node: KernelNode, _ kernel: Kernel) -> [AxisID?] {
    guard kernel.form != .contract else { return [nil] }
    let isReduction = kernel.form != .map
    func score(_ axis: AxisID) -> Int {
      var score = 0
      for (operand, buffer) in zip(kernel.operands, node.operands) {
        guard let dimension = operand.dimension(of: axis) else { continue }
        let bytes = operand.type.shape.reduce(1, *)
        let stride = homes[buffer]?.placement.dimensions[dimension].stride
        let lies =
          (stride ?? operand.type.strides[dimension] * operand.type.element.size) == operand.type.element.size
        score += lies ? 2 * bytes : bytes / 4
      }
      return score * min(kernel.axes[axis].extent, 8)
    }
    let axes = kernel.axes(.parallel).filter { axis in
      guard kernel.axes[axis].extent > 1 else { return false }
      return !isReduction || kernel.operands[0].dimension(of: axis) != nil
    }
    let ranked = axes.sorted { (score($0), $1) > (score($1), $0) }
    return ranked.prefix(2).map { $0 } + [nil]
  }

  // MARK: One kernel

  /// Runs the whole kernel with one mapping; the result stays in SRAM.
  private mutating func emit(_ node: KernelNode, _ geometry: Geometry, flitAxis: AxisID?) throws(Failure) {
    let (result, _) = try emitPiece(node, geometry, flitAxis: flitAxis)
    settle(node.result, result.placement, owned: result.bytes)
  }

  /// Runs the ranges of a geometry into SRAM that is reserved for them.
  private mutating func emitPiece(
    _ node: KernelNode, _ geometry: Geometry, flitAxis: AxisID?
  ) throws(Failure) -> (Tile, Wait) {
    guard geometry.kernel.form == .contract else {
      let result = try resultTile(node, geometry, innermost: flitAxis, rounding: 8)
      return (result, try emitVector(node, geometry, flitAxis: flitAxis, result: result))
    }
    let isConstant = node.operands.prefix(2).map { graph.buffers[$0].constant != nil }
    guard let plan = Contraction(geometry, isConstant: isConstant, machine) else {
      throw .doesNotFit("no contraction")
    }
    let rounding = plan.isDepthwise ? plan.packetElements : 8
    let result = try resultTile(node, geometry, innermost: plan.flitAxis, rounding: rounding)
    return (result, try emitContraction(node, geometry, plan, result: result))
  }

  /// Cuts the parallel axes into ranges that fit, one after another, and collects the result in DRAM.
  private mutating func placeInPieces(
    _ node: KernelNode, _ kernel: Kernel, _ options: NPUCompiler.Options, _ reason: String
  ) throws(Failure) {
    var reason = reason
    let axes = kernel.axes(.parallel)
    let all = candidates(node, kernel, options)
    for geometry in all.prefix(3) + [Geometry(kernel)] {
      for flitAxis in flitAxes(node, kernel) {
        var sizes = axes.map { geometry.ranges[$0].count }
        while true {
          var trial = self
          do {
            try trial.emitPieces(node, geometry, axes, sizes, flitAxis: flitAxis)
            self = trial
            return
          } catch {
            if case .doesNotFit(let what) = error { reason = what }
          }
          // Halve the longest, the flit axis last.
          let cuttable = axes.indices.filter { sizes[$0] > 1 }
          guard
            let index = cuttable.max(by: { a, b in
              func weight(_ index: Int) -> Int {
                axes[index] == flitAxis && sizes[index] <= 8 ? 0 : sizes[index]
              }
              return (weight(a), b) < (weight(b), a)
            })
          else { break }
          let half = (sizes[index] + 1) / 2
          sizes[index] = half > 8 ? half.roundedUp(toMultipleOf: 8) : half
        }
      }
    }
    throw .doesNotFit(reason)
  }

  private mutating func emitPieces(
    _ node: KernelNode, _ geometry: Geometry, _ axes: [AxisID], _ sizes: [Int], flitAxis: AxisID?
  ) throws(Failure) {
    let type = geometry.kernel.result
    let address = allocateDRAM(byteCount(type))
    let target = Placement(dram: address, type)
    let counts = zip(axes, sizes).map { (geometry.ranges[$0].count + $1 - 1) / $1 }
    guard counts.reduce(1, *) <= 4096 else { throw .doesNotFit("more than 4096 pieces") }
    for number in 0..<counts.reduce(1, *) {
      var piece = geometry
      var rest = number
      for (index, axis) in axes.enumerated().reversed() {
        let start = rest % counts[index] * sizes[index]
        rest /= counts[index]
        piece.restrict(axis, to: start..<min(start + sizes[index], geometry.ranges[axis].count))
      }
      let (result, _) = try emitPiece(node, piece, flitAxis: flitAxis)
      var blocked = target
      for index in axes.indices {
        let source = result.placement.dimensions[index]
        blocked.dimensions[index].blocks = source.blocks
        blocked.dimensions[index].step = source.step
        blocked.dimensions[index].origin = source.origin
        blocked.dimensions[index].span = source.span
        // The address of origin 0 stays the base.
        blocked.base += source.origin * blocked.dimensions[index].stride
      }
      let maps = axes.indices.map(CopyPlan.SourceMap.axis)
      guard
        let plan = CopyPlan(
          from: result.placement, maps, to: blocked, ranges: type.shape.map { 0..<$0 }, window: window)
      else { throw .doesNotFit("a piece cannot be copied") }
      copy(plan.descriptors)
      sram.free(result.bytes.lowerBound)
      for offset in temporaries { sram.free(offset) }
      temporaries = []
    }
    settle(node.result, target, owned: nil)
  }

  // MARK: The program

  func program() -> NPUProgram {
    var program = NPUProgram(engines: machine.dmaEngines)
    program.load = load.code
    program.run = run.code
    program.programs = run.programs
    program.images = images
    program.dramBytes = Int64(dramEnd)
    program.kernels = graph.nodes.ids.map {
      NPUProgram.KernelEntry(name: graph.nodes[$0].name, sources: graph.nodes[$0].sources)
    }
    func port(_ buffer: BufferID) -> NPUProgram.Port {
      NPUProgram.Port(
        name: graph.buffers[buffer].name, type: graph.buffers[buffer].type,
        address: Int64(homes[buffer]?.placement.base ?? 0))
    }
    program.inputs = graph.inputs.map(port)
    program.outputs = graph.outputs.map(port)
    program.residences = residences
    program.predictedLoadTicks = Int64(Timeline(load.code, programs: run.programs, on: machine).end)
    program.predictedRunTicks = Int64(Timeline(run.code, programs: run.programs, on: machine).end)
    return program
  }
}
