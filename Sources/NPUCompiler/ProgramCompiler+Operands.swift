import KernelIR
import Machine
import NPUISA
import Support
import Tensors

extension Program {
  /// Appends the steps of this program to another and returns the register of its result. `input` and `operand` say
  /// what takes the place of those steps.
  func inline(
    into target: inout Program, input: Register?, operand: (inout Program, Int) -> Register,
    table: (Int) -> Int = { $0 }
  ) -> Register {
    var moved = EntityMap<Register, Register>()
    for id in steps.ids {
      let step: Step
      switch steps[id] {
      case .input:
        moved.append(input ?? target.append(.input))
        continue
      case .operand(let index):
        moved.append(operand(&target, index))
        continue
      default: step = steps[id].mapping(registers: { moved[$0] }, table: table)
      }
      moved.append(target.append(step))
    }
    return moved[result]
  }
}

extension ProgramCompiler {
  /// The program of the vector engine, and the operands that it reads besides the stream, in the order of its
  /// `operand` steps. The streamed operand of a map becomes its input; pre-programs are put in place.
  func vectorProgram(of kernel: Kernel, streamed: Int?) -> (program: Program, operands: [Int]) {
    let read = kernel.post.operandsRead.filter { $0 != streamed }
    let program = Program { program in
      var loaded: [Int: Register] = [:]
      return kernel.post.inline(into: &program, input: nil) { target, index in
        if let register = loaded[index] { return register }
        let step: Program.Step =
          index == streamed ? .input : .operand(read.firstIndex(of: index) ?? 0)
        let value = target.append(step)
        let register = kernel.operands[index].pre.inline(into: &target, input: value) { target, _ in
          target.append(.input)
        }
        loaded[index] = register
        return register
      }
    }
    return (program, read)
  }

  /// Brings the operands of the vector program to the vector registers, or to the second stream: the largest
  /// that has its elements along the flit axis without gaps.
  mutating func vectorSources(
    _ operands: [Int], of node: KernelNode, _ geometry: Geometry, flitAxis: AxisID?, group: Int = 8,
    width: Int? = nil, from first: Int = 0, limit: Int? = nil
  ) throws(Failure) -> [VectorSource] {
    let kernel = geometry.kernel
    for index in operands where kernel.operands[index].outside != .never {
      throw .doesNotFit("operand \(index) of the program leaves its bounds")
    }
    func isSmooth(_ index: Int) -> Bool {
      guard let flitAxis else { return true }
      let operand = kernel.operands[index]
      return !operand.depends(on: flitAxis) || operand.dimension(of: flitAxis) != nil
    }
    func words(_ index: Int) -> Int {
      kernel.axes(.parallel).reduce(1) { count, axis in
        guard kernel.operands[index].depends(on: axis) else { return count }
        let points = geometry.ranges[axis].count
        return count * (axis == flitAxis ? points.roundedUp(toMultipleOf: group) : points)
      }
    }
    let capacity = (limit ?? machine.vectorRegisterBytes / 4) - first
    let total = operands.reduce(0) { $0 + words($1) }
    let largest = operands.filter(isSmooth).max { words($0) < words($1) }
    let needsSecond = total > capacity || (largest.map { words($0) > 64 } ?? false)
    // What was computed just now would be loaded while main waits.
    func isNear(_ index: Int) -> Bool {
      guard graph.buffers[node.operands[index]].constant == nil, isSmooth(index) else { return false }
      let operand = kernel.operands[index]
      let steps = kernel.axes(.parallel).reduce(1) { steps, axis in
        let points = geometry.ranges[axis].count
        return steps * (axis == flitAxis ? (points + 7) / 8 : points)
      }
      let moves = flitAxis.map { operand.depends(on: $0) } ?? false
      guard !moves || flitAxis.map({ geometry.ranges[$0].count % group == 0 }) ?? true else { return false }
      let bytes = operand.type.element.size * (moves ? 8 : 1)
      return steps * ((bytes + machine.fetchSubBytesPerCycle - 1) / machine.fetchSubBytesPerCycle - 1)
        <= machine.issueSubCycles
    }
    let second =
      needsSecond ? largest : operands.filter(isNear).max { (words($0), $1) < (words($1), $0) }
    guard total - (second.map(words) ?? 0) <= capacity else {
      throw .doesNotFit("vector operands need \(total) words of \(capacity)")
    }
    var sources: [VectorSource] = []
    var base = first
    for index in operands {
      let operand = kernel.operands[index]
      let dependsOnFlit = flitAxis.map(operand.depends(on:)) ?? false
      let dimension = flitAxis.flatMap(operand.dimension(of:))
      if index == second {
        let tile = try tile(
          index, of: node, geometry, contiguous: dimension, padding: dimension != nil ? width ?? group : 1)
        sources.append(VectorSource(place: .second(tile), isBroadcast: !dependsOnFlit))
      } else {
        let tile = try tile(index, of: node, geometry, contiguous: nil)
        let place = try loadVectorRegisters(tile, geometry, flitAxis: flitAxis, group: group, base: base)
        sources.append(VectorSource(place: place, isBroadcast: !dependsOnFlit))
        base += words(index)
      }
    }
    return sources
  }

  /// Emits the load of a tile into the vector registers from word `base` on: eight words per packet of the flit axis.
  private mutating func loadVectorRegisters(
    _ tile: Tile, _ geometry: Geometry, flitAxis: AxisID?, group: Int, base: Int
  ) throws(Failure) -> VectorSource.Place {
    let axes = geometry.kernel.axes(.parallel).filter { tile.depends(on: $0) }
    let isPacked =
      flitAxis.map { tile.depends(on: $0) && tile.stride($0) == tile.operand.type.element.size } ?? false
    var strides: [AxisID: Int] = [:]
    var words = 1
    if let flitAxis, tile.depends(on: flitAxis) {
      strides[flitAxis] = 1
      words = geometry.ranges[flitAxis].count.roundedUp(toMultipleOf: group)
    }
    for axis in axes.reversed() where axis != flitAxis {
      strides[axis] = words
      words *= geometry.ranges[axis].count
    }
    var body = TensorInstruction()
    body.sliceCount = UInt16(geometry.sliceCount)
    body.fetch.base = Int32(tile.base)
    body.fetch.element = tile.operand.type.element
    body.fetch.packetElements = isPacked ? 8 : 1
    for axis in axes {
      let step = isPacked && axis == flitAxis ? 8 : 1
      let count = geometry.ranges[axis].count
      var loop = TensorInstruction.Loop()
      let points = step > 1 ? count.roundedUp(toMultipleOf: group) : count
      loop.size = UInt32((points + step - 1) / step)
      loop.fetchStride = Int32(step * tile.stride(axis))
      loop.commitStride = Int32(step * (strides[axis] ?? 0))
      guard loop.size > 1 || step > 1 else { continue }
      if step > 1, points != count {
        body.fetch.validLoop = UInt8(body.loops.count)
        body.fetch.validCount = UInt32(count)
      }
      body.loops.append(loop)
    }
    guard body.loops.count <= 8 else { throw .doesNotFit("a load of more than eight loops") }
    body.sink = .vectorRegisters(base: Int32(base))
    let range = base..<(base + words)
    // A tail that is not loaded in packets stays undefined, and is not read by whole flits elsewhere.
    if !isPacked, let flitAxis, tile.depends(on: flitAxis), geometry.ranges[flitAxis].count % group != 0 {
      clearVectorRegisters(range, geometry.sliceCount)
    }
    wordLoads.close(overlapping: range)
    run.append(
      .tensor(body), .sub,
      [.read(.sram, tile.bytes, slices: 0..<geometry.sliceCount), .write(.vectorRegisters, range)])
    return .registers(base: base, words: range, strides: strides)
  }

  /// Zero in a range of words: a load whose elements are all skipped.
  private mutating func clearVectorRegisters(_ range: Range<Int>, _ slices: Int) {
    let body = TensorInstruction.zeros(
      (range.count + 7) / 8, apart: 8, to: .vectorRegisters(base: Int32(range.lowerBound)), slices: slices)
    run.append(.tensor(body), .sub, [.write(.vectorRegisters, range)])
  }

  /// Loads a table into a slot.
  mutating func loadTable(_ table: Table, slot: Int, slices: Int) throws(Failure) {
    guard slot < machine.tableSlots else { throw .doesNotFit("more than \(machine.tableSlots) tables") }
    // Entries that are bytes come as such.
    let isNarrow =
      !table.isFloat && table.entries.allSatisfy { (-128...127).contains(Int32(bitPattern: $0)) }
    let element = isNarrow ? ElementType.i8 : table.isFloat ? .f32 : .i32
    let bytes = table.entries.flatMap { entry in
      stride(from: 0, to: 8 * element.size, by: 8).map { UInt8(truncatingIfNeeded: entry >> $0) }
    }
    let source = Placement(dram: image(bytes), TensorType(element, [table.entries.count]))
    let (offset, isLoad) = try place(bytes.count, isConstant: true, "a table")
    let loop = DMAInstruction.Loop(UInt32(slices), source: 0, destination: Int64(window))
    copy(
      [
        DMAInstruction(
          from: .init(.dram, Int64(source.base)), to: .init(.sram, Int64(offset)), run: UInt32(bytes.count),
          slices > 1 ? [loop] : [])
      ], isLoad: isLoad, engine: 1)
    var body = TensorInstruction()
    body.sliceCount = UInt16(slices)
    body.fetch.base = Int32(offset)
    body.fetch.element = element
    body.fetch.packetElements = 8
    var steps = TensorInstruction.Loop()
    steps.size = UInt32(table.entries.count / 8)
    steps.fetchStride = Int32(8 * element.size)
    steps.commitStride = 8
    body.loops = [steps]
    body.sink = .tables(base: Int32(256 * slot))
    run.append(
      .tensor(body), .sub,
      [
        .read(.sram, offset..<(offset + bytes.count), slices: 0..<slices),
        .write(.tables, (256 * slot)..<(256 * slot + 256)),
      ])
  }
}

extension TensorInstruction {
  /// For the sub context: eight zeros of 32 bits a step, from elements that are all skipped, so that nothing is read.
  static func zeros(_ steps: Int, apart stride: Int, to sink: Sink, slices: Int) -> TensorInstruction {
    var body = TensorInstruction()
    body.sliceCount = UInt16(slices)
    body.fetch.element = .i32
    body.fetch.packetElements = 8
    body.fetch.validLoop = 0
    var loop = Loop()
    loop.size = UInt32(steps)
    loop.commitStride = Int32(stride)
    body.loops = [loop]
    body.sink = sink
    return body
  }
}
