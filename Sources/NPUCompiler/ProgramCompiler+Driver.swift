import KernelIR
import Machine
import NPUISA
import Support
import Tensors

extension ProgramCompiler {
  /// How one kernel is placed.
  struct Choice {
    enum Mapping {
      case sliced(Geometry, flitAxis: AxisID?)
      case tiled(Geometry, Standing)
      /// A move within slices.
      case local(Geometry, flitAxis: AxisID?)
      /// A move that packs the channels of pixels.
      case packed(Geometry)
      /// A move that leaves elements in their places.
      case renamed
      /// By DMA.
      case copied
    }

    /// What is brought to DRAM before: nothing, all but the operands, all; or the kernel runs in pieces.
    enum Relief: Int, CaseIterable {
      case none
      case others
      case all
      case pieces
    }

    var relief = Relief.none
    var mapping: Mapping?
  }

  /// The program of a search. Where constants are resident, values are placed for all their lifetimes at once; constants that
  /// stream go round instead, so that they can come early.
  /// - Parameters:
  ///   - order: of the nodes, by number; nil: the graph's.
  ///   - usesEither: whether sub does what main could do as well.
  func emitted(
    residentBytes: Int, order: [Int]? = nil, usesEither: Bool = false, _ options: NPUCompiler.Options
  ) throws(Diagnostic) -> ProgramCompiler {
    let order = order ?? Array(choices.indices)
    if residentBytes > 0 {
      let dry = try? emitted(residentBytes, order, isDry: true, sharesLoads: true, options) {
        .counted($0, recordsLifetimes: true)
      }
      if let dry, dry.residentDemand > residentBytes {
        throw Diagnostic(.doesNotFit, "constants need \(dry.residentDemand) bytes of a slice")
      }
      if let plan = dry?.sram.plan() {
        for loads in [dry, nil] {
          if let program = try? emitted(
            residentBytes, order, isDry: false, loads: loads, usesEither: usesEither, options,
            { .planned($0, plan) })
          {
            return program
          }
        }
      }
    }
    return try emitted(
      residentBytes, order, isDry: false, usesEither: usesEither, options, ValueMemory.lowest)
  }

  /// - Parameter dry: the same program, whose loads are known; nil loads the constants of every kernel alone.
  private func emitted(
    _ residentBytes: Int, _ order: [Int], isDry: Bool, loads dry: ProgramCompiler? = nil,
    sharesLoads: Bool = false, usesEither: Bool = false, _ options: NPUCompiler.Options,
    _ memory: (Int) -> ValueMemory
  ) throws(Diagnostic) -> ProgramCompiler {
    var program = ProgramCompiler(
      graph, machine, residentBytes: residentBytes, isDry: isDry, room: room, joinings: joinings,
      cache: cache,
      sharesLoads: sharesLoads || dry != nil, memory: memory)
    program.residentPrice = residentPrice
    program.run.usesEither = usesEither
    program.registerLoads.planned = dry?.registerLoads.totals
    program.wordLoads.planned = dry?.wordLoads.totals
    let ids = Array(graph.nodes.ids)
    for number in order {
      let (node, choice) = (graph.nodes[ids[number]], choices[number])
      program.run.kernel = UInt32(number)
      program.load.kernel = UInt32(number)
      do { try program.placeSomehow(node, choice, options) } catch {
        throw error.diagnostic(number, node, machine)
      }
      program.run.appendPending()
      if node.kernel != nil, !isDry { program.record(node) }
      program.release(after: node)
      for buffer in [node.result] + node.operands { program.finishEarly(buffer) }
    }
    for output in graph.outputs {
      do { try program.finish(output) } catch {
        throw Diagnostic(.doesNotFit, "output '\(graph.buffers[output].name)' cannot be copied to DRAM")
      }
    }
    guard program.registerLoads.isAsPlanned, program.wordLoads.isAsPlanned else {
      throw Diagnostic(.doesNotFit, "loads are not as planned")
    }
    return program
  }

  /// Brings an output to DRAM that nothing reads any more, if that can be done now. Where constants stream they would wait behind it.
  private mutating func finishEarly(_ buffer: BufferID) {
    guard resident != nil, remaining[buffer] > 0,
      remaining[buffer] == graph.outputs.count(where: { $0 == buffer }),
      homes[buffer]?.placement.memory == .sram
    else { return }
    let before = self
    if (try? bringToDRAM(buffer)) == nil { self = before }
  }

  /// Brings an output to DRAM, into bytes that the program writes: an input or a constant under another name is copied.
  private mutating func finish(_ output: BufferID) throws(Failure) {
    let address = try bringToDRAM(output)
    guard inputAddresses.contains(address) || images.contains(where: { $0.address == Int64(address) }) else {
      return
    }
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
    guard !buffer.name.isEmpty, let placement = homes[node.result]?.placement, var last = run.last else {
      return
    }
    // What both engines brought is complete when both are done.
    if copyEnds.contains(last), let other = copyEnds.first(where: { $0 != last }) {
      last = run.hold(last, until: other)
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

  /// Places a node as chosen, or with more room than the search thought necessary.
  private mutating func placeSomehow(
    _ node: KernelNode, _ choice: Choice, _ options: NPUCompiler.Options
  ) throws(Failure) {
    var reliefs = Choice.Relief.allCases.filter { $0.rawValue >= choice.relief.rawValue }
    while true {
      var choice = choice
      choice.relief = reliefs.removeFirst()
      if choice.relief == .pieces { choice.mapping = nil }
      let before = self
      do { return try place(node, choice, options) } catch {
        guard case .doesNotFit = error, !reliefs.isEmpty, choice.mapping != nil else { throw error }
        self = before
        neededMoreRoom = true
      }
    }
  }

  /// Places a node as chosen.
  mutating func place(
    _ node: KernelNode, _ choice: Choice, _ options: NPUCompiler.Options
  ) throws(Failure) {
    guard let kernel = node.kernel else { return try emitView(node) }
    guard kernel.elements > 0 else {
      return settle(node.result, Placement(dram: allocateDRAM(0), kernel.result), owned: nil)
    }
    switch kernel.form {
    case .move, .gather, .scatter: try map(node, choice.relief == .none ? choice.mapping ?? .copied : .copied)
    case .map where kernel.operands.isEmpty: try placeConstant(node, kernel)
    case .contract, .map, .reduce:
      try relieve(choice.relief, node)
      guard let mapping = choice.mapping else {
        return try placeInPieces(node, kernel, options, "no mapping")
      }
      try map(node, mapping)
    }
  }

  /// Makes room in SRAM.
  mutating func relieve(_ relief: Choice.Relief, _ node: KernelNode) throws(Failure) {
    guard relief != .none else { return }
    for buffer in reserved.sorted() { giveUpReserved(buffer) }
    for buffer in graph.buffers.ids where !node.operands.contains(buffer) && homes[buffer]?.owned != nil {
      try bringToDRAM(buffer)
    }
    guard relief != .others else { return }
    for buffer in Set(node.operands).sorted() where homes[buffer]?.owned != nil { try bringToDRAM(buffer) }
  }

  /// - Parameter tiled: of a tiled mapping, if that is known.
  mutating func map(
    _ node: KernelNode, _ mapping: Choice.Mapping, tiled: TiledContraction? = nil
  ) throws(Failure) {
    switch mapping {
    case .local, .copied: break
    case .sliced, .tiled, .packed, .renamed: giveUpReserved(node.result)
    }
    switch mapping {
    case .sliced(let geometry, let flitAxis): try emit(node, geometry, flitAxis: flitAxis)
    case .tiled(let geometry, let standing):
      guard let tiled = tiled ?? tiling(node, geometry) else { throw .doesNotFit("no contraction") }
      let result = try emitTiled(node, tiled, standing)
      settle(node.result, result.placement, owned: result.bytes)
    case .local(let geometry, let flitAxis): try emitLocalMove(node, geometry, flitAxis: flitAxis)
    case .packed(let geometry): try emitPacking(node, geometry)
    case .renamed:
      guard let kernel = node.kernel else { return }
      try emitTransposition(node, kernel)
    case .copied:
      guard let kernel = node.kernel else { return }
      if kernel.form == .move { try emitMove(node, kernel) } else { try emitRows(node, kernel) }
    }
  }

  /// A map of nothing is a constant.
  private mutating func placeConstant(_ node: KernelNode, _ kernel: Kernel) throws(Failure) {
    let value: Tensor
    do { value = try KernelEvaluator.run(kernel, []) } catch { throw .unsupported(error) }
    let address = image(value.withBytes { Array($0) })
    settle(node.result, Placement(dram: address, kernel.result), owned: nil)
  }

  /// Axes along which the elements of a flit may lie, the likely best first. A contraction finds its own.
  func flitAxes(_ node: KernelNode, _ kernel: Kernel) -> [AxisID?] {
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
    let result = try emitPiece(node, geometry, flitAxis: flitAxis, mayJoin: true)
    settle(node.result, result.placement, owned: result.bytes)
  }

  /// Runs the ranges of a geometry into SRAM that is reserved for them.
  private mutating func emitPiece(
    _ node: KernelNode, _ geometry: Geometry, flitAxis: AxisID?, mayJoin: Bool = false
  ) throws(Failure) -> Tile {
    guard geometry.kernel.form == .contract else {
      let result = try resultTile(
        node, geometry, innermost: flitAxis, rounding: Self.flitWidth(geometry, flitAxis), mayJoin: mayJoin)
      try emitVector(node, geometry, flitAxis: flitAxis, result: result)
      return result
    }
    let isConstant = node.operands.prefix(2).map { graph.buffers[$0].constant != nil }
    guard let plan = Contraction(geometry, isConstant: isConstant, machine) else {
      throw .doesNotFit("no contraction")
    }
    let rounding = plan.isDepthwise ? plan.packetElements : 8
    let result = try resultTile(
      node, geometry, innermost: plan.flitAxis, rounding: rounding, mayJoin: mayJoin)
    try emitContraction(node, geometry, plan, result: result)
    return result
  }

  /// Cuts the parallel axes into ranges that fit, one after another, and collects the result in DRAM.
  private mutating func placeInPieces(
    _ node: KernelNode, _ kernel: Kernel, _ options: NPUCompiler.Options, _ reason: String
  ) throws(Failure) {
    var reason = reason
    let axes = kernel.axes(.parallel)
    let all = slicings(node, kernel, limit: options.effort)
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
      let result = try emitPiece(node, piece, flitAxis: flitAxis)
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
    func port(_ buffer: BufferID, _ address: Int) -> NPUProgram.Port {
      NPUProgram.Port(
        name: graph.buffers[buffer].name, type: graph.buffers[buffer].type, address: Int64(address))
    }
    program.inputs = zip(graph.inputs, inputAddresses).map(port)
    program.outputs = graph.outputs.map { port($0, homes[$0]?.placement.base ?? 0) }
    program.residences = residences
    program.predictedLoadTicks = Int64(Timeline(load.code, programs: run.programs, on: machine).end)
    program.predictedRunTicks = Int64(Timeline(run.code, programs: run.programs, on: machine).end)
    return program
  }
}
