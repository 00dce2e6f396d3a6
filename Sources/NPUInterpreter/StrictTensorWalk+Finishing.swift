import KernelIR
import Machine
import NPUISA
import Support
import Tensors

// Reducer over slices, vector program and sinks.
extension StrictTensorWalk {
  private func digit(_ slice: Int) -> Int { slice / Int(body.reducer.stride) % Int(body.reducer.size) }

  func goesOn(_ slice: Int) -> Bool {
    body.reducer.kind == .none || body.reducer.output != .one || digit(slice) == 0
  }

  mutating func reduceOverSlices() throws(Diagnostic) {
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
  mutating func finish(_ slice: Int) throws(Diagnostic) {
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

  /// Whether each lane drains its columns by itself.
  private var drainsLanes: Bool {
    body.accumulate.kind == .contract && body.accumulate.laneOrder == .sequential
  }

  /// Flits of a step, or of one of its lanes.
  private var flitsPerLane: Int { drainsLanes ? (plan.columns + 7) / 8 : plan.shape.flits }

  /// Elements of a flit; the last flit of a lane's columns may have fewer than the others.
  func elements(of flit: Int) -> Int {
    drainsLanes ? min(8, plan.columns - flit % flitsPerLane * 8) : plan.shape.flitElements
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
  func tables(
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
  func place(of flit: Int, _ lane: Int32, _ stride: Int32) -> Int {
    flit / flitsPerLane * Int(lane) + flit % flitsPerLane * Int(stride)
  }

  private func commitOffset(_ index: [Int]) -> Int {
    plan.retained.reduce(0) { $0 + index[$1] * Int(body.loops[$1].commitStride) }
  }

  /// Counts what leaves a slice, flit by flit.
  mutating func countOutput(_ slice: Int) {
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
