import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// The memories that instructions touch.
enum Space: Int, CaseIterable, Sendable {
  case dram
  case sram
  case registerFile
  case vectorRegisters
  case tables

  var name: String {
    switch self {
    case .dram: "DRAM byte"
    case .sram: "SRAM byte"
    case .registerFile: "register file unit"
    case .vectorRegisters: "vector register"
    case .tables: "table word"
    }
  }

  func limit(_ machine: SliceMachine, dramBytes: Int) -> Int {
    switch self {
    case .dram: dramBytes
    case .sram: machine.sramBytesPerSlice
    case .registerFile: machine.registerUnits
    case .vectorRegisters: machine.vectorWords
    case .tables: machine.tableWords
    }
  }
}

/// What an instruction touches of one memory, and of which slices the same.
struct Access: Sendable {
  enum Kind: Sendable {
    case read
    case write
    /// Which of these places are written depends on data.
    case mayWrite
  }

  let space: Space
  let kind: Kind
  /// Ascending; of DRAM empty.
  let slices: [Int]
  let places: Intervals
  /// What names the access in findings.
  let name: String
}

/// All accesses of an instruction, and what of it could not be told exactly.
struct Footprint: Sendable {
  var accesses: [Access] = []
  /// That take part in a tensor instruction.
  var slices: [Int] = []
  var findings: [Diagnostic] = []

  mutating func add(
    _ space: Space, _ kind: Access.Kind, _ slices: [Int], _ places: Intervals, _ name: String
  ) {
    guard !places.isEmpty else { return }
    accesses.append(Access(space: space, kind: kind, slices: slices, places: places, name: name))
  }

  mutating func tooLarge(_ name: String) {
    findings.append(
      Diagnostic(
        .addressRange, "\(name) has more than \(Intervals.limit) separate runs; nothing is proved of it"))
  }

  /// A set spread over loops, the smallest strides first.
  mutating func spread(
    _ places: Intervals, over loops: [(size: Int, stride: Int)], _ name: String
  ) -> Intervals {
    var places = places
    var isExact = true
    for loop in loops.sorted(by: { abs($0.stride) < abs($1.stride) }) {
      isExact = places.spread(loop.size, by: loop.stride) && isExact
    }
    if !isExact { tooLarge(name) }
    return places
  }
}

extension Footprint {
  /// - Precondition: the instruction breaks no limit.
  init(_ tensor: TensorInstruction, _ machine: SliceMachine, programs: ProgramTables) {
    let shape = tensor.shape
    let first = Int(tensor.firstSlice)
    let slices = Array(first..<(first + Int(tensor.sliceCount)))
    self.slices = slices
    fetch(tensor, slices)
    let loops = tensor.loops
    let sizes = loops.indices.map { index in
      shape.retained.contains(index) ? shape.outputSize(of: index, in: tensor) : 1
    }
    let nest = loops.indices.filter { $0 != shape.leaving }
    if tensor.accumulate.kind == .contract {
      let base = Int(tensor.accumulate.registerBase)
      let units = spread(
        Intervals(base..<(base + Int(tensor.accumulate.lanes))),
        over: nest.map { (Int(loops[$0].size), Int(loops[$0].registerStride)) }, "the stationary operand")
      add(.registerFile, .read, slices, units, "the stationary operand")
    }
    let reducer = tensor.reducer
    // The slices that go on behind the reducer.
    let output =
      reducer.kind != .none && reducer.output == .one
      ? slices.filter { ($0 - first) / Int(reducer.stride) % Int(reducer.size) == 0 } : slices
    operands(tensor, shape, slices: slices, output: output, sizes)
    // Which entries are read depends on data.
    for slot in tensor.vector.program.map({ programs.slots[Int($0)] }) ?? [] {
      add(.tables, .read, output, Intervals(256 * slot..<256 * (slot + 1)), "table \(slot)")
    }
    if let slot = tensor.fetch.table.map(Int.init) {
      add(.tables, .read, slices, Intervals(256 * slot..<256 * (slot + 1)), "table \(slot)")
    }
    guard tensor.accumulate.finish != .keep else { return }
    sink(tensor, shape, nest: nest, output: output, sizes)
  }

  private mutating func operands(
    _ tensor: TensorInstruction, _ shape: StreamShape, slices: [Int], output: [Int], _ sizes: [Int]
  ) {
    var register = 0
    for (number, operand) in tensor.vector.operands.enumerated() {
      let elements = operand.isBroadcast ? 1 : shape.flitElements
      let flits = shape.flitLoops(operand)
      switch operand.source {
      case .registers(let base):
        let words = spread(
          Intervals(Int(base)..<(Int(base) + elements)),
          over: tensor.loops.indices.map { (sizes[$0], Int(tensor.loops[$0].vectorStrides[register])) }
            + flits,
          "operand \(number)")
        add(.vectorRegisters, .read, output, words, "operand \(number)")
        register += 1
      case .second(let stream):
        let isLoad = tensor.accumulate.start == .load
        let bytes = isLoad ? 8 * shape.flitElements : elements * stream.element.size
        // Cells are loaded before the scatter.
        let strides = tensor.loops.indices.map { index in
          let size = isLoad && shape.retained.contains(index) ? Int(tensor.loops[index].size) : sizes[index]
          return (size, Int(tensor.loops[index].secondStride))
        }
        let places = spread(
          Intervals(Int(stream.base)..<(Int(stream.base) + bytes)), over: strides + flits,
          "the second stream")
        add(.sram, .read, isLoad ? slices : output, places, "the second stream")
      }
    }
  }

  private mutating func sink(
    _ tensor: TensorInstruction, _ shape: StreamShape, nest: [Int], output: [Int], _ sizes: [Int]
  ) {
    let strides = tensor.loops.indices.map { (sizes[$0], Int(tensor.loops[$0].commitStride)) }
    switch tensor.sink {
    case .commit(let commit):
      let size = tensor.accumulate.finish == .spill ? 8 : commit.element.size
      let rows = Int(commit.transposeRows)
      let base = Int(commit.base)
      var loops = strides
      if rows > 1, let innermost = shape.retained.last {
        loops[innermost] = (sizes[innermost] / rows, rows * Int(tensor.loops[innermost].commitStride))
        loops.append((Int(commit.elements), Int(commit.columnStride)))
      } else {
        loops += shape.flitLoops(commit)
      }
      let bytes = (rows > 1 ? rows : Int(commit.elements)) * size
      let places = spread(Intervals(base..<(base + bytes)), over: loops, "the commit")
      add(.sram, .write, output, places, "the commit")
    case .registerFile(let base):
      let loops = nest.map { (Int(tensor.loops[$0].size), Int(tensor.loops[$0].registerStride)) }
      let units = spread(Intervals(Int(base)..<(Int(base) + 1)), over: loops, "the register file sink")
      add(.registerFile, .write, output, units, "the register file sink")
    case .vectorRegisters(let base), .tables(let base):
      let words = spread(
        Intervals(Int(base)..<(Int(base) + shape.flitElements)), over: strides, "the sink of words")
      let isTables = if case .tables = tensor.sink { true } else { false }
      add(isTables ? .tables : .vectorRegisters, .write, output, words, "the sink of words")
    }
  }
}

/// The table slots that each program of the pool reads.
struct ProgramTables: Sendable {
  let slots: [[Int]]

  init(_ program: NPUProgram) {
    slots = program.programs.map { program in
      var slots: [Int] = []
      for id in program.steps.ids {
        if case .table(let slot, _) = program.steps[id], !slots.contains(slot) { slots.append(slot) }
      }
      return slots.sorted()
    }
  }
}
