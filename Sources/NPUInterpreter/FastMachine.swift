import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// Instructions bound to kernels, and the memory that they work in.
final class FastMachine {
  enum Bound {
    case tensor(TensorPlan, FastTensor?)
    case dma(DMAPlan)
    case none
  }

  /// What an instruction will write.
  enum Staged {
    case tensor(FastTensor, Bytes)
    case writes([PendingWrite])
    case dma([UnsafeMutableRawPointer], Int, Bytes)
    case none
  }

  let state: MachineState
  private let bound: [[Bound]]
  private let walker: StrictMachine
  private let scratch = FastScratch()
  private var staging: [Bytes?]
  private let threads: Int

  init(_ code: DecodedCode, _ state: MachineState, threads: Int) {
    self.state = state
    self.threads = threads
    let machine = state.machine
    bound = code.contexts.map { list in
      list.map { step in
        switch step {
        case .tensor(let plan): .tensor(plan, FastTensor(plan, on: machine))
        case .dma(let plan): .dma(plan)
        case .barrier, .wait: .none
        }
      }
    }
    walker = StrictMachine(unobserved: state)
    staging = Array(repeating: nil, count: code.contexts.count)
  }

  /// Everything at once: reads and writes.
  func execute(_ context: Int, _ position: Int) throws(Diagnostic) {
    if case .dma(let plan) = bound[context][position], plan.body.source.memory != plan.body.destination.memory
    {
      return try plan.copy(state)
    }
    guard case .tensor(_, let fast?) = bound[context][position] else {
      return land(try compute(context, position))
    }
    if let load = fast.load { return fast.run(load, state, threads: threads) }
    if let move = fast.move { return fast.run(move, state, threads: threads) }
    land(try compute(context, position, landsAtOnce: !fast.readsItsDestination))
  }

  private func staging(_ context: Int, _ count: Int) throws(Diagnostic) -> Bytes {
    if let bytes = staging[context], bytes.count >= count { return bytes }
    let bytes = try Bytes(max(count, 1 << 16), "staging memory")
    staging[context] = bytes
    return bytes
  }

  /// Reads the sources and computes what will be written.
  /// - Parameter landsAtOnce: whether that may be written at once; then nothing is left to land.
  func compute(
    _ context: Int, _ position: Int, landsAtOnce: Bool = false
  ) throws(Diagnostic) -> Staged {
    do throws(Diagnostic) {
      switch bound[context][position] {
      case .none: return .none
      case .dma(let plan):
        let bytes = try staging(context, plan.bytes)
        try plan.read(state, into: bytes)
        return .dma(try plan.destinations(state), plan.runBytes, bytes)
      case .tensor(let plan, let fast):
        if let fast {
          let bytes = try staging(context, fast.stagedBytes * plan.slices)
          if try fast.compute(state, scratch, bytes, threads: threads, landsAtOnce: landsAtOnce) {
            return landsAtOnce ? .none : .tensor(fast, bytes)
          }
        }
        dropQuads(plan)
        walker.findings = Findings()
        var walk = StrictTensorWalk(plan, walker, Issuer(context: context, position: position))
        try walk.run()
        if let finding = walker.findings.all.first { throw finding }
        return .writes(walk.writes)
      }
    } catch {
      throw error.located(at: .instruction(position))
    }
  }

  func land(_ staged: Staged) {
    switch staged {
    case .none: break
    case .tensor(let fast, let bytes): fast.land(bytes, state)
    case .writes(let writes): walker.store(writes)
    case .dma(let destinations, let run, let bytes):
      for (number, destination) in destinations.enumerated() {
        destination.copyMemory(from: bytes.base + number * run, byteCount: run)
      }
    }
  }

  /// Noise where an instruction will write. It computes the places by computing, for noise has the same ones.
  func poison(_ context: Int, _ position: Int, _ random: inout SeededRandom) throws(Diagnostic) {
    switch bound[context][position] {
    case .none: break
    case .dma(let plan):
      let bytes = try staging(context, plan.bytes)
      Self.fill(bytes, plan.bytes, &random)
      land(.dma(try plan.destinations(state), plan.runBytes, bytes))
    case .tensor(let plan, let fast):
      if let fast {
        let bytes = try staging(context, fast.stagedBytes * plan.slices)
        Self.fill(bytes, fast.stagedBytes * plan.slices, &random)
        land(.tensor(fast, bytes))
      } else {
        dropQuads(plan)
        var walk = StrictTensorWalk(plan, walker, Issuer(context: context, position: position))
        try walk.run()
        for index in walk.writes.indices { walk.writes[index].bits = random.next() }
        land(.writes(walk.writes))
      }
    }
  }

  /// Walks know the words of the register file only.
  private func dropQuads(_ plan: TensorPlan) {
    for slice in 0..<plan.slices { state.dropQuads(plan.first + slice, state.allBlocks) }
  }

  private static func fill(_ bytes: Bytes, _ count: Int, _ random: inout SeededRandom) {
    for offset in stride(from: 0, to: count, by: 8) {
      bytes.base.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
    }
  }

  /// Whether an instruction may read what it writes: then its reads come first.
  func readsItsDestination(_ context: Int, _ position: Int) -> Bool {
    switch bound[context][position] {
    case .none: return false
    case .dma(let plan): return plan.body.source.memory == plan.body.destination.memory
    case .tensor(let plan, _): return plan.readsItsDestination
    }
  }

  /// Noise in everything that no run may find defined.
  func poisonFiles(_ random: inout SeededRandom) {
    for bytes in [state.vectors, state.tables, state.registers] where bytes.count < 1 << 24 {
      Self.fill(bytes, bytes.count, &random)
    }
  }
}

extension TensorPlan {
  /// By the hulls of what is read and written, which may meet although no byte does.
  var readsItsDestination: Bool {
    let loops = body.loops
    switch body.sink {
    case .registerFile: return false
    case .vectorRegisters: return registersAreRead
    case .tables: return body.fetch.table != nil || programReadsTables
    case .commit(let commit):
      if body.accumulate.finish == .keep { return body.accumulate.start == .keep }
      var size = commit.element.size * 8
      if body.accumulate.finish == .spill { size = 64 }
      let rows = Int(commit.transposeRows) * commit.element.size
      let written = hull(
        Int(commit.base),
        retained.map { (outputSizes[$0], Int(loops[$0].commitStride)) }
          + shape.flitLoops(commit) + [(shape.flitElements, Int(commit.columnStride))],
        max(size, rows))
      let fetched = hull(
        Int(body.fetch.base), time.map { (sizes[$0], Int(loops[$0].fetchStride)) }, packet * elementSize)
      if written.overlaps(fetched) { return true }
      guard let second = body.second else { return false }
      let read = hull(
        Int(second.stream.base),
        retained.map { (sizes[$0], Int(loops[$0].secondStride)) }
          + shape.flitLoops(second.operand), 64)
      return written.overlaps(read)
    }
  }

  private var registersAreRead: Bool {
    body.vector.operands.contains { if case .registers = $0.source { true } else { false } }
  }

  private var programReadsTables: Bool {
    guard let program else { return false }
    for id in program.steps.ids {
      if case .table = program.steps[id] { return true }
    }
    return false
  }

  private func hull(_ base: Int, _ loops: [(Int, Int)], _ bytes: Int) -> Range<Int> {
    let span = Self.span(base, loops.map { (size: $0.0, stride: $0.1) })
    return span.lowerBound..<(span.upperBound + bytes)
  }
}
