import CKernels
import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// A tensor instruction bound to kernels: offsets of every output step and of every step of a reduction, computed
/// once. Nil for what is rare: such an instruction is walked element by element.
final class FastTensor: @unchecked Sendable {
  let plan: TensorPlan
  private let machine: SliceMachine
  private let program: FastProgram
  let packets: Int
  /// Elements from packet to packet behind the adapter.
  let pitch: Int
  let halves: Bool
  /// Offsets by output step and by step of the reduction: of packets, in elements, and of packed units.
  private struct Steps {
    var xb: [Int32] = []
    var xo: [Int32] = []
    var wb: [Int32] = []
    var wo: [Int32] = []
  }

  /// Made by `prepareSteps`.
  private var steps = Steps()
  let firstUnit: Int
  let unitStep: Int
  let unitCount: Int
  let block: Int
  /// What lands, per slice.
  let places: furc_npu_places
  let stagedBytes: Int
  let readsItsDestination: Bool
  private let extents: [Int]
  /// Strides of the input in words, of the operands in elements.
  private let inputStrides: [Int]
  /// The same where words lie part by part.
  private let partStrides: [Int]
  private let sourceStrides: [[Int]]
  let level = furc_cpu_level()
  /// Bytes of weights in blocks: a load of them, and a contraction with them.
  let load: QuadLoad?
  let product: QuadProduct?
  let move: ByteMove?
  /// Whether packets of i8 come to the contraction as 16-bit integers, from places that are found once.
  let isWidened: Bool
  /// Once they were found.
  var knownPlaces: (classes: [Int], places: [PacketPlaces])?
  /// The slices that go on with the same behind a reducer, in the order of their first; found once.
  lazy var groupsOfSame: [[Int]] = {
    let reducer = body.reducer
    var groups: [[Int]: [Int]] = [:]
    for slice in 0..<plan.slices where goesOn(slice) {
      groups[[firstOfRing(slice), reducer.part(of: digit(slice))], default: []].append(slice)
    }
    return groups.values.sorted { $0[0] < $1[0] }
  }()

  /// What the vector program reads besides its input; nil where it reads tables, or from far apart. Found once.
  lazy var operandBytes: [OperandBytes]? = OperandBytes.all(plan)
  /// The slices that a reducer adds over, in the order of their digits; found once.
  lazy var rings: [[Int]] = (0..<plan.slices).filter { digit($0) == 0 }.map { first in
    (0..<Int(body.reducer.size)).map { first + $0 * Int(body.reducer.stride) }
  }

  var body: TensorInstruction { plan.body }
  var isContract: Bool { body.accumulate.kind == .contract }
  var flits: Int { plan.shape.flits }
  var wordsPerSlice: Int { plan.shape.steps * flits * 8 }

  init?(_ plan: TensorPlan, on machine: SliceMachine) {
    let body = plan.body
    // Cells move between memories, and reductions carry on, too rarely to be fast.
    let accumulate = body.accumulate
    guard accumulate.start != .load, accumulate.finish != .spill,
      accumulate.kind == .contract || accumulate.start == .zero && accumulate.finish == .drain
    else { return nil }
    // Neighbours in turn are moved on, one whole after the other.
    guard body.exchange.kind != .neighbours || accumulate.kind == .none && body.exchange.loop == 0 else {
      return nil
    }
    self.plan = plan
    self.machine = machine
    readsItsDestination = plan.readsItsDestination
    packets = plan.shape.fetches
    let isContract = body.accumulate.kind == .contract
    let isRegisterSink = if case .registerFile = body.sink { true } else { false }
    halves = isContract && plan.sum == .integer
    isWidened =
      halves && body.fetch.element == .i8 && body.fetch.table == nil && body.fetch.outside == nil
      && (-128...127).contains(body.fetch.zeroPoint) && plan.packet <= Int(FURC_NPU_UNIT)
      && machine.sramBytesPerSlice < 1 << 31
    pitch = isRegisterSink ? machine.packetBytes : halves ? plan.packet + plan.packet % 2 : plan.width
    let room = plan.slices.multipliedReportingOverflow(by: packets * pitch)
    guard plan.shape.nest < 1 << 28, packets < 1 << 28, !room.overflow, room.partialValue < 1 << 28,
      plan.slices * plan.shape.steps * plan.shape.flits < 1 << 26
    else { return nil }
    load = QuadLoad(plan, machine)
    product = QuadProduct(plan, machine)
    move = ByteMove(plan, machine)
    if let steps = plan.program, let kinds = plan.kinds {
      guard let encoded = FastProgram(steps, kinds) else { return nil }
      program = encoded
    } else {
      program = FastProgram()
    }

    let unitStrides = body.loops.map { Int($0.registerStride) }
    let used = plan.nest.filter { plan.sizes[$0] > 1 && unitStrides[$0] != 0 }
    let span = TensorPlan.span(
      Int(body.accumulate.registerBase), used.map { (plan.sizes[$0], unitStrides[$0]) })
    let step = max(used.reduce(0) { Self.gcd($0, abs(unitStrides[$1])) }, 1)
    let block = halves && plan.columns == 1 ? pitch * 8 : plan.packet * 8
    self.block = block
    firstUnit = span.lowerBound
    unitStep = step
    unitCount = (span.upperBound - span.lowerBound) / step + 1
    guard let layout = FastLayout(plan, machine) else { return nil }
    places = layout.places
    stagedBytes = load?.stagedBytes ?? layout.stagedBytes
    extents = layout.extents
    inputStrides = layout.inputStrides
    partStrides = layout.partStrides
    sourceStrides = layout.sourceStrides
  }

  /// What runs need that do not take bytes as bytes.
  func prepareSteps() {
    guard steps.xb.isEmpty else { return }
    let strides = plan.packetStrides(packets).map { $0 * pitch }
    func offsets(_ loops: [Int], _ strides: [Int]) -> [Int32] {
      TensorPlan.offsets(loops.map { plan.sizes[$0] }, loops.map { strides[$0] })
    }
    steps.xb = offsets(plan.retained, strides)
    steps.xo = offsets(plan.reduced, strides)
    guard isContract else { return }
    let units = body.loops.map { Int($0.registerStride) / unitStep * block }
    let base = Int32((Int(body.accumulate.registerBase) - firstUnit) / unitStep * block)
    steps.wb = offsets(plan.retained, units).map { $0 + base }
    steps.wo = offsets(plan.reduced, units)
  }

  private static func gcd(_ a: Int, _ b: Int) -> Int { b == 0 ? a : gcd(b, a % b) }
}

// What it fetches, and what it does with that.
extension FastTensor {
  var needsMasks: Bool {
    guard !body.fetch.bounds.isEmpty || body.fetch.validLoop != 255 else { return false }
    switch body.accumulate.kind {
    case .contract: return plan.sum != .integer
    case .argumentOfMaximum, .argumentOfMinimum: return true
    default: return false
    }
  }

  /// What stands for a skipped element where it changes nothing.
  private var skipWord: UInt32 {
    switch body.accumulate.kind {
    case .product: plan.isFloat ? Float(1).bitPattern : 1
    case .maximum: plan.isFloat ? (-Float.infinity).bitPattern : UInt32(bitPattern: .min)
    case .minimum: plan.isFloat ? Float.infinity.bitPattern : UInt32(bitPattern: .max)
    default: 0
    }
  }

  func fetch(
    _ state: MachineState, _ slice: Int, _ result: UnsafeMutableRawPointer, _ masks: UnsafeMutableRawPointer?
  ) -> Bool {
    var job = fetchJob(state, slice)
    job.skip = skipWord
    job.halves = halves ? 1 : 0
    job.pitch = Int32(pitch)
    job.`repeat` = body.fetch.isBroadcast ? 8 : 1
    job.result = result
    job.present = masks?.assumingMemoryBound(to: UInt32.self)
    return furc_npu_fetch_packets(&job, level) == 0
  }

  /// What a slice fetches, but for where it goes.
  func fetchJob(_ state: MachineState, _ slice: Int) -> furc_npu_fetch {
    let fetch = body.fetch
    var job = furc_npu_fetch()
    job.memory = UnsafePointer(state.sram(plan.first + slice).assumingMemoryBound(to: UInt8.self))
    job.memory_bytes = Int64(machine.sramBytesPerSlice)
    job.base = Int64(fetch.base)
    job.rank = Int32(plan.time.count)
    set(&job.sizes, plan.time.map { plan.sizes[$0] })
    set(&job.strides, plan.time.map { Int(body.loops[$0].fetchStride) })
    job.packet = Int32(plan.packet)
    job.type = fetch.element.streamType ?? 0
    job.zero_point = Int32(fetch.zeroPoint)
    if let table = fetch.table {
      job.table = UnsafePointer(state.tables(plan.first + slice) + Int(table) * 256)
    }
    job.valid_loop = -1
    if fetch.validLoop != 255 {
      job.valid_loop = Int32(plan.time.firstIndex(of: Int(fetch.validLoop)) ?? -1)
      job.valid_count = Int64(fetch.validCount)
    }
    job.bound_count = Int32(fetch.bounds.count)
    for (number, bound) in fetch.bounds.enumerated() {
      var record = furc_npu_bound()
      record.origin = Int64(bound.origin(of: slice))
      record.element_coefficient = Int64(bound.elementCoefficient)
      record.low = Int64(bound.low)
      record.high = Int64(bound.high)
      set(&record.coefficients, plan.time.map { Int(bound.coefficients[$0]) })
      if number == 0 { job.bounds.0 = record } else { job.bounds.1 = record }
    }
    if let outside = fetch.outside {
      job.has_outside = 1
      job.outside = outside
    }
    return job
  }

  private func set<Values>(_ field: inout Values, _ values: [Int]) {
    withUnsafeMutableBytes(of: &field) { memory in
      for (index, value) in values.enumerated() {
        memory.storeBytes(of: Int64(value), toByteOffset: index * 8, as: Int64.self)
      }
    }
  }

  /// Offsets are from here: the first packet of the slice that a slice receives from, counted over all slices.
  /// - Parameter isBack: from the neighbour at index 1.
  private func firstPacket(_ slice: Int, isBack: Bool = false) -> Int {
    var index = [Int](repeating: 0, count: body.loops.count)
    if isBack { index[0] = 1 }
    let source = plan.source(of: slice, index)
    var packet = source.slice * packets
    if let leaving = plan.shape.leaving {
      packet += source.leaving * plan.time.filter { $0 > leaving }.reduce(1) { $0 * plan.sizes[$1] }
    }
    return packet
  }

  func passPackets(
    _ slice: Int, _ packets: UnsafeMutableRawPointer, _ target: UnsafeMutableRawPointer
  ) {
    for (range, first) in directions(slice) {
      let source = packets + first * pitch * 4
      for step in range {
        let from = source + Int(steps.xb[step]) * 4
        (target + step * pitch * 4).copyMemory(from: from, byteCount: pitch * 4)
      }
    }
  }

  /// Steps, and the first packet of the slice that they come from: of neighbours each in turn.
  private func directions(_ slice: Int) -> [(steps: Range<Int>, first: Int)] {
    let count = steps.xb.count
    guard body.exchange.kind == .neighbours else { return [(0..<count, firstPacket(slice))] }
    return [
      (0..<count / 2, firstPacket(slice)), (count / 2..<count, firstPacket(slice, isBack: true)),
    ]
  }

  enum Status { case done, overflow, mustWalk, badConstant }

  func accumulate(
    _ state: MachineState, _ slice: Int, _ packets: UnsafeMutableRawPointer,
    _ masks: UnsafeMutableRawPointer?, _ words: UnsafeMutableRawPointer, _ staged: UnsafeMutableRawPointer
  ) -> Status {
    let first = firstPacket(slice)
    let x = packets + first * pitch * (halves ? 2 : 4)
    let present = masks.map { UnsafePointer(($0 + first * 4).assumingMemoryBound(to: UInt32.self)) }
    if body.accumulate.kind == .none {
      let target = words.assumingMemoryBound(to: UInt32.self)
      for (range, first) in directions(slice) {
        let source = (packets + first * pitch * 4).assumingMemoryBound(to: UInt32.self)
        for step in range {
          for e in 0..<plan.width { target[step * 8 + e] = source[Int(steps.xb[step]) + e] }
          for e in plan.width..<8 { target[step * 8 + e] = 0 }
        }
      }
      return .done
    }
    return steps.xb.withUnsafeBufferPointer { xb in
      steps.xo.withUnsafeBufferPointer { xo in
        steps.wb.withUnsafeBufferPointer { wb in
          steps.wo.withUnsafeBufferPointer { wo in
            var job = furc_npu_steps()
            job.xb = xb.baseAddress
            job.xo = xo.baseAddress
            job.wb = wb.baseAddress
            job.wo = wo.baseAddress
            job.steps = Int64(xb.count)
            job.count = Int64(xo.count)
            job.packet = Int32(isContract && halves && plan.columns == 1 ? pitch : plan.packet)
            job.depth = Int32(body.accumulate.treeDepth)
            job.columns = Int32(plan.columns)
            job.present = present
            return isContract
              ? contract(&job, state, slice, x, words, staged)
              : reduce(&job, x, words.assumingMemoryBound(to: UInt32.self))
          }
        }
      }
    }
  }

  private func reduce(
    _ job: inout furc_npu_steps, _ x: UnsafeMutableRawPointer, _ words: UnsafeMutablePointer<UInt32>
  ) -> Status {
    job.packet = Int32(plan.width)
    let kind =
      switch body.accumulate.kind {
      case .product: FURC_NPU_PRODUCT
      case .maximum: FURC_NPU_MAXIMUM
      case .minimum: FURC_NPU_MINIMUM
      case .argumentOfMaximum: FURC_NPU_ARGMAX
      case .argumentOfMinimum: FURC_NPU_ARGMIN
      default: body.accumulate.hasSixteenPartials ? FURC_NPU_SUM16 : FURC_NPU_SUM
      }
    let source = x.assumingMemoryBound(to: UInt32.self)
    let status = furc_npu_reduce(&job, source, Int32(kind), plan.isFloat ? 1 : 0, words, level)
    return status == 0 ? .done : .overflow
  }

  /// Reduces over slices what a slice goes on with: its part of the scattered loop, or all.
  func combine(
    _ slice: Int, _ words: UnsafeMutableRawPointer, _ sums: UnsafeMutableRawPointer
  ) -> Bool {
    let reducer = body.reducer
    let first = firstOfRing(slice)
    let kind =
      switch reducer.kind {
      case .maximum: FURC_NPU_MAXIMUM
      case .minimum: FURC_NPU_MINIMUM
      default: FURC_NPU_SUM
      }
    // Words that follow each other, and how far they are apart.
    var (start, count, pitch) = (0, wordsPerSlice, wordsPerSlice)
    if plan.shape.scatter > 1, let place = plan.retained.firstIndex(of: Int(reducer.loop)) {
      let inner = plan.retained[(place + 1)...].reduce(flits * 8) { $0 * plan.sizes[$1] }
      count = plan.outputSizes[Int(reducer.loop)] * inner
      pitch = plan.sizes[Int(reducer.loop)] * inner
      start = reducer.part(of: digit(slice)) * count
    }
    guard pitch > 0 else { return true }
    let result = (sums + slice * wordsPerSlice * 4).assumingMemoryBound(to: UInt32.self)
    let sources = (0..<Int(reducer.size)).map {
      UnsafePointer(
        (words + (first + $0 * Int(reducer.stride)) * wordsPerSlice * 4).assumingMemoryBound(to: UInt32.self))
    }
    for begin in stride(from: start, to: wordsPerSlice, by: pitch) {
      let terms: [UnsafePointer<UInt32>?] = sources.map { $0 + begin }
      let status = furc_npu_combine(
        terms, Int32(terms.count), Int64(count), Int32(kind), plan.isInputFloat ? 1 : 0, result + begin, level
      )
      guard status == 0 else { return false }
    }
    return true
  }
}

extension UnsafeMutablePointer {
  var raw: UnsafeMutableRawPointer { UnsafeMutableRawPointer(self) }
}

// Vector program and cast.
extension FastTensor {
  func finish(
    _ state: MachineState, _ slice: Int, _ words: UnsafeMutableRawPointer, _ staged: UnsafeMutableRawPointer,
    inParts: Bool
  ) -> Bool {
    var input = words
    if inParts {
      input += body.reducer.part(of: digit(slice)) * wordsPerSlice / plan.shape.scatter * 4
    } else if plan.shape.scatter > 1 {
      let loop = Int(body.reducer.loop)
      let place = plan.retained.firstIndex(of: loop) ?? 0
      input += body.reducer.part(of: digit(slice)) * plan.outputSizes[loop] * inputStrides[place] * 4
    }
    var streams: [furc_stream] = []
    for source in program.sources {
      switch source {
      case .input:
        streams.append(stream(input, plan.isInputFloat ? .f32 : .i32, inParts ? partStrides : inputStrides))
      case .operand(let number):
        let operand = body.vector.operands[number]
        switch operand.source {
        case .registers(let base):
          let data = state.vectors(plan.first + slice).raw + Int(base) * 4
          let isFloat = plan.kinds?.operands[number] == .float
          streams.append(stream(data, isFloat ? .f32 : .i32, sourceStrides[number]))
        case .second(let second):
          let data = state.sram(plan.first + slice) + Int(second.base)
          streams.append(stream(data, second.element, sourceStrides[number]))
        }
      }
    }
    let element: ElementType
    if case .commit(let commit) = body.sink {
      element = commit.element
    } else {
      element = plan.isOutputFloat ? .f32 : .i32
    }
    var contiguous = [Int](repeating: 1, count: extents.count)
    for index in extents.indices.dropLast().reversed() {
      contiguous[index] = contiguous[index + 1] * extents[index + 1]
    }
    let tables = program.slots.map { slot in
      furc_table(entries: UnsafePointer(state.tables(plan.first + slice) + slot * 256), low: -128, count: 256)
    }
    let result = stream(staged, element, contiguous)
    return program.steps.withUnsafeBufferPointer { steps in
      tables.withUnsafeBufferPointer { tables in
        streams.withUnsafeBufferPointer { sources in
          var encoded = furc_program(
            steps: steps.baseAddress, tables: tables.baseAddress, step_count: Int32(steps.count),
            uniform_count: Int32(program.uniformCount), block_count: Int32(program.blockCount),
            result: Int32(program.result))
          return withUnsafePointer(to: &encoded) { pointer in
            var job = furc_program_job()
            job.program = pointer
            job.rank = Int32(extents.count)
            job.source_count = Int32(sources.count)
            set(&job.extents, extents)
            job.sources = sources.baseAddress
            job.result = result
            job.begin = 0
            job.end = Int64(extents.reduce(1, *))
            return furc_program_run(&job, level) == Int32(FURC_PROGRAM_DONE)
          }
        }
      }
    }
  }

  private func stream(
    _ data: UnsafeMutableRawPointer, _ element: ElementType, _ strides: [Int]
  ) -> furc_stream {
    var stream = furc_stream()
    stream.data = data
    stream.type = element.streamType ?? 0
    set(&stream.strides, strides)
    return stream
  }
}
