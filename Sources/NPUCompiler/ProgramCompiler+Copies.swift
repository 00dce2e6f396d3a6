import Machine
import NPUISA

extension ProgramCompiler {
  /// Emits descriptors: engine 0 copies what the next kernel waits for, engine 1 what streams beside the work, or either where all
  /// constants stream. Those of the load program go to the one of two engines that has less to do.
  @discardableResult
  mutating func copy(_ descriptors: [DMAInstruction], isLoad: Bool = false, engine: Int = 0) -> Wait? {
    var last: Wait?
    for descriptor in descriptors {
      if isDry {
        let ticks = descriptor.time(on: machine).ticks
        switch (isLoad, engine) {
        case (true, _): break
        case (_, 0): copyTicks += ticks
        default:
          // One engine starts while the other copies.
          let startup = machine.dmaEngines > 1 ? machine.dmaStartupCycles * machine.ticksPerCycle : 0
          streamTicks += ticks - startup
        }
        continue
      }
      let accesses = descriptor.accesses(window: window)
      if isLoad {
        let free = loadTicks.indices.min { (loadTicks[$0], $0) < (loadTicks[$1], $1) } ?? 0
        loadTicks[free] += descriptor.time(on: machine).ticks
        last = load.append(.dma(descriptor), .dma(free), accesses)
      } else {
        last = run.append(
          .dma(descriptor), .dma(self.engine(engine, for: descriptor)), accesses,
          mayMove: engine == 1)
      }
    }
    return last
  }

  /// The engine of a descriptor of the run program. What streams goes to the one that is likely to be free first: while one
  /// starts, the other copies. A value is not there before the constants of the kernels before it are.
  private mutating func engine(_ engine: Int, for descriptor: DMAInstruction) -> Int {
    guard resident == nil, machine.dmaEngines > 1 else { return min(engine, machine.dmaEngines - 1) }
    var engine = engine
    if engine == 0 {
      engineTicks.values = max(engineTicks.values, engineTicks.streams)
    } else if engineTicks.values < engineTicks.streams {
      engine = 0
    }
    let ticks = descriptor.time(on: machine).ticks
    if engine == 0 { engineTicks.values += ticks } else { engineTicks.streams += ticks }
    return engine
  }

  /// Copies a constant to where a kernel wants it.
  mutating func copyConstant(_ from: Placement, to: Placement, isLoad: Bool) throws(Failure) {
    copy(try plan(from, to, []), isLoad: isLoad, engine: 1)
  }

  /// Copies a value to where a kernel wants it, and along the digits of the slice number in which that repeats.
  mutating func copyValue(_ from: Placement, to: Placement, copies: [Geometry.Digit]) throws(Failure) {
    guard isDry else { return copyValues(try plan(from, to, copies)) }
    var key = SearchCache.Copy(from: from, to: to, copies: copies, isShared: resident != nil)
    (key.from.base, key.to.base) = (0, 0)
    if let ticks = cache.ticks(key) {
      copyTicks += ticks
    } else {
      let before = copyTicks
      copyValues(try plan(from, to, copies))
      cache.note(key, copyTicks - before)
    }
    if copyTicks > mostCopyTicks { throw .doesNotFit("copies take too long") }
  }

  /// Descriptors that copy all of a value, `copies` times.
  func plan(
    _ from: Placement, _ to: Placement, _ copies: [Geometry.Digit]
  ) throws(Failure) -> [DMAInstruction] {
    let plan = CopyPlan(
      from: from, to.dimensions.indices.map(CopyPlan.SourceMap.axis), to: to,
      ranges: to.dimensions.map { 0..<$0.extent },
      copies: copies.map { ($0.count, $0.sliceStride) }, window: window)
    guard let plan else { throw .doesNotFit("a value cannot be copied") }
    return plan.descriptors
  }

  /// How long `copyValues` holds up what waits for it.
  func ticks(copying descriptors: [DMAInstruction]) -> Int {
    guard resident != nil, machine.dmaEngines > 1 else {
      return descriptors.reduce(0) { $0 + $1.time(on: machine).ticks }
    }
    return EnginePlan(descriptors, machine).ticks
  }

  /// Copies values: while constants need no engine, on two at once.
  mutating func copyValues(_ descriptors: [DMAInstruction]) {
    guard resident != nil, machine.dmaEngines > 1 else {
      copy(descriptors)
      return
    }
    guard !isDry else { return copyTicks += ticks(copying: descriptors) }
    let plan = EnginePlan(descriptors, machine)
    var ends: [Wait?] = [nil, nil]
    for item in plan.items {
      let starts = [0, 1].map { run.start(on: .dma($0), item.accesses) }
      let engine = starts[1] < starts[0] ? 1 : 0
      ends[engine] = run.append(.dma(item.descriptor), .dma(engine), item.accesses)
    }
    copyEnds = ends.compactMap(\.self)
  }

  /// Copies what came to some slices, `covered` apart, on to others, on the engine that streams less.
  mutating func copyAcross(
    _ range: Range<Int>, covered: [(count: Int, distance: Int)], copies: [(count: Int, distance: Int)],
    isLoad: Bool
  ) {
    var covered = covered.filter { $0.count > 1 }
    for copy in copies where copy.count > 1 {
      let first = Int64(copy.distance * window)
      let loops =
        [.init(UInt32(copy.count - 1), source: 0, destination: first)].filter { $0.size > 1 }
        + covered.map {
          DMAInstruction.Loop(
            UInt32($0.count), source: Int64($0.distance * window), destination: Int64($0.distance * window))
        }
      var start = range.lowerBound
      while start < range.upperBound {
        let run = min(4096, range.upperBound - start)
        let descriptor = DMAInstruction(
          from: .init(.sram, Int64(start)), to: .init(.sram, Int64(start) + first), run: UInt32(run), loops)
        if isDry {
          if !isLoad { streamTicks += descriptor.time(on: machine).ticks }
        } else {
          self.copy([descriptor], isLoad: isLoad, engine: isLoad ? 1 : 0)
        }
        start += run
      }
      covered.append(copy)
    }
  }
}
