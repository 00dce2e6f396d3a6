import KernelIR
import Machine
import NPUISA
import Support
import TargetFiles
import Tensors
import TestSupport
import Testing

private func loop(
  _ size: UInt32, _ kind: TensorInstruction.Loop.Kind = .time, reduced: Bool = false
) -> TensorInstruction.Loop {
  var loop = TensorInstruction.Loop()
  loop.size = size
  loop.kind = kind
  loop.isReduced = reduced
  return loop
}

/// Worked by hand from section 5 of the machine's page.
@Test func stagesOfAContraction() throws {
  let machine = try Targets.builtin("warboy").machine
  var tensor = TensorInstruction()
  tensor.sliceCount = 64
  tensor.loops = [loop(7), loop(4, .ring1, reduced: true), loop(9, reduced: true), loop(3, .reuse)]
  tensor.fetch.packetElements = 16
  tensor.exchange.kind = .broadcast1
  tensor.exchange.outer = 4
  tensor.accumulate.kind = .contract
  tensor.accumulate.treeDepth = 4
  tensor.reducer.kind = .sum
  tensor.reducer.size = 2
  tensor.reducer.stride = 4
  tensor.vector.program = 0
  let program = Program {
    let sum = $0.append(.add, $0.append(.input), $0.append(constant: Int32(5)))
    return $0.append(.toInteger, $0.append(.exp, $0.append(.toFloat, sum)))
  }
  let stages = tensor.stages(on: machine, context: .main, programs: [program])
  #expect(stages.issue == 264)
  #expect(stages.fetch == 63)
  #expect(stages.exchange == 4 * (63 + 2))
  #expect(stages.contract == 7 * 4 * 9 * 3)
  #expect(stages.second == 0)
  #expect(stages.drain == 21)
  #expect(stages.reducer == 4 * (21 + 2 * 2))
  // add and toInteger give i32, toFloat and exp f32.
  #expect(stages.vector == 21 * (1 * 1 + 2 * 1))
  #expect(stages.commit == 21)
  #expect(stages.latency == 16)
  let duration = Instruction(.tensor(tensor)).duration(on: machine, context: .main, programs: [program])
  #expect(duration.ticks == (264 + 756 + 16) * 33)
}

@Test func stagesOfOtherSinks() throws {
  let machine = try Targets.builtin("tiny-npu").machine
  var tensor = TensorInstruction()
  tensor.loops = [loop(3), loop(8)]
  tensor.fetch.packetElements = 8
  var commit = TensorInstruction.Commit()
  commit.element = .i32
  commit.transposeRows = 4
  commit.elements = 5
  tensor.sink = .commit(commit)
  var stages = tensor.stages(on: machine, context: .sub, programs: [])
  #expect(stages.fetch == 24 * 2 && stages.drain == 0 && stages.latency == 0 && stages.issue == 3)
  #expect(stages.commit == 24 / 4 * 5 * (4 * 4 / 4))
  tensor.sink = .registerFile(base: 0)
  stages = tensor.stages(on: machine, context: .main, programs: [])
  #expect(stages.commit == 24)
  tensor.sink = .commit(TensorInstruction.Commit())
  tensor.accumulate.kind = .maximum
  tensor.loops[1].isReduced = true
  stages = tensor.stages(on: machine, context: .main, programs: [])
  #expect(stages.contract == 24 * 2 && stages.drain == 3 && stages.commit == 3 && stages.latency == 2)
  tensor.accumulate.finish = .spill
  tensor.accumulate.start = .load
  tensor.vector.operands = [.init(.second(.init()))]
  stages = tensor.stages(on: machine, context: .main, programs: [])
  #expect(stages.second == 3 * 64 / 4 && stages.commit == 3 * 64 / 8)
}

@Test func timesOfDescriptors() throws {
  let machine = try Targets.builtin("tiny-npu").machine
  var dma = DMAInstruction(
    from: .init(.dram, 0), to: .init(.sram, 0), run: 33, [.init(5, source: 40, destination: 33)])
  var time = dma.time(on: machine)
  #expect(time.startupTicks == 30 && time.sramTicks == 5 * 3 * 3)
  #expect(time.granules == 5 * 3 && time.partialWrites == 0 && time.dramTicks == 75)
  #expect(time.ticks == 105)
  swap(&dma.source, &dma.destination)
  time = dma.time(on: machine)
  #expect(time.partialWrites == 5 && time.dramTicks == 95)
  dma.destination.memory = .sram
  time = dma.time(on: machine)
  #expect(time.sramTicks == 2 * 45 && time.dramTicks == 0)
  dma.index = .init(.gather, list: .init(.sram, 0), rows: 9)
  #expect(dma.time(on: machine).sramTicks == 2 * 45 + 2 * 3)
  dma.index?.list.memory = .dram
  #expect(dma.time(on: machine).granules == 2)
}

@Test(arguments: Seed.all)
func durationsArePositiveAndFit(seed: Seed) throws {
  var random = seed.random
  for target in ["tiny-npu", "warboy-2pe"] {
    let machine = try Targets.builtin(target).machine
    for _ in 0..<500 {
      var programs: [Program] = []
      let context: Context = Bool.random(using: &random) ? .main : .sub
      let tensor = TensorInstruction.random(
        using: &random, on: machine, context: context, programs: &programs)
      let instruction = Instruction(.tensor(tensor))
      #expect(instruction.check(on: machine, context: context, programs: programs).isEmpty)
      #expect(instruction.duration(on: machine, context: context, programs: programs).ticks > 0)
      let dma = Instruction(.dma(.random(using: &random, on: machine, dramBytes: 1 << 16)))
      #expect(dma.check(on: machine, context: .dma(0), programs: []).isEmpty)
    }
  }
}

/// The generator leaves no part of the instruction set out.
@Test func randomInstructionsAreDiverse() throws {
  var random = SeededRandom(seed: 7)
  let machine = try Targets.builtin("tiny-npu").machine
  var seen = Set<String>()
  for _ in 0..<3000 {
    var programs: [Program] = []
    let tensor = TensorInstruction.random(using: &random, on: machine, programs: &programs)
    seen.insert("exchange \(tensor.exchange.kind)")
    seen.insert("accumulate \(tensor.accumulate.kind)")
    seen.insert("start \(tensor.accumulate.start)")
    seen.insert("finish \(tensor.accumulate.finish)")
    seen.insert("order \(tensor.accumulate.laneOrder)")
    if tensor.reducer.kind != .none { seen.insert("reducer \(tensor.reducer.output)") }
    if tensor.reducer.parts > 1, tensor.reducer.repeats > 1 {
      seen.insert(tensor.reducer.alternates ? "alternating parts" : "repeated parts")
    }
    if tensor.accumulate.hasSixteenPartials { seen.insert("sixteen") }
    if tensor.fetch.table != nil { seen.insert("table") }
    if tensor.fetch.isBroadcast { seen.insert("broadcast") }
    if tensor.fetch.outside != nil { seen.insert("outside") }
    if tensor.fetch.validLoop != 255 { seen.insert("valid") }
    if tensor.fetch.bounds.count == 2 { seen.insert("bounds") }
    if tensor.second != nil { seen.insert("second") }
    if !tensor.registerOperands.isEmpty { seen.insert("registers") }
    switch tensor.sink {
    case .commit(let commit): seen.insert(commit.transposeRows > 1 ? "transpose" : "commit")
    case .registerFile: seen.insert("register file")
    case .vectorRegisters: seen.insert("vector registers")
    case .tables: seen.insert("tables")
    }
  }
  #expect(seen.count == 8 + 8 + 3 + 3 + 2 + 3 + 2 + 8 + 5, "\(seen.sorted())")
}
