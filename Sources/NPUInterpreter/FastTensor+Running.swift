import CKernels
import Glibc
import Machine
import NPUISA
import Support
import Tensors

// Running it.
extension FastTensor {
  /// What a run works on, and where what it computes goes: `stagedBytes` per slice.
  private struct Work: @unchecked Sendable {
    let state: MachineState
    let words: UnsafeMutableRawPointer
    let staged: UnsafeMutableRawPointer
    let threads: Int
    let landsAtOnce: Bool
  }

  /// Computes what the instruction will write into `staged`.
  /// - Parameter landsAtOnce: whether that goes to the sink slice by slice; only if `readsItsDestination` is not set.
  /// - Returns: false if the data does not allow it, and the instruction must be walked.
  /// - Throws: `accumulatorOverflow`, `addressRange`, `invalidKernel` for a requantization constant.
  func compute(
    _ state: MachineState, _ scratch: FastScratch, _ staged: Bytes, threads: Int, landsAtOnce: Bool
  ) throws(Diagnostic) -> Bool {
    let slices = plan.slices
    let threads = threadsWorthWhile(threads)
    nonisolated(unsafe) let target = staged.base
    if let load {
      Parallel.forEach(slices, threads: threads) { slice in
        load.read(self.plan, state, slice, target + slice * self.stagedBytes)
      }
      return true
    }
    let work = Work(
      state: state, words: try scratch.words.reserve(slices * wordsPerSlice * 4), staged: target,
      threads: threads, landsAtOnce: landsAtOnce)
    if let product, (0..<slices).allSatisfy({ state.holdsQuads(plan.first + $0, product.blocks) }) {
      try multiply(product, scratch, work)
      return true
    }
    prepareSteps()
    if isContract {
      let blocks = blocks(from: body.accumulate.registerBase)
      for slice in 0..<slices { state.spreadQuads(plan.first + slice, blocks) }
    }
    let elementSize = halves ? 2 : 4
    nonisolated(unsafe) let x = try scratch.packets.reserve(slices * packets * pitch * elementSize)
    nonisolated(unsafe) let masks = needsMasks ? try scratch.masks.reserve(slices * packets * 4) : nil
    let sliceBytes = packets * pitch * elementSize
    if isWidened {
      let (classes, places) = try places(state, threads: threads)
      Parallel.forEach(slices, threads: threads) { slice in
        let memory = state.sram(self.plan.first + slice)
        let zero = Int32(self.body.fetch.zeroPoint)
        places[classes[slice]].withSide(memory, zeroPoint: zero) { addresses, side in
          furc_npu_widen(
            memory.assumingMemoryBound(to: Int8.self), addresses, side, Int64(self.packets),
            Int32(self.plan.packet), zero, (x + slice * sliceBytes).assumingMemoryBound(to: Int16.self),
            Int32(self.pitch))
        }
      }
      return try goOn(state, scratch, work, x, nil)
    }
    let fetched = Parallel.map(slices, threads: threads) { slice in
      self.fetch(state, slice, x + slice * sliceBytes, masks.map { $0 + slice * self.packets * 4 })
    }
    guard fetched.allSatisfy({ $0 }) else { throw leavesMemory }
    if case .registerFile = body.sink {
      Parallel.forEach(slices, threads: threads) { slice in
        self.passPackets(slice, x, target + slice * self.stagedBytes)
        if landsAtOnce { self.land(slice, target + slice * self.stagedBytes, state) }
      }
      return true
    }
    return try goOn(state, scratch, work, x, masks)
  }

  /// What follows the fetch.
  private func goOn(
    _ state: MachineState, _ scratch: FastScratch, _ work: Work, _ x: UnsafeMutableRawPointer,
    _ masks: UnsafeMutableRawPointer?
  ) throws(Diagnostic) -> Bool {
    nonisolated(unsafe) let (x, masks) = (x, masks)
    let statuses = Parallel.map(plan.slices, threads: work.threads) { slice in
      self.accumulate(
        state, slice, x, masks, work.words + slice * self.wordsPerSlice * 4,
        work.staged + slice * self.stagedBytes)
    }
    if statuses.contains(.mustWalk) { return false }
    if statuses.contains(.overflow) { throw overflow }
    try leave(scratch, work)
    return true
  }

  private func threadsWorthWhile(_ threads: Int) -> Int {
    plan.shape.nest * plan.packet * max(flits, 1) * plan.slices < 1 << 18 ? 1 : threads
  }

  private var leavesMemory: Diagnostic { Diagnostic(.addressRange, "a fetch leaves the SRAM of its slice") }
  private var overflow: Diagnostic { Diagnostic(.accumulatorOverflow, "an integer sum leaves 32 bits") }
  private var badConstant: Diagnostic {
    Diagnostic(.invalidKernel, "P3: a multiplier or shift of requant is out of range")
  }

  // MARK: Bytes

  /// A contraction of bytes with weights in blocks, and all that follows.
  private func multiply(_ product: QuadProduct, _ scratch: FastScratch, _ work: Work) throws(Diagnostic) {
    let slices = plan.slices
    let (classes, places) = try product.maySkip ? places(work.state, threads: work.threads) : ([], [])
    let sideBytes = places.map(\.sideBytes).max() ?? 0
    nonisolated(unsafe) let sides = try scratch.sides.reserve(slices * sideBytes)
      .assumingMemoryBound(to: Int8.self)
    let operands = Parallel.map(slices, threads: work.threads) { slice in
      product.operands(
        self.plan, work.state, slice, classes.isEmpty ? nil : places[classes[slice]],
        side: sides + slice * sideBytes)
    }
    // The operands name places.
    defer { withExtendedLifetime(places) {} }
    if addsOverSlicesAtOnce(product, work.state) {
      return try multiplyRings(product, operands, work)
    }
    let goesThrough = body.reducer.kind == .none && body.accumulate.finish != .keep
    let statuses = Parallel.map(slices, threads: work.threads) { slice -> Status in
      let result = self.words(of: slice, work)
      product.run(
        self.plan, operands[slice...slice], 0..<product.pixels, result, product.steps, level: self.level)
      guard self.carry(result, self.wordsPerSlice, slice, work) else { return .overflow }
      guard goesThrough else { return .done }
      return self.finishAndLand([slice], UnsafeMutableRawPointer(result), work) ? .done : .badConstant
    }
    try check(statuses)
    if !goesThrough { try leave(scratch, work) }
  }

  /// Whether sums of slices may be added to each other while they are made: where no sum can leave 32 bits.
  private func addsOverSlicesAtOnce(_ product: QuadProduct, _ state: MachineState) -> Bool {
    let accumulate = body.accumulate
    guard body.reducer.kind == .sum, accumulate.finish == .drain,
      product.elements * Int(body.reducer.size) <= 1 << 15
    else { return false }
    guard accumulate.start == .keep else { return true }
    let most = UInt64(1 << 30) / UInt64(body.reducer.size)
    return (0..<plan.slices).allSatisfy { slice in
      let cells = state.cells(plan.first + slice)
      return (0..<wordsPerSlice).allSatisfy { cells[$0].magnitude < most }
    }
  }

  /// Contracts over the slices of a ring of the reducer as over one axis: what it adds up is never stored apart.
  private func multiplyRings(
    _ product: QuadProduct, _ operands: [QuadProduct.Operands], _ work: Work
  ) throws(Diagnostic) {
    let rings = rings
    let size = Int(body.reducer.size)
    let layout = product.parts ?? product.steps
    let inOrder = rings.flatMap { $0.map { operands[$0] } }
    // Enough pieces for all threads.
    let pieces = min(max(4 * work.threads / rings.count, 1), product.pixels)
    Parallel.forEach(rings.count * pieces, threads: work.threads) { number in
      let (ring, piece) = (number / pieces, number % pieces)
      let range = product.pixels * piece / pieces..<product.pixels * (piece + 1) / pieces
      let result = self.words(of: rings[ring][0], work)
      product.run(
        self.plan, inOrder[ring * size..<(ring + 1) * size], range, result, layout, level: self.level)
      guard self.body.accumulate.start == .keep else { return }
      for slice in rings[ring] {
        var cells = work.state.cells(self.plan.first + slice) + range.lowerBound * product.steps.row
        for pixel in range {
          for group in layout.groups {
            for lane in 0..<8 {
              result[pixel * layout.row + Int(group) + lane] &+= Int32(truncatingIfNeeded: cells[lane])
            }
            cells += 8
          }
        }
      }
    }
    // Found before threads ask for them.
    let (groups, _) = (groupsOfSame, operandBytes)
    let statuses = Parallel.map(groups.count, threads: work.threads) { number -> Status in
      let ring = self.firstOfRing(groups[number][0])
      let sums = UnsafeMutableRawPointer(self.words(of: ring, work))
      return self.finishAndLand(groups[number], sums, work, inParts: product.parts != nil)
        ? .done : .badConstant
    }
    try check(statuses)
  }

  private func words(of slice: Int, _ work: Work) -> UnsafeMutablePointer<Int32> {
    (work.words + slice * wordsPerSlice * 4).assumingMemoryBound(to: Int32.self)
  }

  private func check(_ statuses: [Status]) throws(Diagnostic) {
    if statuses.contains(.overflow) { throw overflow }
    if statuses.contains(.badConstant) { throw badConstant }
  }

  /// By slice the class, and by class where packets lie; found once, unless they are many.
  private func places(
    _ state: MachineState, threads: Int
  ) throws(Diagnostic) -> (classes: [Int], places: [PacketPlaces]) {
    if let known = knownPlaces { return known }
    let classes = PacketPlaces.classes(plan)
    let found = Parallel.map((classes.max() ?? -1) + 1, threads: threads) { number in
      var job = self.fetchJob(state, classes.firstIndex(of: number) ?? 0)
      return PacketPlaces(self.packets, &job)
    }
    let places = found.compactMap { $0 }
    guard places.count == found.count else { throw leavesMemory }
    if places.count * packets < 1 << 16 { knownPlaces = (classes, places) }
    return (classes, places)
  }

  /// Adds what the accumulators hold, or leaves the sums there.
  /// - Returns: false if a sum that drains leaves 32 bits.
  private func carry(
    _ result: UnsafeMutablePointer<Int32>, _ count: Int, _ slice: Int, _ work: Work
  ) -> Bool {
    let accumulate = body.accumulate
    let from = accumulate.start == .keep ? work.state.cells(plan.first + slice) : nil
    if accumulate.finish == .keep {
      let cells = (work.staged + slice * stagedBytes).assumingMemoryBound(to: Int64.self)
      for index in 0..<count { cells[index] = Int64(result[index]) &+ (from.map { $0[index] } ?? 0) }
      return true
    }
    guard let from else { return true }
    var lost: Int64 = 0
    for index in 0..<count {
      let sum = from[index] &+ Int64(result[index])
      result[index] = Int32(truncatingIfNeeded: sum)
      lost |= sum ^ Int64(result[index])
    }
    return lost == 0
  }

  // MARK: Behind the sums

  /// What becomes of the words: reducer, vector program.
  private func leave(_ scratch: FastScratch, _ work: Work) throws(Diagnostic) {
    let slices = plan.slices
    if body.accumulate.finish == .keep {
      if work.landsAtOnce { land(work.staged, work.state) }
      return
    }
    guard body.reducer.kind != .none else {
      let done = Parallel.map(slices, threads: work.threads) { slice in
        self.finishAndLand([slice], work.words + slice * self.wordsPerSlice * 4, work)
      }
      if done.contains(false) { throw badConstant }
      return
    }
    nonisolated(unsafe) let sums = try scratch.sums.reserve(slices * wordsPerSlice * 4)
    // Found before threads ask for them.
    let (groups, _) = (groupsOfSame, operandBytes)
    let statuses = Parallel.map(groups.count, threads: work.threads) { number -> Status in
      let first = groups[number][0]
      guard self.combine(first, work.words, sums) else { return .overflow }
      let same = sums + first * self.wordsPerSlice * 4
      return self.finishAndLand(groups[number], same, work) ? .done : .badConstant
    }
    try check(statuses)
  }

  /// - Parameters:
  ///   - slices: that go on with the same; those with the same operands are finished once.
  ///   - inParts: whether the words lie part by part.
  /// - Returns: false for a constant that a program may not have.
  private func finishAndLand(
    _ slices: [Int], _ words: UnsafeMutableRawPointer, _ work: Work, inParts: Bool = false
  ) -> Bool {
    for (number, slice) in slices.enumerated() where goesOn(slice) {
      let staged = work.staged + slice * stagedBytes
      if number > 0, hasSameOperands(slices[0], slice, work.state) {
        let same = work.staged + slices[0] * stagedBytes
        if work.landsAtOnce {
          land(slice, same, work.state)
        } else {
          staged.copyMemory(from: same, byteCount: stagedBytes)
        }
        continue
      }
      guard finish(work.state, slice, words, staged, inParts: inParts) else { return false }
      if work.landsAtOnce { land(slice, staged, work.state) }
    }
    return true
  }

  /// Whether the vector program of two slices reads the same words besides its input.
  private func hasSameOperands(_ one: Int, _ other: Int, _ state: MachineState) -> Bool {
    guard let operandBytes else { return false }
    return operandBytes.allSatisfy { operand in
      let (a, b) = (operand.memory(state, plan.first + one), operand.memory(state, plan.first + other))
      return memcmp(a + operand.range.lowerBound, b + operand.range.lowerBound, operand.range.count) == 0
    }
  }

  // MARK: Landing

  /// A load of weights. Slices that receive the same get it from the first of them.
  func run(_ load: QuadLoad, _ state: MachineState, threads: Int) {
    let (outer, inner) = (Int(body.exchange.outer), Int(body.exchange.inner))
    let size = body.exchange.kind == .broadcast1 ? outer : 1
    Parallel.forEach(plan.slices / size, threads: threadsWorthWhile(threads)) { number in
      let first = size == 1 ? number : number / inner * outer * inner + number % inner
      withUnsafeTemporaryAllocation(byteCount: load.stagedBytes, alignment: 64) { staged in
        guard let staged = staged.baseAddress else { return }
        load.read(self.plan, state, first, staged)
        for slice in 0..<size { load.land(staged, state, self.plan.first + first + slice * inner) }
      }
    }
  }

  /// A move of packets, without a stage between.
  func run(_ move: ByteMove, _ state: MachineState, threads: Int) {
    Parallel.forEach(plan.slices, threads: threadsWorthWhile(threads)) { slice in
      move.run(self.plan, state, slice)
    }
  }

  /// Puts what `compute` left into the memory of the sink.
  func land(_ staged: Bytes, _ state: MachineState) { land(staged.base, state) }

  private func land(_ staged: UnsafeMutableRawPointer, _ state: MachineState) {
    for slice in 0..<plan.slices { land(slice, staged + slice * stagedBytes, state) }
  }

  /// - Parameter source: of what lands.
  private func land(_ slice: Int, _ source: UnsafeMutableRawPointer, _ state: MachineState) {
    guard goesOn(slice) else { return }
    let number = plan.first + slice
    if let load { return load.land(source, state, number) }
    if case .registerFile(let base) = body.sink { state.dropQuads(number, blocks(from: base)) }
    var places = places
    furc_npu_scatter(&places, source, sinkBase(state, number))
  }

  private func sinkBase(_ state: MachineState, _ slice: Int) -> UnsafeMutableRawPointer {
    if body.accumulate.finish == .keep { return UnsafeMutableRawPointer(state.cells(slice)) }
    return switch body.sink {
    case .commit(let commit): state.sram(slice) + Int(commit.base)
    case .registerFile(let base): state.registers(slice).raw + Int(base) * state.wordsPerUnit * 4
    case .vectorRegisters(let base): state.vectors(slice).raw + Int(base) * 4
    case .tables(let base): state.tables(slice).raw + Int(base) * 4
    }
  }

  /// The blocks of the register file with the units that the nest names.
  private func blocks(from base: Int32) -> Range<Int> {
    let units = TensorPlan.span(
      Int(base), plan.nest.map { (plan.sizes[$0], Int(body.loops[$0].registerStride)) })
    return units.lowerBound / 8..<(units.upperBound + (isContract ? plan.lanes : 1) + 7) / 8
  }

  func digit(_ slice: Int) -> Int { slice / Int(body.reducer.stride) % Int(body.reducer.size) }

  /// The slice with digit 0 among those that the reducer adds to this one.
  func firstOfRing(_ slice: Int) -> Int { slice - digit(slice) * Int(body.reducer.stride) }

  func goesOn(_ slice: Int) -> Bool {
    body.reducer.kind == .none || body.reducer.output != .one || digit(slice) == 0
  }
}
