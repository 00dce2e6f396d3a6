import Foundation
import KernelIR
import Machine
import NPUISA
import Support
import TargetFiles
import Tensors
import TestSupport
import Testing

/// A program of random instructions, with every table of the payload in use.
func randomProgram(_ random: inout SeededRandom, on machine: SliceMachine) -> NPUProgram {
  var program = NPUProgram(engines: machine.dmaEngines)
  for _ in 0..<Int.random(in: 0...6, using: &random) {
    for context in [Context.main, .sub] {
      let tensor = TensorInstruction.random(
        using: &random, on: machine, context: context, programs: &program.programs)
      program.run.contexts[context.index].append(Instruction(kernel: 3, .tensor(tensor)))
    }
    let waits = [Wait(tag: 0, count: 1), Wait(tag: 1, count: .random(in: 1...99, using: &random))]
    let dma = DMAInstruction.random(using: &random, on: machine, dramBytes: 1 << 16)
    program.load.contexts[2].append(Instruction(waits: waits, .dma(dma)))
  }
  var loop = ControlInstruction.Loop()
  loop.count = 2
  loop.destinationStep = -64
  var gather = DMAInstruction(
    from: .init(.dram, 64), to: .init(.sram, 0), run: 16, [.init(4, source: 16, destination: 16)])
  gather.index = .init(.scatter, list: .init(.sram, 128), rows: 7)
  program.run.contexts[2] += [
    Instruction(.control(.loop(loop))), Instruction(.dma(gather)), Instruction(.control(.barrier)),
    Instruction(waits: [Wait(tag: 3, count: 2)], .control(.wait)),
  ]
  program.inputs = [.init(name: "x \"1\"\n", type: TensorType(.f32, [1, 3]), address: 64)]
  program.outputs = [.init(name: "", type: TensorType(.i8, []), address: 4096)]
  program.images = [
    .init(address: 1 << 20, bytes: (0..<200).map { UInt8($0) }), .init(address: 0, bytes: []),
  ]
  program.kernels = [.init(name: "conv1", sources: [0, 3, 5])]
  var residence = NPUProgram.Residence(
    name: "y", type: TensorType(.i8, [2, 4]), place: .init(.sram, 12),
    dimensions: [.init(block: 1, blockStride: 4096, stride: 0), .init(block: 4, blockStride: 0, stride: 1)],
    from: Wait(tag: 0, count: 2))
  residence.until = Wait(tag: 2, count: 1)
  program.residences = [residence]
  program.dramBytes = 1 << 24
  program.predictedRunTicks = .random(in: 0...Int64.max, using: &random)
  return program
}

@Test(arguments: Seed.all)
func programsRoundTrip(seed: Seed) throws {
  var random = seed.random
  for target in ["tiny-npu", "warboy"] {
    let machine = try Targets.builtin(target).machine
    for _ in 0..<20 {
      let program = randomProgram(&random, on: machine)
      let bytes = program.encoded()
      #expect(try NPUProgram(decoding: bytes) == program)
      let text = program.text
      let assembled = try NPUProgram(text: text)
      #expect(assembled == program)
      #expect(assembled.text == text)
      #expect(assembled.encoded() == bytes)
    }
  }
}

@Test(arguments: Seed.all)
func whatDecodesIsCanonical(seed: Seed) throws {
  var random = seed.random
  let machine = try Targets.builtin("tiny-npu").machine
  var decoded = 0
  for _ in 0..<40 {
    let bytes = randomProgram(&random, on: machine).encoded()
    for _ in 0..<100 {
      var damaged = bytes
      switch Int.random(in: 0..<4, using: &random) {
      case 0: damaged[Int.random(in: damaged.indices, using: &random)] = .random(in: 0...255, using: &random)
      case 1:
        damaged[Int.random(in: damaged.indices, using: &random)] ^=
          1 << UInt8.random(in: 0...7, using: &random)
      case 2: damaged.removeSubrange(Int.random(in: damaged.indices, using: &random)...)
      default:
        damaged.insert(
          .random(in: 0...255, using: &random), at: Int.random(in: damaged.indices, using: &random))
      }
      guard let program = try? NPUProgram(decoding: damaged) else { continue }
      decoded += 1
      #expect(program.encoded() == damaged)
      for (index, list) in program.run.contexts.enumerated() {
        for instruction in list {
          // Neither traps, whatever the fields are.
          let context = Context(index: index)
          _ = instruction.check(on: machine, context: context, programs: program.programs)
          _ = instruction.duration(on: machine, context: context, programs: program.programs)
        }
      }
      _ = try? program.run.expanded()
    }
  }
  #expect(decoded > 100)
}

@Test(arguments: Seed.all)
func mutantsDiffer(seed: Seed) throws {
  var random = seed.random
  let machine = try Targets.builtin("tiny-npu").machine
  for _ in 0..<30 {
    let program = randomProgram(&random, on: machine)
    for _ in 0..<40 {
      let leaf = Int.random(in: 0..<program.leaves, using: &random)
      var mutant = program
      let path = mutant.mutate(leaf: leaf, using: &random)
      #expect(mutant != program, "\(path)")
      #expect(try NPUProgram(decoding: mutant.encoded()) == mutant, "\(path)")
      #expect(try NPUProgram(text: mutant.text) == mutant, "\(path)")
    }
  }
}

@Test(arguments: [
  "npu_program 2\n", "npu_program 1\ndram_bytes x", "dram_bytes 1",
  "npu_program 1\ndram_bytes 0\nload_ticks 0\nrun_ticks 0\nload\nmain:\nsub:\nrun\nmain:\nsub:\ndma0:\n",
  "npu_program 1\ndram_bytes 0\nload_ticks 0\nrun_ticks 0\nload\nmain:\n  tensor loops=[{size=1 size=2}]\n",
  "npu_program 1\ndram_bytes 0\nload_ticks 0\nrun_ticks 0\nimage 0 {\n abc }\n",
  "npu_program 1\ndram_bytes 0\nload_ticks 0\nrun_ticks 0\nprogram [wurzel r0] -> r1\n",
])
func wrongTextIsRefused(text: String) {
  #expect(throws: Diagnostic.self) { try NPUProgram(text: text) }
}

@Test func instructionSetPageIsCurrent() throws {
  let url = URL(filePath: #filePath).appending(path: "../../../Docs/npu-isa.md").standardized
  if ProcessInfo.processInfo.environment["FURC_BLESS"] == "1" {
    try NPUProgram.instructionSetPage.write(to: url, atomically: true, encoding: .utf8)
  }
  #expect(
    try String(contentsOf: url, encoding: .utf8) == NPUProgram.instructionSetPage, "run with FURC_BLESS=1")
}
