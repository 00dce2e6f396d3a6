import KernelIR
import Machine
import NPUISA
import NPUInterpreter
import Support
import TargetFiles
import Tensors
import Testing

/// A program for the tiny machine whose instructions run one after the other, with its data and results.
struct Bench {
  var program = NPUProgram(engines: 2)
  var machine: SliceMachine
  private var counts: [UInt32]
  private var last: Wait?

  init(machine: SliceMachine? = nil) throws {
    self.machine = try machine ?? Targets.builtin("tiny-npu").machine
    program = NPUProgram(engines: self.machine.dmaEngines)
    counts = Array(repeating: 0, count: program.run.contexts.count)
  }

  /// Appends an instruction that waits for the one appended before it.
  mutating func add(_ body: Instruction.Body, to context: Context) {
    let waits = last.map { [$0] } ?? []
    program.run.contexts[context.index].append(Instruction(waits: waits, body))
    counts[context.index] += 1
    last = Wait(tag: UInt8(context.index), count: counts[context.index])
  }

  mutating func main(_ edit: (inout TensorInstruction) -> Void) {
    var body = TensorInstruction()
    edit(&body)
    add(.tensor(body), to: .main)
  }

  mutating func sub(_ edit: (inout TensorInstruction) -> Void) {
    var body = TensorInstruction()
    edit(&body)
    add(.tensor(body), to: .sub)
  }

  /// Puts bytes into the SRAM of a slice.
  mutating func put(_ bytes: [UInt8], slice: Int = 0, at offset: Int) {
    let address = program.dramBytes
    program.images.append(NPUProgram.Image(address: address, bytes: bytes))
    program.dramBytes += Int64((bytes.count + 63) / 64 * 64)
    add(
      .dma(
        DMAInstruction(
          from: .init(.dram, address), to: .init(.sram, Int64(slice * machine.sramWindowBytes + offset)),
          run: UInt32(bytes.count))), to: .dma(0))
  }

  mutating func put<Value: BitwiseCopyable>(_ values: [Value], slice: Int = 0, at offset: Int) {
    put(values.withUnsafeBytes { Array($0) }, slice: slice, at: offset)
  }

  /// Hands bytes of a slice's SRAM out under a name.
  mutating func take(_ name: String, _ type: TensorType, slice: Int = 0, at offset: Int) throws {
    let count = try type.byteCount().bytes
    let address = program.dramBytes
    program.dramBytes += Int64((count + 63) / 64 * 64)
    program.outputs.append(NPUProgram.Port(name: name, type: type, address: address))
    add(
      .dma(
        DMAInstruction(
          from: .init(.sram, Int64(slice * machine.sramWindowBytes + offset)), to: .init(.dram, address),
          run: UInt32(count))), to: .dma(1))
  }

  func run(
    _ mode: NPUInterpreter.Mode, inputs: [String: Tensor] = [:]
  ) throws -> NPUInterpreter.RunResult {
    var interpreter = try NPUInterpreter(program, on: machine, mode: mode)
    return try interpreter.run(inputs: inputs)
  }

  /// The result of the strict interpreter, which every other mode must give too.
  func checked() throws -> NPUInterpreter.RunResult {
    let strict = try run(.strict)
    #expect(strict.findings.isEmpty, "\(strict.findings)")
    let fast = try run(.fast)
    #expect(fast.outputs == strict.outputs)
    #expect(fast.ticks == strict.ticks)
    #expect(fast.timeline == strict.timeline)
    for seed in 1...3 {
      #expect(try run(.jitter(seed: UInt64(seed))).outputs == strict.outputs)
    }
    expectClosedForms(strict)
    return strict
  }

  /// What the walks counted must be what the closed forms say.
  func expectClosedForms(_ result: NPUInterpreter.RunResult) {
    for (entry, counts) in zip(result.timeline, result.stageCounts) {
      guard let counts else { continue }
      let context = Context(index: entry.context)
      let instruction = program.run.contexts[entry.context][entry.position]
      let duration = instruction.duration(on: machine, context: context, programs: program.programs)
      guard case .tensor(let stages, let ticks) = duration else { continue }
      #expect(counts.agrees(with: stages), "\(instruction): counted \(counts), closed form \(stages)")
      #expect(entry.endTick - entry.startTick == Int64(ticks))
    }
  }
}

extension TensorInstruction.Loop {
  init(
    _ size: Int, _ kind: Kind = .time, reduced: Bool = false, fetch: Int = 0, register: Int = 0,
    second: Int = 0, commit: Int = 0, vectors: [Int] = []
  ) {
    self.init()
    self.size = UInt32(size)
    self.kind = kind
    isReduced = reduced
    fetchStride = Int32(fetch)
    registerStride = Int32(register)
    secondStride = Int32(second)
    commitStride = Int32(commit)
    vectorStrides = vectors.map { Int32($0) }
  }
}
