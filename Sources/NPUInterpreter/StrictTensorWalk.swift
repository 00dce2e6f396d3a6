import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// One tensor instruction, element by element as Docs/npu-machine.md says it, and counted on the way. Reads happen
/// now; what it would write is handed back.
struct StrictTensorWalk {
  let plan: TensorPlan
  let strict: StrictMachine
  let who: Issuer
  var counts = StageCounts()
  var counters = RunCounters()
  var writes: [PendingWrite] = []

  /// An element behind the adapter: i32 or the bits of an f32.
  struct Element {
    var bits: UInt32 = 0
    var isSkipped = true
  }

  private let state: MachineState
  private let machine: SliceMachine
  private let body: TensorInstruction
  /// Retained loops from the outermost reduced one on: they number the groups of cells.
  private let groups: [Int]
  private let reuses: [Int]
  private let sum: TensorPlan.Sum

  /// The stream of each slice, as 32-bit words: output step, flit, element (eight a flit).
  private var streams: [[UInt32]] = []

  init(_ plan: TensorPlan, _ strict: StrictMachine, _ who: Issuer) {
    self.plan = plan
    self.strict = strict
    self.who = who
    state = strict.state
    machine = strict.machine
    body = plan.body
    groups = plan.inner.filter { !plan.body.loops[$0].isReduced }
    reuses = plan.nest.filter { plan.body.loops[$0].kind == .reuse }
    sum = plan.sum
  }

  mutating func run() throws(Diagnostic) {
    countFetch()
    streams = []
    for slice in 0..<plan.slices {
      var index = [Int](repeating: 0, count: 8)
      if plan.usesCells { try accumulate(slice, &index) } else { pass(slice, &index) }
    }
    if body.reducer.kind != .none { try reduceOverSlices() }
    counts.issue = plan.isMain ? machine.issueMainCycles : machine.issueSubCycles
    if plan.program != nil || body.isReduction { counts.latency = machine.vectorLatencyCycles }
    if case .registerFile = body.sink { return }
    guard body.accumulate.finish == .drain else { return }
    for slice in 0..<plan.slices where goesOn(slice) { try finish(slice) }
    if let first = (0..<plan.slices).first(where: goesOn) { countOutput(first) }
  }
}

// Fetch, adapter and switch.
extension StrictTensorWalk {
  private mutating func countFetch() {
    let packetBytes = plan.packet * plan.elementSize
    let rate = plan.isMain ? machine.fetchMainBytesPerCycle : machine.fetchSubBytesPerCycle
    var flits = 0
    var index = [Int](repeating: 0, count: 8)
    for slice in 0..<plan.slices {
      var odometer = Odometer(plan.time, plan.sizes)
      while odometer.next(&index) {
        _ = fetch(slice, index, isObserved: true)
        counters.sramReadBytes += packetBytes
        guard slice == 0 else { continue }
        counts.fetch += Self.steps(packetBytes, rate)
        flits += Self.steps(packetBytes, machine.flitBytes)
      }
    }
    var ringSteps = 0
    switch body.exchange.kind {
    case .forward: break
    case .shift: ringSteps = abs(Int(body.exchange.distance))
    case .neighbours:
      ringSteps = abs(Int(body.exchange.distance))
      // Each way for itself: the packets add up to all.
      flits += 2
    default: for _ in 0..<Int(body.exchange.outer) { ringSteps += Int(body.exchange.inner) }
    }
    for _ in 0..<ringSteps { counts.exchange += flits + 2 }
  }

  /// How often one takes `rate` of `amount` until nothing is left.
  private static func steps(_ amount: Int, _ rate: Int) -> Int {
    var (left, count) = (amount, 0)
    while left > 0 {
      left -= max(rate, 1)
      count += 1
    }
    return count
  }

  /// The packet of a slice behind the adapter.
  private mutating func fetch(_ slice: Int, _ index: [Int], isObserved: Bool) -> [Element] {
    let fetch = body.fetch
    var base = Int(fetch.base)
    for loop in plan.time { base += index[loop] * Int(body.loops[loop].fetchStride) }
    var packet = [Element](repeating: Element(), count: plan.width)
    for e in 0..<plan.packet {
      if fetch.validLoop != 255 {
        let left = Int(fetch.validCount) - index[Int(fetch.validLoop)] * plan.packet
        guard left > e else { continue }
      }
      guard fetch.bounds.allSatisfy({ isInside($0, slice, index, e) }) else {
        if let outside = fetch.outside { packet[e] = Element(bits: outside, isSkipped: false) }
        continue
      }
      packet[e] = Element(bits: load(slice, base + e * plan.elementSize, isObserved), isSkipped: false)
    }
    if fetch.isBroadcast { for e in 1..<8 { packet[e] = packet[0] } }
    return packet
  }

  private func isInside(_ bound: TensorInstruction.Bound, _ slice: Int, _ index: [Int], _ e: Int) -> Bool {
    var coordinate = Int(bound.origin) + e * Int(bound.elementCoefficient)
    for (loop, coefficient) in bound.coefficients.enumerated() {
      coordinate += index[loop] * Int(coefficient)
    }
    coordinate += slice / Int(bound.divisor) % Int(bound.modulus) * Int(bound.step)
    return Int(bound.low) <= coordinate && coordinate < Int(bound.high)
  }

  /// An element of SRAM, widened, or the table's entry for it.
  private mutating func load(_ slice: Int, _ address: Int, _ isObserved: Bool) -> UInt32 {
    let fetch = body.fetch
    let size = plan.elementSize
    guard address >= 0, address + size <= machine.sramBytesPerSlice else {
      strict.findings.add(
        .addressRange, who.context, who.position,
        "reads SRAM byte \(address) of slice \(plan.first + slice), which has \(machine.sramBytesPerSlice)")
      return 0
    }
    if isObserved {
      strict.read(.sram, plan.first + slice, address, size, who)
    }
    let memory = UnsafeRawPointer(state.sram(plan.first + slice)) + address
    if let table = fetch.table {
      let stored = memory.load(as: UInt8.self)
      let key = fetch.element == .u8 ? Int(stored) - 128 : Int(Int8(bitPattern: stored))
      let word = Int(table) * 256 + key + 128
      if isObserved { strict.read(.tables, plan.first + slice, word, 1, who) }
      return state.tables(plan.first + slice)[word]
    }
    if fetch.element.isFloat { return fetch.element.loadFloat(memory).bitPattern }
    return UInt32(bitPattern: fetch.element.loadInteger(memory) &- Int32(fetch.zeroPoint))
  }

  /// The packet that a slice receives at an index of the nest.
  private mutating func receive(_ slice: Int, _ index: [Int]) -> [Element] {
    let source = plan.source(of: slice, index)
    var index = index
    if let leaving = plan.shape.leaving { index[leaving] = source.leaving }
    return fetch(source.slice, index, isObserved: false)
  }
}

// Without accumulators.
extension StrictTensorWalk {
  private mutating func pass(_ slice: Int, _ index: inout [Int]) {
    var stream: [UInt32] = []
    var odometer = Odometer(plan.nest, plan.sizes)
    while odometer.next(&index) {
      let packet = receive(slice, index)
      if case .registerFile(let base) = body.sink {
        storePacket(packet, slice, base, index)
      } else {
        for e in 0..<8 { stream.append(e < packet.count && !packet[e].isSkipped ? packet[e].bits : 0) }
      }
    }
    streams.append(stream)
    if slice == 0, case .registerFile = body.sink { countRegisterFile() }
  }

  private mutating func storePacket(_ packet: [Element], _ slice: Int, _ base: Int32, _ index: [Int]) {
    var unit = Int(base)
    for loop in plan.nest { unit += index[loop] * Int(body.loops[loop].registerStride) }
    for e in 0..<state.wordsPerUnit {
      let bits = e < packet.count && !packet[e].isSkipped ? packet[e].bits : 0
      write(.registers, slice, unit * state.wordsPerUnit + e, 1, UInt64(bits))
    }
  }

  /// Time and ring loops as they stand in the nest, the one that leaves it too.
  private mutating func countRegisterFile() {
    var index = [Int](repeating: 0, count: 8)
    let all = body.loops.indices.filter { body.loops[$0].kind != .reuse }
    var odometer = Odometer(all, plan.sizes)
    while odometer.next(&index) { counts.commit += 1 }
  }

  private mutating func write(_ memory: MemoryName, _ slice: Int, _ entry: Int, _ count: Int, _ bits: UInt64)
  {
    if memory == .sram { counters.sramWriteBytes += count }
    writes.append(
      PendingWrite(
        memory: memory, slice: Int32(plan.first + slice), count: Int32(count), entry: entry, bits: bits))
  }
}

// Contraction and reduction.
extension StrictTensorWalk {
  private mutating func accumulate(_ slice: Int, _ index: inout [Int]) throws(Diagnostic) {
    let accumulate = body.accumulate
    var stream: [UInt32] = []
    var outer = Odometer(plan.outer, plan.sizes)
    while outer.next(&index) {
      var cells = try startCells(slice, index)
      var inner = Odometer(plan.inner, plan.sizes)
      var packet: [Element] = []
      while inner.next(&index) {
        // Reuse loops stand innermost.
        if packet.isEmpty || reuses.allSatisfy({ index[$0] == 0 }) { packet = receive(slice, index) }
        let group = mixedRadix(groups, index)
        let step = mixedRadix(plan.reduced, index)
        if accumulate.kind == .contract {
          contract(packet, group, slice, index, &cells)
        } else {
          reduce(packet, group, step, &cells)
        }
        if slice == 0 { countStep() }
      }
      try finishCells(cells, slice, &index, &stream)
    }
    streams.append(stream)
  }

  private func mixedRadix(_ loops: [Int], _ index: [Int]) -> Int {
    loops.reduce(0) { $0 * plan.sizes[$1] + index[$1] }
  }

  private mutating func countStep() {
    if body.accumulate.kind == .contract {
      counts.contract += Self.steps(plan.packet * plan.elementSize, machine.packetBytes)
    } else {
      counts.contract += Self.steps(8, machine.vectorWaysReduce)
    }
  }

  private mutating func startCells(_ slice: Int, _ index: [Int]) throws(Diagnostic) -> [Int64] {
    let count = plan.shape.cells
    switch body.accumulate.start {
    case .zero: return Array(repeating: Cell.start(body.accumulate.kind, plan.isFloat), count: count)
    case .keep:
      return (0..<count).map { cell in
        strict.read(.cells, plan.first + slice, cell, 1, who)
        return state.cells(plan.first + slice)[cell]
      }
    case .load:
      var cells = [Int64](repeating: 0, count: count)
      guard let second = body.second else { return cells }
      var index = index
      var odometer = Odometer(groups, plan.sizes)
      while odometer.next(&index) {
        for (flit, element, cell) in cellsOfStep(mixedRadix(groups, index)) {
          var address = Int(second.stream.base) + 8 * element
          address += place(of: flit, second.operand.laneStride, second.operand.flitStride)
          for loop in plan.retained { address += index[loop] * Int(body.loops[loop].secondStride) }
          strict.read(.sram, plan.first + slice, address, 8, who)
          counters.sramReadBytes += 8
          cells[cell] = (state.sram(plan.first + slice) + address).loadUnaligned(as: Int64.self)
        }
        guard slice == 0 else { continue }
        for _ in 0..<plan.shape.flits {
          counts.second += Self.steps(8 * plan.shape.flitElements, machine.fetchSubBytesPerCycle)
        }
      }
      return cells
    }
  }

  /// Flit, element and cell of everything that one output step of a group drains.
  private func cellsOfStep(_ group: Int) -> [(flit: Int, element: Int, cell: Int)] {
    let base = group * plan.cellsPerGroup
    guard body.accumulate.kind == .contract else {
      return (0..<plan.width).map { (0, $0, (base + $0) * plan.partials) }
    }
    var list: [(flit: Int, element: Int, cell: Int)] = []
    for lane in 0..<plan.lanes {
      for column in 0..<plan.columns {
        let cell = base + lane * plan.columns + column
        if body.accumulate.laneOrder == .interleaved {
          list.append((column, lane, cell))
        } else {
          list.append((lane * ((plan.columns + 7) / 8) + column / 8, column % 8, cell))
        }
      }
    }
    return list
  }

  private mutating func contract(
    _ packet: [Element], _ group: Int, _ slice: Int, _ index: [Int], _ cells: inout [Int64]
  ) {
    var unit = Int(body.accumulate.registerBase)
    for loop in plan.nest { unit += index[loop] * Int(body.loops[loop].registerStride) }
    let file = state.registers(plan.first + slice)
    let shift = Int(body.accumulate.treeDepth)
    for lane in 0..<plan.lanes {
      let word = (unit + lane) * state.wordsPerUnit
      let cell = (group * plan.lanes + lane) * plan.columns
      var e = 0
      while e < packet.count {
        guard !packet[e].isSkipped else {
          e += 1
          continue
        }
        let start = e
        while e < packet.count, !packet[e].isSkipped { e += 1 }
        strict.read(.registers, plan.first + slice, word + start, e - start, who)
        switch sum {
        case .integer:
          for i in start..<e {
            cells[cell + (i >> shift)] = Cell.add(cells[cell + (i >> shift)], packet[i].bits, file[word + i])
          }
        case .exact:
          for i in start..<e {
            cells[cell + (i >> shift)] = Cell.addExact(
              cells[cell + (i >> shift)], packet[i].bits, file[word + i])
          }
        case .chain:
          for i in start..<e {
            cells[cell + (i >> shift)] = Cell.addChain(
              cells[cell + (i >> shift)], packet[i].bits, file[word + i])
          }
        }
      }
      counters.multiplyAdds += plan.packet
    }
  }

  private func reduce(_ packet: [Element], _ group: Int, _ step: Int, _ cells: inout [Int64]) {
    for e in 0..<plan.width where !packet[e].isSkipped {
      let partial = body.accumulate.hasSixteenPartials ? step % 16 : 0
      let cell = (group * plan.width + e) * plan.partials + partial
      cells[cell] = Cell.reduce(body.accumulate.kind, plan.isFloat, cells[cell], packet[e].bits, step)
    }
  }

  private mutating func finishCells(
    _ cells: [Int64], _ slice: Int, _ index: inout [Int], _ stream: inout [UInt32]
  ) throws(Diagnostic) {
    if body.accumulate.finish == .keep {
      for (cell, value) in cells.enumerated() { write(.cells, slice, cell, 1, UInt64(bitPattern: value)) }
      return
    }
    var odometer = Odometer(groups, plan.sizes)
    while odometer.next(&index) {
      var flits = [UInt32](repeating: 0, count: plan.shape.flits * 8)
      for (flit, element, cell) in cellsOfStep(mixedRadix(groups, index)) {
        if body.accumulate.finish == .spill {
          try spill(cells[cell], slice, index, flit, element)
        } else {
          flits[flit * 8 + element] = try drain(cells, cell)
        }
      }
      if body.accumulate.finish == .drain { stream += flits }
      guard slice == 0 else { continue }
      for _ in 0..<plan.shape.flits { counts.drain += 1 }
      guard body.accumulate.finish == .spill, case .commit(let commit) = body.sink else { continue }
      for _ in 0..<plan.shape.flits {
        counts.commit += Self.steps(8 * Int(commit.elements), machine.commitMainBytesPerCycle)
      }
    }
  }

  private mutating func spill(
    _ cell: Int64, _ slice: Int, _ index: [Int], _ flit: Int, _ element: Int
  ) throws(Diagnostic) {
    guard case .commit(let commit) = body.sink, element < Int(commit.elements) else { return }
    var address = Int(commit.base) + place(of: flit, commit.laneStride, commit.flitStride) + 8 * element
    for loop in plan.retained { address += index[loop] * Int(body.loops[loop].commitStride) }
    write(.sram, slice, address, 8, UInt64(bitPattern: cell))
  }

  private func drain(_ cells: [Int64], _ cell: Int) throws(Diagnostic) -> UInt32 {
    if plan.partials == 16 { return Cell.drainPartials(cells[cell..<(cell + 16)]) }
    let isExact = body.accumulate.kind == .contract && plan.sum == .exact
    if let word = Cell.drain(cells[cell], body.accumulate.kind, plan.isFloat, isExact: isExact) {
      return word
    }
    throw Diagnostic(
      .accumulatorOverflow, at: .instruction(who.position),
      "instruction \(who.position) of \(Context(index: who.context)) drains the sum \(cells[cell])")
  }
}

// Reducer over slices, vector program and sinks.
extension StrictTensorWalk {
  private func digit(_ slice: Int) -> Int { slice / Int(body.reducer.stride) % Int(body.reducer.size) }

  private func goesOn(_ slice: Int) -> Bool {
    body.reducer.kind == .none || body.reducer.output != .one || digit(slice) == 0
  }

  private mutating func reduceOverSlices() throws(Diagnostic) {
    let reducer = body.reducer
    let (size, stride) = (Int(reducer.size), Int(reducer.stride))
    var results = streams
    for slice in 0..<plan.slices {
      let first = slice - digit(slice) * stride
      for word in streams[slice].indices {
        let terms = (0..<size).map { streams[first + $0 * stride][word] }
        results[slice][word] = try Cell.combine(reducer.kind, plan.isInputFloat, terms)
      }
    }
    streams = results
    let flits = streams[0].count / 8
    for _ in 0..<stride {
      counts.reducer += flits
      for _ in 0..<size { counts.reducer += machine.hopCycles }
    }
  }

  /// What happens to the stream of one slice behind the reducer.
  private mutating func finish(_ slice: Int) throws(Diagnostic) {
    var index = [Int](repeating: 0, count: 8)
    var odometer = Odometer(plan.retained, plan.outputSizes)
    let scattered = plan.shape.scatter > 1 ? Int(body.reducer.loop) : nil
    while odometer.next(&index) {
      var step = 0
      for loop in plan.retained {
        let part = loop == scattered ? body.reducer.part(of: digit(slice)) * plan.outputSizes[loop] : 0
        step = step * plan.sizes[loop] + part + index[loop]
      }
      for flit in 0..<plan.shape.flits {
        for element in 0..<elements(of: flit) {
          let input = streams[slice][(step * plan.shape.flits + flit) * 8 + element]
          let output = try evaluate(input, slice, index, flit, element)
          store(output, slice, index, flit, element)
        }
      }
    }
  }

  /// Elements of a flit; the last flit of a lane's columns may have fewer than the others.
  private func elements(of flit: Int) -> Int {
    guard body.accumulate.kind == .contract, body.accumulate.laneOrder == .sequential else {
      return plan.shape.flitElements
    }
    let perLane = (plan.columns + 7) / 8
    return min(8, plan.columns - flit % perLane * 8)
  }

  private mutating func evaluate(
    _ input: UInt32, _ slice: Int, _ index: [Int], _ flit: Int, _ element: Int
  ) throws(Diagnostic) -> UInt32 {
    guard let program = plan.program, let kinds = plan.kinds else { return input }
    func scalar(_ bits: UInt32, _ kind: WordKind) -> Scalar {
      kind == .float ? .f32(Float(bitPattern: bits)) : .i32(Int32(bitPattern: bits))
    }
    var operands: [Scalar] = []
    for (number, operand) in plan.body.vector.operands.enumerated() {
      if body.accumulate.start == .load, case .second = operand.source {
        operands.append(.i32(0))
        continue
      }
      let bits = readOperand(operand, number, slice, index, flit, element)
      operands.append(scalar(bits, kinds.operands[number]))
    }
    let tables = try self.tables(program, kinds, slice, scalar(input, kinds.input), operands)
    counters.vectorSteps += program.steps.count
    let result = try program.evaluate(input: scalar(input, kinds.input), tables: tables) {
      (number: Int) throws(Diagnostic) -> Scalar in operands[number]
    }
    switch result {
    case .i32(let value): return UInt32(bitPattern: value)
    case .f32(let value): return value.bitPattern
    }
  }

  private mutating func readOperand(
    _ operand: TensorInstruction.VectorOperand, _ number: Int, _ slice: Int, _ index: [Int], _ flit: Int,
    _ element: Int
  ) -> UInt32 {
    var place = place(of: flit, operand.laneStride, operand.flitStride)
    for loop in plan.retained { place += index[loop] * plan.operandStrides[number][loop] }
    let e = operand.isBroadcast ? 0 : element
    switch operand.source {
    case .registers(let base):
      strict.read(.vectors, plan.first + slice, Int(base) + place + e, 1, who)
      return state.vectors(plan.first + slice)[Int(base) + place + e]
    case .second(let second):
      let address = Int(second.base) + place + e * second.element.size
      strict.read(.sram, plan.first + slice, address, second.element.size, who)
      counters.sramReadBytes += second.element.size
      let memory = UnsafeRawPointer(state.sram(plan.first + slice)) + address
      return second.element.isFloat
        ? second.element.loadFloat(memory).bitPattern : UInt32(bitPattern: second.element.loadInteger(memory))
    }
  }

  /// The slots that the program looks up; the words that it reads of them must be defined.
  private func tables(
    _ program: Program, _ kinds: ProgramKinds, _ slice: Int, _ input: Scalar, _ operands: [Scalar]
  ) throws(Diagnostic) -> [Table] {
    var tables: [Table] = []
    for id in program.steps.ids {
      guard case .table(let slot, let key) = program.steps[id] else { continue }
      while tables.count <= slot { tables.append(Table(low: -128, isFloat: false, entries: [0])) }
      let words = state.tables(plan.first + slice) + slot * 256
      tables[slot] = Table(
        low: -128, isFloat: kinds.steps[id.index] == .float,
        entries: Array(UnsafeBufferPointer(start: words, count: 256)))
      let prefix = Program(steps: program.steps.ids.prefix(id.index).map { program.steps[$0] }, result: key)
      let value = try prefix.evaluate(input: input, tables: tables) {
        (number: Int) throws(Diagnostic) -> Scalar in operands[number]
      }
      guard case .i32(let key) = value else { continue }
      let word = slot * 256 + min(max(Int(key) + 128, 0), 255)
      strict.read(.tables, plan.first + slice, word, 1, who)
    }
    return tables
  }

  private mutating func store(_ bits: UInt32, _ slice: Int, _ index: [Int], _ flit: Int, _ element: Int) {
    switch body.sink {
    case .registerFile: break
    case .vectorRegisters(let base):
      write(.vectors, slice, Int(base) + commitOffset(index) + element, 1, UInt64(bits))
    case .tables(let base):
      write(.tables, slice, Int(base) + commitOffset(index) + element, 1, UInt64(bits))
    case .commit(let commit):
      guard element < Int(commit.elements) else { return }
      let size = commit.element.size
      let rows = Int(commit.transposeRows)
      var address = Int(commit.base)
      if rows > 1 {
        var first = index
        var row = 0
        if let last = plan.retained.last {
          row = index[last] % rows
          first[last] -= row
        }
        address += commitOffset(first) + element * Int(commit.columnStride) + row * size
      } else {
        address += commitOffset(index) + element * size
        address += place(of: flit, commit.laneStride, commit.flitStride)
      }
      write(.sram, slice, address, size, UInt64(Cell.encode(bits, commit.element)))
    }
  }

  /// Where a flit of a step lies, by its lane and its number in it.
  private func place(of flit: Int, _ lane: Int32, _ stride: Int32) -> Int {
    let perLane =
      body.accumulate.kind == .contract && body.accumulate.laneOrder == .sequential
      ? (plan.columns + 7) / 8 : plan.shape.flits
    return flit / perLane * Int(lane) + flit % perLane * Int(stride)
  }

  private func commitOffset(_ index: [Int]) -> Int {
    plan.retained.reduce(0) { $0 + index[$1] * Int(body.loops[$1].commitStride) }
  }

  /// Counts what leaves a slice, flit by flit.
  private mutating func countOutput(_ slice: Int) {
    var index = [Int](repeating: 0, count: 8)
    var odometer = Odometer(plan.retained, plan.outputSizes)
    var (integer, float) = (0, 0)
    if let program = plan.program, let kinds = plan.kinds {
      for id in program.steps.ids {
        switch program.steps[id] {
        case .input, .operand, .integer, .float: continue
        default: if kinds.steps[id.index] == .float { float += 1 } else { integer += 1 }
        }
      }
    }
    let rate = plan.isMain ? machine.commitMainBytesPerCycle : machine.commitSubBytesPerCycle
    var rowsLeft = 0
    while odometer.next(&index) {
      for _ in 0..<plan.shape.flits {
        for _ in 0..<Self.steps(integer, 8) { counts.vector += Self.steps(8, machine.vectorWaysInteger) }
        for _ in 0..<Self.steps(float, 8) { counts.vector += Self.steps(8, machine.vectorWaysFloat) }
        if body.accumulate.start != .load, let second = body.second {
          let elements = second.operand.isBroadcast ? 1 : plan.shape.flitElements
          counts.second += Self.steps(elements * second.stream.element.size, machine.fetchSubBytesPerCycle)
        }
        guard case .commit(let commit) = body.sink else {
          counts.commit += 1
          continue
        }
        let rows = Int(commit.transposeRows)
        if rows == 1 {
          counts.commit += Self.steps(Int(commit.elements) * commit.element.size, rate)
        } else {
          rowsLeft += 1
          guard rowsLeft == rows else { continue }
          rowsLeft = 0
          for _ in 0..<Int(commit.elements) { counts.commit += Self.steps(rows * commit.element.size, rate) }
        }
      }
    }
  }
}
