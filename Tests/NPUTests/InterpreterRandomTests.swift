import KernelIR
import Machine
import NPUISA
import NPUInterpreter
import Support
import TargetFiles
import Tensors
import TestSupport
import Testing

/// Random legal instructions: all modes write the same, and walks count what closed forms say.
struct InterpreterRandomTests {
  /// A program that defines all memories and then runs one instruction.
  static func program(
    _ tensor: TensorInstruction, _ programs: [Program], _ machine: SliceMachine, _ random: inout SeededRandom
  ) throws -> Bench {
    var bench = try Bench(machine: machine)
    bench.program.programs = programs
    let isTame = Bool.random(using: &random)
    for slice in 0..<machine.slices {
      var bytes = [UInt8](repeating: 0, count: machine.sramBytesPerSlice)
      for index in bytes.indices {
        bytes[index] = UInt8.random(in: 0...255, using: &random)
        // Floats of moderate size: exponents near 127.
        if isTame, index % 2 == 1 { bytes[index] = bytes[index] & 0x80 | 0x3E | bytes[index] & 1 }
      }
      bench.put(bytes, slice: slice, at: 0)
    }
    let rows = machine.vectorWords / 8
    bench.main {
      $0.sliceCount = UInt16(machine.slices)
      $0.loops = [.init(rows, fetch: 32, commit: 8)]
      $0.fetch.element = .i32
      $0.fetch.packetElements = 8
      $0.sink = .vectorRegisters(base: 0)
    }
    bench.main {
      $0.sliceCount = UInt16(machine.slices)
      $0.loops = [.init(machine.tableWords / 8, fetch: 24, commit: 8)]
      $0.fetch.base = 100
      $0.fetch.element = .i32
      $0.fetch.packetElements = 8
      $0.sink = .tables(base: 0)
    }
    let element = machine.multiplies(tensor.fetch.element) ? tensor.fetch.element : .i8
    bench.main {
      $0.sliceCount = UInt16(machine.slices)
      $0.loops = [.init(machine.registerUnits, fetch: machine.packetBytes, register: 1)]
      $0.fetch.element = element
      $0.fetch.packetElements = UInt8(machine.packetBytes / element.size)
      $0.sink = .registerFile(base: 0)
    }
    bench.add(.tensor(tensor), to: .main)
    return bench
  }

  static func contents(_ interpreter: NPUInterpreter) -> [[UInt32]] {
    (0..<interpreter.machine.slices).flatMap { slice in
      NPUInterpreter.Memory.allCases.map { interpreter.contents($0, slice: slice) }
    }
  }

  @Test(arguments: Seed.all) func modesAgree(_ seed: Seed) throws {
    var random = seed.random
    let machine = try Targets.builtin("tiny-npu").machine
    var (compared, failed) = (0, 0)
    for round in 0..<600 {
      var programs: [Program] = []
      let tensor = TensorInstruction.random(using: &random, on: machine, programs: &programs)
      let bench = try Self.program(tensor, programs, machine, &random)
      guard var strict = try? NPUInterpreter(bench.program, on: machine, mode: .strict) else { continue }
      guard let result = try? strict.run(inputs: [:]) else {
        failed += 1
        continue
      }
      compared += 1
      #expect(
        result.findings.allSatisfy { $0.kind == .undefinedRead && tensor.accumulate.start == .keep },
        "round \(round): \(result.findings) \(tensor)")
      bench.expectClosedForms(result)
      let expected = Self.contents(strict)
      for mode in [NPUInterpreter.Mode.fast, .jitter(seed: random.next())] {
        var other = try NPUInterpreter(bench.program, on: machine, mode: mode)
        let run = try other.run(inputs: [:])
        #expect(Self.contents(other) == expected, "round \(round), \(mode): \(tensor) \(programs)")
        if mode == .fast {
          #expect(run.ticks == result.ticks)
          #expect(run.timeline == result.timeline)
          #expect(run.counters == result.counters, "round \(round): \(tensor)")
        }
        guard Self.contents(other) == expected else { return }
      }
    }
    #expect(compared > 300, "\(failed) of 600 programs ended in an error")
  }
}
