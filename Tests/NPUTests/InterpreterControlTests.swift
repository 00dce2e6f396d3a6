import KernelIR
import Machine
import NPUISA
import NPUInterpreter
import Support
import TargetFiles
import Tensors
import Testing

/// DMA, loops, waits and barriers, findings and refusals.
struct InterpreterControlTests {
  typealias Loop = TensorInstruction.Loop

  /// Rows of 4 bytes chosen by a list, from the end where negative; and the same rows put back.
  @Test func gathersAndScatters() throws {
    var bench = try Bench()
    bench.put((0..<40).map { UInt8($0) }, at: 0)
    bench.put([7, -1, 2] as [Int32], at: 256)
    var gather = DMAInstruction(
      from: .init(.sram, 0), to: .init(.sram, 512), run: 4, [.init(3, source: 4, destination: 4)])
    gather.index = .init(.gather, list: .init(.sram, 256), rows: 10)
    bench.add(.dma(gather), to: .dma(0))
    bench.put([UInt8](repeating: 0, count: 40), at: 600)
    var scatter = DMAInstruction(
      from: .init(.sram, 512), to: .init(.sram, 600), run: 4, [.init(3, source: 4, destination: 4)])
    scatter.index = .init(.scatter, list: .init(.sram, 256), rows: 10)
    bench.add(.dma(scatter), to: .dma(1))
    try bench.take("rows", TensorType(.u8, [12]), at: 512)
    try bench.take("back", TensorType(.u8, [40]), at: 600)
    let result = try bench.checked()
    let rows = [28, 29, 30, 31, 36, 37, 38, 39, 8, 9, 10, 11] as [UInt8]
    #expect(result.outputs["rows"]?.elements(as: UInt8.self) == rows)
    var back = [UInt8](repeating: 0, count: 40)
    for (place, row) in [7, 9, 2].enumerated() {
      for byte in 0..<4 { back[row * 4 + byte] = rows[place * 4 + byte] }
    }
    #expect(result.outputs["back"]?.elements(as: UInt8.self) == back)
  }

  @Test func refusesIndicesOutOfRange() throws {
    var bench = try Bench()
    bench.put([UInt8](repeating: 1, count: 40), at: 0)
    bench.put([10] as [Int32], at: 256)
    var gather = DMAInstruction(
      from: .init(.sram, 0), to: .init(.sram, 512), run: 4, [.init(1, source: 4, destination: 4)])
    gather.index = .init(.gather, list: .init(.sram, 256), rows: 10)
    bench.add(.dma(gather), to: .dma(0))
    for mode in [NPUInterpreter.Mode.strict, .fast, .jitter(seed: 1)] {
      #expect { try bench.run(mode) } throws: { ($0 as? Diagnostic)?.kind == .indexOutOfRange }
    }
  }

  /// By hand: startup 10 cycles of 3 ticks; 64 bytes read are 4 granules of 5 ticks, 20 bytes written are 2 and a
  /// partial write of 4 ticks; SRAM takes 4 and 2 cycles.
  @Test func timesDescriptors() throws {
    var bench = try Bench()
    bench.put([UInt8](repeating: 1, count: 64), at: 0)
    try bench.take("y", TensorType(.u8, [20]), at: 0)
    let result = try bench.checked()
    #expect(result.timeline.map { $0.endTick - $0.startTick } == [30 + 20, 30 + 14])
    #expect(result.ticks == 94)
    #expect(result.cycles == 32)
  }

  /// Two engines read 32 and 48 bytes at once: their granules take turns, engine 0 first.
  @Test func servesEnginesInTurn() throws {
    var bench = try Bench()
    bench.program.dramBytes = 256
    bench.program.images = [.init(address: 0, bytes: [UInt8](repeating: 7, count: 128))]
    for (engine, bytes) in [(0, 32), (1, 48)] {
      bench.program.run.contexts[2 + engine].append(
        Instruction(
          .dma(
            DMAInstruction(
              from: .init(.dram, Int64(64 * engine)), to: .init(.sram, Int64(64 * engine)), run: UInt32(bytes)
            ))))
    }
    let result = try bench.run(.strict)
    // Turns of 5 ticks from tick 30 on: 0 1 0 1 1.
    #expect(result.timeline.map(\.endTick) == [45, 55])
    #expect(try bench.run(.fast).timeline == result.timeline)
  }

  /// A loop moves fetch and commit; main and sub meet at a barrier; sub waits for the switch that main holds.
  @Test func repeatsAndMeets() throws {
    var bench = try Bench()
    bench.put((0..<12).map { Int8($0) }, at: 0)
    let start = UInt32(bench.program.run.contexts[2].count)
    var loop = ControlInstruction.Loop()
    loop.count = 3
    loop.body = 1
    loop.fetchStep = 4
    loop.commitStep = 8
    var body = TensorInstruction()
    body.loops = [Loop(1)]
    body.fetch.packetElements = 4
    body.fetch.zeroPoint = 1
    body.sink = .commit(.init(at: 512, .i8, 4))
    bench.program.run.contexts[0] = [
      Instruction(waits: [Wait(tag: 2, count: start)], .control(.wait)), Instruction(.control(.loop(loop))),
      Instruction(.tensor(body)), Instruction(.control(.barrier)),
    ]
    bench.program.run.contexts[1] = [Instruction(.control(.barrier))]
    bench.program.run.contexts[2].append(Instruction(.control(.barrier)))
    let address = bench.program.dramBytes
    bench.program.dramBytes += 64
    bench.program.outputs = [.init(name: "y", type: TensorType(.i8, [3, 4]), address: address)]
    bench.program.run.contexts[2].append(
      Instruction(
        .dma(
          DMAInstruction(
            from: .init(.sram, 512), to: .init(.dram, address), run: 4, [.init(3, source: 8, destination: 4)])
        )))
    let result = try bench.run(.strict)
    #expect(result.findings.isEmpty)
    #expect(result.outputs["y"]?.elements(as: Int8.self) == (0..<12).map { Int8($0 - 1) })
    #expect(try bench.run(.fast).outputs == result.outputs)
    #expect(try bench.run(.jitter(seed: 5)).outputs == result.outputs)
    let barriers = result.timeline.filter { entry in
      entry.context == 1 || (entry.context == 0 && entry.position == 4)
    }
    #expect(Set(barriers.map(\.startTick)).count == 1)
  }

  @Test func findsRacesAndUndefinedReads() throws {
    var bench = try Bench()
    bench.put([1, 2, 3, 4] as [Int8], at: 0)
    bench.main {
      $0.loops = [Loop(1)]
      $0.fetch.packetElements = 8
      $0.sink = .commit(.init(at: 512, .i8, 8))
    }
    let undefined = try bench.run(.strict)
    #expect(undefined.findings.map(\.kind) == [.undefinedRead])

    var race = try Bench()
    race.put([UInt8](repeating: 3, count: 64), at: 0)
    race.main {
      $0.loops = [Loop(64, fetch: 1, commit: 1)]
      $0.sink = .commit(.init(at: 512, .i8, 1))
    }
    // Without its wait the load runs while the tensor unit reads.
    race.program.run.contexts[0][0].waits = []
    #expect(try race.run(.strict).findings.contains { $0.kind == .unorderedAccess })

    var twice = try Bench()
    twice.put([1, 2, 3, 4] as [Int8], at: 0)
    twice.main {
      $0.loops = [Loop(2, fetch: 2, commit: 1)]
      $0.fetch.packetElements = 2
      $0.sink = .commit(.init(at: 512, .i8, 2))
    }
    #expect(try twice.run(.strict).findings.map(\.kind) == [.forbiddenWrite])
  }

  @Test func refusesMalformedPrograms() throws {
    var outside = try Bench()
    outside.main {
      $0.loops = [Loop(1)]
      $0.sink = .commit(.init(at: 4096, .i8, 1))
    }
    var deadlock = try Bench()
    deadlock.program.run.contexts[0] = [
      Instruction(waits: [Wait(tag: 1, count: 1)], .control(.wait))
    ]
    var crossing = try Bench()
    crossing.put([1], slice: 3, at: 4096)
    var fetch = try Bench()
    fetch.main {
      $0.loops = [Loop(3, fetch: 4000)]
      $0.sink = .commit(.init(at: 0, .i8, 1))
    }
    var huge = try Bench()
    huge.program.dramBytes = 1 << 50
    for mode in [NPUInterpreter.Mode.fast, .jitter(seed: 2), .strict] {
      #expect { try outside.run(mode) } throws: { ($0 as? Diagnostic)?.kind == .addressRange }
      #expect { try deadlock.run(mode) } throws: { ($0 as? Diagnostic)?.kind == .neverReached }
      #expect { try crossing.run(mode) } throws: { ($0 as? Diagnostic)?.kind == .addressRange }
      #expect { try huge.run(mode) } throws: { ($0 as? Diagnostic)?.kind == .addressRange }
    }
    #expect { try fetch.run(.fast) } throws: { ($0 as? Diagnostic)?.kind == .addressRange }
    #expect(try fetch.run(.strict).findings.contains { $0.kind == .addressRange })
  }

  @Test func capturesResidences() throws {
    var bench = try Bench()
    bench.put((0..<8).map { Int8($0) }, at: 16)
    var residence = NPUProgram.Residence(
      name: "x", type: TensorType(.i8, [2, 3]), place: .init(.sram, 16),
      dimensions: [
        .init(block: 1, blockStride: 4, stride: 0), .init(block: 8, blockStride: 0, stride: 1),
      ], from: Wait(tag: 2, count: 0))
    residence.until = nil
    bench.program.residences = [residence]
    for mode in [NPUInterpreter.Mode.fast, .strict, .jitter(seed: 3)] {
      var interpreter = try NPUInterpreter(bench.program, on: bench.machine, mode: mode)
      let result = try interpreter.run(inputs: [:], capture: ["x"])
      #expect(result.captured["x"]?.elements(as: Int8.self) == [0, 1, 2, 4, 5, 6])
    }
  }
}
