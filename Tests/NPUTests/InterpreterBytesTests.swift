import KernelIR
import Machine
import NPUISA
import NPUInterpreter
import Support
import TargetFiles
import Tensors
import TestSupport
import Testing

/// Contractions of i8 as compilers write them, on a few slices of the real machine: pixels, groups of lanes, taps, bounds,
/// rings, sums that carry on. All modes agree.
struct InterpreterBytesTests {
  private static func machine() throws -> SliceMachine {
    var machine = try Targets.builtin("warboy").machine
    machine.slices = 4
    machine.sramBytesPerSlice = 16384
    machine.dmaEngines = 2
    return machine
  }

  @Test(arguments: Seed.all) func modesAgree(_ seed: Seed) throws {
    var random = seed.random
    let machine = try Self.machine()
    func pick<Value>(_ list: [Value]) -> Value { list[Int.random(in: 0..<list.count, using: &random)] }
    for round in 0..<80 {
      var bench = try Bench(machine: machine)
      let isAlike = pick([true, false])
      var others: [UInt8] = []
      for slice in 0..<machine.slices {
        for start in [0, 4096, 8192] {
          // The operands of vector programs are sometimes the same in all slices.
          if start < 8192 || slice == 0 || !isAlike {
            others = (0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) }
          }
          bench.put(others, slice: slice, at: start)
        }
      }
      bench.program.programs = [
        Program { program in
          let sum = program.append(.add, program.append(.input), program.append(.operand(0)))
          return program.append(.add, sum, program.append(.operand(1)))
        }
      ]
      bench.main {
        $0.sliceCount = UInt16(machine.slices)
        $0.fetch.base = 8192
        $0.fetch.element = .i32
        $0.fetch.packetElements = 8
        $0.loops = [.init(8, fetch: 32, commit: 8)]
        $0.sink = .vectorRegisters(base: 0)
      }
      let packet = pick([4, 8, 16, 16])
      let (rows, columns, taps) = (pick([1, 2, 5]), pick([1, 3, 4]), pick([1, 3]))
      let (packets, groups) = (pick([1, 2]), pick([1, 2, 3]))
      let ring = pick([1, 1, 2, 4])
      let units = groups * taps * packets * ring * 8
      // The last block may be filled in part, beside what a load before left there.
      let left = pick([0, 0, 3])
      // Weights, each slice all of its own or a part of a ring's.
      let dealt = pick([1, 2])
      let target = units > 448 ? 0 : pick([0, 64])
      guard units <= 512 else { continue }
      if left > 0 {
        bench.sub {
          $0.sliceCount = UInt16(machine.slices)
          $0.fetch.base = 8192
          $0.fetch.packetElements = 16
          // Sometimes as words that are no bytes.
          $0.fetch.zeroPoint = Int16(pick([0, 100]))
          $0.loops = [.init(units, fetch: 8, register: 1)]
          $0.sink = .registerFile(base: Int32(target))
        }
      }
      let isOdd = pick([false, false, false, true])
      bench.sub {
        $0.sliceCount = UInt16(machine.slices)
        $0.fetch.base = 4096
        $0.fetch.packetElements = 16
        // One of them in words only.
        $0.fetch.zeroPoint = isOdd ? 1 : 0
        $0.loops = [.init(units / dealt - (dealt == 1 ? left : 0), fetch: 16, register: dealt)]
        if dealt > 1 {
          var loop = TensorInstruction.Loop(dealt, register: 1)
          loop.kind = .ring1
          $0.loops.append(loop)
          $0.exchange.kind = .broadcast1
          $0.exchange.outer = UInt16(dealt)
          $0.exchange.inner = UInt16(pick([1, 2]))
        }
        $0.sink = .registerFile(base: Int32(target))
      }
      let width = columns + taps - 1
      let isBounded = ring == 1 && pick([true, false])
      let isPartial = ring == 1 && pick([true, false, false])
      let (carries, element) = (pick([true, false]), pick([ElementType.i8, .i32]))
      let zero = Int16(pick([0, 5, -128, 127]))
      let hasProgram = pick([true, false])
      for part in 0..<(carries ? 2 : 1) {
        bench.main {
          $0.sliceCount = UInt16(machine.slices)
          $0.fetch.base = Int32(part * 512)
          $0.fetch.packetElements = UInt8(packet)
          $0.fetch.zeroPoint = zero
          let perGroup = taps * packets * ring * 8
          let pixel = packets * packet
          var group = TensorInstruction.Loop(groups, register: perGroup, commit: element.size * 8)
          group.kind = .reuse
          let reduced: [TensorInstruction.Loop] = [
            .init(taps, reduced: true, fetch: pixel, register: packets * ring * 8),
            .init(packets, reduced: true, fetch: packet, register: ring * 8),
          ]
          let retained: [TensorInstruction.Loop] = [
            .init(rows, fetch: width * pixel, commit: columns * groups * element.size * 8),
            .init(columns, fetch: pixel, commit: groups * element.size * 8),
          ]
          $0.loops = (carries ? reduced + retained : retained + reduced)
          if ring > 1 {
            var loop = TensorInstruction.Loop(ring, reduced: true, register: 8)
            loop.kind = .ring1
            $0.loops.insert(loop, at: carries ? 2 : 4)
            $0.exchange.kind = .broadcast1
            $0.exchange.outer = UInt16(ring)
            $0.exchange.inner = UInt16(ring == 4 ? 1 : pick([1, 2]))
          }
          let (row, tap, column) = carries ? (2, 0, 3) : (0, 2, 1)
          if isBounded {
            var bound = TensorInstruction.Bound()
            bound.coefficients = [Int32](repeating: 0, count: $0.loops.count + 1)
            bound.coefficients[column] = 1
            bound.coefficients[tap] = 1
            bound.origin = -1
            bound.high = Int32(columns)
            var other = TensorInstruction.Bound()
            other.coefficients = [Int32](repeating: 0, count: $0.loops.count + 1)
            other.coefficients[row] = 1
            (other.divisor, other.modulus, other.step) = (2, 2, Int32(rows))
            other.high = Int32(2 * rows - 1)
            $0.fetch.bounds = [bound, other]
          }
          if isPartial {
            $0.fetch.validLoop = UInt8(carries ? 1 : 3)
            $0.fetch.validCount = UInt32(packets * packet - 1)
          }
          $0.loops.append(group)
          $0.accumulate.kind = .contract
          $0.accumulate.lanes = 8
          $0.accumulate.treeDepth = UInt8(packet.trailingZeroBitCount)
          $0.accumulate.registerBase = Int32(target)
          $0.accumulate.start = part == 0 ? .zero : .keep
          $0.accumulate.finish = carries && part == 0 ? .keep : .drain
          if carries, part == 0 {
            for index in $0.loops.indices { $0.loops[index].commitStride = 0 }
            $0.sink = .commit(.init())
          } else {
            $0.sink = .commit(.init(at: 12288, element, 8))
            $0.reducer = Self.reducer($0.loops, &random)
            if hasProgram {
              // Biases by group of lanes, and a residual.
              $0.vector.program = 0
              var residual = TensorInstruction.Second()
              residual.base = 8192 + 512
              $0.vector.operands = [.init(.registers(base: 0)), .init(.second(residual))]
              for index in $0.loops.indices {
                let isGroup = $0.loops[index].kind == .reuse
                $0.loops[index].vectorStrides = [isGroup ? 8 : 0]
                $0.loops[index].secondStride = $0.loops[index].commitStride / Int32(element.size)
              }
            }
          }
        }
      }
      var strict = try NPUInterpreter(bench.program, on: machine, mode: .strict)
      let expected = try strict.run(inputs: [:])
      #expect(expected.findings.isEmpty, "round \(round): \(expected.findings.prefix(2))")
      for mode in [NPUInterpreter.Mode.fast, .jitter(seed: random.next())] {
        for threads in 1...2 {
          var other = try NPUInterpreter(bench.program, on: machine, mode: mode, threads: threads)
          let result = try other.run(inputs: [:])
          #expect(result.ticks == expected.ticks || mode != .fast)
          // Jitter leaves noise in files that nothing was written to.
          for memory in NPUInterpreter.Memory.allCases where mode == .fast || memory == .sram {
            for slice in 0..<machine.slices {
              let isEqual = other.contents(memory, slice: slice) == strict.contents(memory, slice: slice)
              #expect(isEqual, "round \(round), \(mode): \(memory) of slice \(slice)")
            }
          }
        }
      }
    }
  }

  /// None, or a sum over slices: all of it to every slice or to one, or dealt out along some retained loop.
  private static func reducer(
    _ loops: [TensorInstruction.Loop], _ random: inout SeededRandom
  ) -> TensorInstruction.Reducer {
    var reducer = TensorInstruction.Reducer()
    guard Bool.random(using: &random) else { return reducer }
    reducer.kind = .sum
    reducer.size = UInt16([2, 4][Int.random(in: 0...1, using: &random)])
    reducer.stride = reducer.size == 2 && Bool.random(using: &random) ? 2 : 1
    reducer.output = Int.random(in: 0...5, using: &random) == 0 ? .one : .all
    reducer.repeats = reducer.size == 4 && Bool.random(using: &random) ? 2 : 1
    let parts = UInt32(reducer.size / reducer.repeats)
    let dealt = loops.indices.filter { !loops[$0].isReduced && loops[$0].size % parts == 0 }
    guard let loop = dealt.randomElement(using: &random), Int.random(in: 0...3, using: &random) > 0 else {
      reducer.repeats = 1
      return reducer
    }
    reducer.output = .scatter
    reducer.loop = UInt8(loop)
    reducer.alternates = Bool.random(using: &random)
    return reducer
  }

  /// A stride of which no multiple fits 32 bits, to where bounds keep the fetch from going.
  @Test func stridesBeyondBoundsMayBeOfAnySize() throws {
    let machine = try Self.machine()
    var bench = try Bench(machine: machine)
    let x = (0..<16).map { Int8($0 - 7) }
    let w = (0..<128).map { Int8($0 * 5 % 23 - 11) }
    bench.put(x, at: 0)
    bench.put(w, at: 64)
    bench.main {
      $0.loops = [.init(8, fetch: 16, register: 1)]
      $0.fetch.base = 64
      $0.fetch.packetElements = 16
      $0.sink = .registerFile(base: 0)
    }
    bench.main {
      $0.loops = [.init(4, fetch: Int(Int32.max), commit: 32), .init(1, reduced: true)]
      $0.fetch.packetElements = 16
      var bound = TensorInstruction.Bound()
      bound.coefficients = [1, 0]
      bound.high = 1
      $0.fetch.bounds = [bound]
      $0.accumulate.kind = .contract
      $0.accumulate.lanes = 8
      $0.accumulate.treeDepth = 4
      $0.sink = .commit(.init(at: 512, .i32, 8))
    }
    try bench.take("y", TensorType(.i32, [32]), at: 512)
    let expected = (0..<32).map { index in
      index < 8 ? (0..<16).reduce(Int32(0)) { $0 + Int32(x[$1]) * Int32(w[index * 16 + $1]) } : 0
    }
    #expect(try bench.checked().outputs["y"]?.elements(as: Int32.self) == expected)
  }
}
