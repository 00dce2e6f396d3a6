import KernelIR
import Machine
import NPUISA
import NPUInterpreter
import Support
import TargetFiles
import TestSupport
import Testing

/// The strict interpreter counts; closed forms predict. They must agree on every stage of random instructions.
struct InterpreterCountingTests {
  /// Instructions whose counts differ from the closed forms of `other`, and how many were counted.
  private static func disagreements(
    _ count: Int, on machine: SliceMachine, closedForms other: SliceMachine, _ random: inout SeededRandom
  ) throws -> (different: Int, counted: Int) {
    var (different, counted) = (0, 0)
    for _ in 0..<count {
      var programs: [Program] = []
      let context: Context = Int.random(in: 0..<4, using: &random) == 0 ? .sub : .main
      let tensor = TensorInstruction.random(
        using: &random, on: machine, context: context, programs: &programs)
      var bench = try Bench(machine: machine)
      bench.program.programs = programs
      bench.add(.tensor(tensor), to: context)
      guard var strict = try? NPUInterpreter(bench.program, on: machine, mode: .strict),
        let result = try? strict.run(inputs: [:]), let counts = result.stageCounts.first ?? nil
      else { continue }
      counted += 1
      let stages = tensor.stages(on: other, context: context, programs: programs)
      if !counts.agrees(with: stages) || counts.cycles != stages.cycles { different += 1 }
    }
    return (different, counted)
  }

  @Test(arguments: Seed.all) func countsAreTheClosedForms(_ seed: Seed) throws {
    var random = seed.random
    let machine = try Targets.builtin("tiny-npu").machine
    let result = try Self.disagreements(4000, on: machine, closedForms: machine, &random)
    #expect(result.different == 0)
    #expect(result.counted > 3300, "an instruction may end in an error, but few do")
  }

  /// A machine with one constant off by one is found out, whichever it is.
  @Test func findsAnErrorOfOneTick() throws {
    let machine = try Targets.builtin("tiny-npu").machine
    // A time that is one longer, a rate that is one less.
    let constants: [(WritableKeyPath<SliceMachine, Int>, Int)] = [
      (\.issueMainCycles, 1), (\.issueSubCycles, 1), (\.vectorLatencyCycles, 1), (\.hopCycles, 1),
      (\.fetchMainBytesPerCycle, -1), (\.fetchSubBytesPerCycle, -1), (\.commitMainBytesPerCycle, -1),
      (\.commitSubBytesPerCycle, -1), (\.flitBytes, -1), (\.vectorWaysReduce, -1), (\.vectorWaysInteger, -1),
      (\.vectorWaysFloat, -1),
    ]
    for (constant, error) in constants {
      var other = machine
      other[keyPath: constant] += error
      var random = SeededRandom(seed: 9)
      let result = try Self.disagreements(300, on: machine, closedForms: other, &random)
      #expect(result.different > 0, "\(constant)")
    }
  }

  @Test(arguments: Seed.all) func descriptorsTakeTheirClosedForm(_ seed: Seed) throws {
    var random = seed.random
    let machine = try Targets.builtin("tiny-npu").machine
    for _ in 0..<1000 {
      let dma = DMAInstruction.random(using: &random, on: machine, dramBytes: 4096)
      var bench = try Bench(machine: machine)
      bench.program.dramBytes = 4096
      bench.add(.dma(dma), to: .dma(1))
      let strict = try bench.run(.strict)
      #expect(strict.ticks == Int64(dma.time(on: machine).ticks), "\(dma)")
      #expect(try bench.run(.fast).ticks == strict.ticks)
      guard strict.ticks == Int64(dma.time(on: machine).ticks) else { return }
    }
  }
}
