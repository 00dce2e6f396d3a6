import KernelIR
import Machine
import NPUISA
import Support
import TargetFiles
import Tensors
import TestSupport
import Testing

private typealias Loop = TensorInstruction.Loop

private func loop(_ size: UInt32, _ kind: Loop.Kind = .time, _ change: (inout Loop) -> Void = { _ in })
  -> Loop
{
  var loop = Loop()
  loop.size = size
  loop.kind = kind
  change(&loop)
  return loop
}

/// 4 · 8 results per lane row of a contraction over 2 packets of 8.
private func contraction() -> TensorInstruction {
  var tensor = TensorInstruction()
  tensor.sliceCount = 4
  tensor.loops = [
    loop(4) {
      $0.fetchStride = 16
      $0.commitStride = 8
    },
    loop(2) {
      $0.isReduced = true
      $0.fetchStride = 8
      $0.registerStride = 8
    },
  ]
  tensor.fetch.packetElements = 8
  tensor.accumulate.kind = .contract
  tensor.accumulate.treeDepth = 3
  tensor.vector.program = 0
  return tensor
}

private let programs = [
  Program {
    let input = $0.append(.input)
    let multiplier = $0.append(constant: Int32(1 << 30))
    let shift = $0.append(constant: Int32(31))
    return $0.append(
      .requant(input, multiplier: multiplier, shift: shift, zeroPoint: 0, low: -128, high: 127))
  }
]

private func findings(_ tensor: TensorInstruction, _ context: Context = .main) throws -> [String] {
  let machine = try Targets.builtin("tiny-npu").machine
  return Instruction(.tensor(tensor)).check(on: machine, context: context, programs: programs).map(\.message)
}

@Test func aContractionIsLegal() throws {
  #expect(try findings(contraction()) == [])
}

/// Each change breaks one rule, which the finding names.
private let broken: [(String, String, @Sendable (inout TensorInstruction) -> Void)] = [
  ("slices", "first_slice + slice_count is 5", { $0.firstSlice = 1 }),
  ("loops", "loops is 9", { $0.loops += Array(repeating: loop(1), count: 7) }),
  ("size", "loops[0].size is 0", { $0.loops[0].size = 0 }),
  ("order", "stands within a reuse loop", { $0.loops.insert(loop(2, .reuse), at: 0) }),
  ("fetch stride", "has a fetch stride", { $0.loops.append(loop(2, .reuse) { $0.fetchStride = 1 }) }),
  ("reduced stride", "has a stride behind it", { $0.loops[1].commitStride = 1 }),
  ("second", "second stream that is not read", { $0.loops[0].secondStride = 1 }),
  ("vector strides", "1 vector strides for 0 operands", { $0.loops[0].vectorStrides = [1] }),
  ("packet", "a packet has 16 bytes, a lane takes 8", { $0.fetch.packetElements = 16 }),
  ("type", "the tensor unit multiplies", { $0.fetch.element = .i16 }),
  ("broadcast", "is broadcast on the way", { $0.fetch.isBroadcast = true }),
  ("outside", "must contribute nothing", { $0.fetch.outside = 0 }),
  ("table", "a table is looked up on the way", { $0.fetch.table = 0 }),
  ("valid", "valid_loop is 2", { $0.fetch.validLoop = 2 }),
  ("valid count", "without a loop that counts", { $0.fetch.validCount = 2 }),
  ("zero point", "zero_point is 128", { $0.fetch.zeroPoint = 128 }),
  ("bound", "0 coefficients for 2 loops", { $0.fetch.bounds = [TensorInstruction.Bound()] }),
  ("ring", "no digit for a loop of kind ring1", { $0.loops.insert(loop(2, .ring1), at: 0) }),
  (
    "ring size", "loops of kind ring1 have sizes [], the digit has 2",
    {
      $0.exchange.kind = .broadcast1
      $0.exchange.outer = 2
    }
  ),
  (
    "ring count", "no whole number of rings of 8",
    {
      $0.exchange.kind = .transpose
      $0.exchange.outer = 8
    }
  ),
  (
    "inter", "exchange.loop has size 4, not 2",
    {
      $0.exchange.kind = .interTranspose
      $0.exchange.outer = 2
      $0.loops.insert(loop(2, .ring1), at: 2)
    }
  ),
  (
    "neighbours", "exchange.loop has size 4, not 2",
    {
      $0.exchange.kind = .neighbours
      $0.exchange.outer = 2
      $0.exchange.distance = 1
    }
  ),
  ("lanes", "lanes are 3", { $0.accumulate.lanes = 3 }),
  ("tree", "tree_depth is 4", { $0.accumulate.treeDepth = 4 }),
  ("cells", "accumulator cells is 256", { $0.loops.append(loop(32, .reuse)) }),
  ("kept", "stands outside the reduced", { $0.accumulate.start = .keep }),
  ("load", "no second stream reads them", { $0.accumulate.start = .load }),
  ("partials", "sixteen partials", { $0.accumulate.hasSixteenPartials = true }),
  (
    "reducer", "no whole number of reducer rings of 3",
    {
      $0.reducer.kind = .sum; $0.reducer.size = 3
    }
  ),
  (
    "scatter", "reducer.loop is 1, which is no retained loop",
    {
      $0.reducer.kind = .sum
      $0.reducer.size = 4
      $0.reducer.output = .scatter
      $0.reducer.loop = 1
    }
  ),
  (
    "parts", "4 slices are no whole number of parts for 3",
    {
      $0.reducer.kind = .sum
      $0.reducer.size = 4
      $0.reducer.output = .scatter
      $0.reducer.repeats = 3
    }
  ),
  (
    "parts of all", "parts of a reducer without a scatter",
    {
      $0.reducer.kind = .sum
      $0.reducer.size = 4
      $0.reducer.repeats = 2
    }
  ),
  ("program", "vector.program is 1, the pool has 1", { $0.vector.program = 1 }),
  (
    "result", "the result must be f32",
    {
      $0.vector.program = 0; $0.sink = commit { $0.element = .f32 }
    }
  ),
  (
    "pass", "commit.element is f32, what arrives is i32",
    {
      $0.vector.program = nil; $0.sink = commit { $0.element = .f32 }
    }
  ),
  ("elements", "commit.elements is 8", { $0.accumulate.lanes = 4 }),
  ("rows", "transpose_rows are 3", { $0.sink = commit { $0.transposeRows = 3 } }),
  ("column", "column_stride without", { $0.sink = commit { $0.columnStride = 3 } }),
  ("lane", "commit.lane_stride without", { $0.sink = commit { $0.laneStride = 3 } }),
  ("transpose", "8 rows are transposed of 4 steps", { $0.sink = commit { $0.transposeRows = 8 } }),
  ("register sink", "takes packets as they come", { $0.sink = .registerFile(base: 0) }),
  (
    "flits", "a step of 8 flits goes to",
    {
      $0.sink = .vectorRegisters(base: 0); $0.accumulate.treeDepth = 0
    }
  ),
]

private func commit(_ change: (inout TensorInstruction.Commit) -> Void) -> TensorInstruction.Sink {
  var commit = TensorInstruction.Commit()
  change(&commit)
  return .commit(commit)
}

@Test(arguments: broken.indices)
func everyRuleIsChecked(index: Int) throws {
  let (name, message, change) = broken[index]
  var tensor = contraction()
  change(&tensor)
  let found = try findings(tensor)
  #expect(found.contains { $0.contains(message) }, "\(name): \(found)")
}

@Test func contextsAreChecked() throws {
  #expect(try findings(contraction(), .sub).contains("sub accumulates"))
  #expect(try findings(contraction(), .dma(0)).contains("a tensor instruction stands in a DMA context"))
  let machine = try Targets.builtin("tiny-npu").machine
  let dma = DMAInstruction(from: .init(.dram, 0), to: .init(.sram, 0), run: 5000)
  let found = Instruction(.dma(dma)).check(on: machine, context: .main, programs: [])
  #expect(found.map(\.message) == ["body.run is 5000, allowed is 1 … 4096"])
}

@Test func waitsAreChecked() throws {
  let machine = try Targets.builtin("tiny-npu").machine
  let waits = [Wait(tag: 2, count: 1), Wait(tag: 2, count: 2), Wait(tag: 4, count: 0)]
  let found = Instruction(waits: waits, .control(.wait)).check(on: machine, context: .main, programs: [])
  #expect(
    found.map(\.message) == [
      "tag of a wait is 4, allowed is 0 … 3", "count of a wait is 0, allowed is 1 … 1048576",
      "waits are not in ascending order of different tags: 2, 2",
    ])
}

@Test func kindsAreInferred() throws {
  // A word of the registers takes its kind from what it is added to.
  let add = Program { $0.append(.add, $0.append(.input), $0.append(.operand(0))) }
  #expect(try ProgramKinds(of: add, input: .float, operands: [nil], result: nil).operands == [.float])
  #expect(try ProgramKinds(of: add, input: nil, operands: [nil], result: .integer).input == .integer)
  #expect(throws: Diagnostic.self) { try ProgramKinds(of: add, input: nil, operands: [nil], result: nil) }
  #expect(throws: Diagnostic.self) {
    try ProgramKinds(of: add, input: .float, operands: [.integer], result: nil)
  }
  #expect(throws: Diagnostic.self) { try ProgramKinds(of: add, input: .float, operands: [], result: nil) }
  let forward = Program(steps: [.unary(.exp, Register(rawValue: 1)), .input], result: Register(rawValue: 0))
  #expect(throws: Diagnostic.self) { try ProgramKinds(of: forward, input: .float, operands: [], result: nil) }
}

@Test func loopsExpand() throws {
  var tensor = contraction()
  tensor.fetch.base = 10
  var loop = ControlInstruction.Loop()
  loop.count = 3
  loop.body = 2
  loop.fetchStep = -5
  loop.commitStep = 100
  loop.registerStep = 8
  loop.waitStep = 2
  var code = Code(engines: 1)
  code.contexts[0] = [
    Instruction(.control(.loop(loop))), Instruction(waits: [Wait(tag: 2, count: 1)], .tensor(tensor)),
    Instruction(.control(.wait)), Instruction(.control(.barrier)),
  ]
  let list = try code.expanded().contexts[0]
  #expect(list.count == 7)
  guard case .tensor(let last) = list[4].body, case .commit(let commit) = last.sink else {
    Issue.record("no tensor instruction")
    return
  }
  #expect(last.fetch.base == 0 && commit.base == 200 && last.accumulate.registerBase == 16)
  #expect(list[4].waits == [Wait(tag: 2, count: 5)])
  loop.count = 1 << 20
  code.contexts[0][0].body = .control(.loop(loop))
  #expect(throws: Diagnostic.self) { try code.expanded() }
  loop.count = 2
  loop.body = 4
  code.contexts[0][0].body = .control(.loop(loop))
  #expect(throws: Diagnostic.self) { try code.expanded() }
}
