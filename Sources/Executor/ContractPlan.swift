import CKernels
import KernelIR
import Support
import Tensors

/// contract through the packed kernels in C: rows times columns, a block of rows at a time.
struct ContractPlan: KernelPlan {
  let choice: KernelChoice
  let layout: Layout
  private let kind: ContractKind
  private let shape: ContractShape
  private let streamed: PreparedOperand
  private let packing: ContractPacking
  /// Of a constant operand.
  private let packed: PackedOperand?
  private let initial: InitialSums?
  /// For one run to be worth more than one thread.
  private let isLarge: Bool
  /// For bytes: of the streamed operand as unsigned numbers, and of the packed one as signed numbers.
  private let zeros: (streamed: Int32, packed: Int32)
  private let flip: UInt8
  private let rows: ContractRows
  /// Forms: those of the post-program, then the address in the streamed operand.
  private let slices: Loops
  private let rowLoops: Loops
  private let columnLoop: Loops
  private let streamedForm: Int
  private let splitCount: Int
  private let post: PostProgram
  private let epilogue: ContractEpilogue
  /// Whether the kernel's results are stored as they are.
  private let isDirect: Bool

  /// Why a contraction does not suit the packed kernels.
  struct Refusal: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
  }

  enum Outcome {
    case plan(ContractPlan)
    case refused(String)
  }

  /// - Parameter constants: the tensors of operands that are constant.
  static func make(
    _ kernel: Kernel, _ layouts: [Layout], constants: [Tensor?], _ context: RunContext
  ) throws(Diagnostic) -> Outcome {
    guard kernel.points > 0 else { return .refused("there are no products") }
    guard let shape = ContractShape(kernel, isConstant: constants.prefix(2).map { $0 != nil }) else {
      return .refused("both operands leave their bounds")
    }
    let kind: ContractKind
    var forms: (streamed: ByteForm, packed: ByteForm)?
    let elements = kernel.operands.map(\.type.element)
    let reductionCount = kernel.reductionAxes.reduce(1) { $0 * kernel.axes[$1].extent }
    switch kernel.accumulation {
    case .chain: kind = .f32
    case .fp8:
      kind = .f64
      guard elements[0] == .f8e4m3, elements[1] == .f8e4m3 else { return .refused("E5M2 sums exceed f64") }
      guard reductionCount <= 171_196 else { return .refused("\(reductionCount) products may exceed f64") }
      if shape.isDepthwise { return .refused("depthwise sums of FP8 have no kernel") }
    case .integer:
      kind = .i8
      guard let a = ByteForm(kernel.operands[shape.streamed]), let b = ByteForm(kernel.operands[shape.packed])
      else { return .refused("the factors are not bytes with zero points") }
      let largest = a.magnitude.multipliedReportingOverflow(by: b.magnitude)
      let sum = largest.partialValue.multipliedReportingOverflow(by: reductionCount)
      guard !largest.overflow, !sum.overflow, sum.partialValue <= Int(Int32.max) else {
        return .refused("\(reductionCount) products may leave 32 bits")
      }
      forms = (a, b)
    }
    return try ContractBuilder(kernel, layouts, constants, shape, kind, forms, context).build()
  }

  fileprivate init(
    choice: KernelChoice, layout: Layout, kind: ContractKind, shape: ContractShape, streamed: PreparedOperand,
    packing: ContractPacking, packed: PackedOperand?, zeros: (streamed: Int32, packed: Int32), flip: UInt8,
    rows: ContractRows, slices: Loops, rowLoops: Loops, columnLoop: Loops, streamedForm: Int, splitCount: Int,
    post: PostProgram, epilogue: ContractEpilogue, isDirect: Bool, isLarge: Bool
  ) {
    self.choice = choice
    self.layout = layout
    self.kind = kind
    self.shape = shape
    self.streamed = streamed
    self.packing = packing
    self.packed = packed
    initial = packed.map { InitialSums(kind, $0, packing, rows, zero: zeros.streamed) }
    self.isLarge = isLarge
    self.zeros = zeros
    self.flip = flip
    self.rows = rows
    self.slices = slices
    self.rowLoops = rowLoops
    self.columnLoop = columnLoop
    self.streamedForm = streamedForm
    self.splitCount = splitCount
    self.post = post
    self.epilogue = epilogue
    self.isDirect = isDirect
  }

  func reads(_ operand: Int) -> Bool { operand != shape.packed || packed == nil }

  // MARK: running

  private struct Item {
    let slice: Int
    let block: ContractRows.Block
    let columns: Range<Int>
  }

  private struct Sources: @unchecked Sendable {
    let streamed: UnsafeRawPointer
    let packed: PackedOperand
    let initial: InitialSums
    let zeroRow: [UInt8]
    let memory: SharedMemory
  }

  func run(
    _ arguments: [UnsafeRawPointer], _ result: UnsafeMutableRawPointer, _ context: RunContext
  ) throws(Diagnostic) {
    let (base, owner) = try streamed.memory(arguments[shape.streamed], context)
    let packed =
      if let constant = self.packed { constant } else { try packing.pack(arguments[shape.packed], context) }
    let sources = Sources(
      streamed: base, packed: packed,
      initial: initial ?? InitialSums(kind, packed, packing, rows, zero: zeros.streamed),
      zeroRow: shape.isDepthwise && kind == .i8
        ? [UInt8](repeating: UInt8(truncatingIfNeeded: zeros.streamed) ^ flip, count: packing.columns) : [],
      memory: SharedMemory(arguments: arguments, result: result))
    let columnBlock = columnsPerItem(context)
    let columnBlocks = (packing.columns + columnBlock - 1) / columnBlock
    let blocks = rows.blocks.count
    let items = slices.count * columnBlocks * blocks
    let workers = RunContext(threads: isLarge ? context.threads : 1, level: context.level)
    try workers.forPieces(of: items, grain: 1) { (range) throws(Diagnostic) in
      let worker = ContractWorker(post)
      for number in range {
        let first = number / blocks % columnBlocks * columnBlock
        let item = Item(
          slice: number / (blocks * columnBlocks), block: rows.blocks[number % blocks],
          columns: first..<min(first + columnBlock, packing.columns))
        try run(item, sources, worker, context)
      }
    }
    withExtendedLifetime(owner) {}
  }

  /// Full panels, few enough that there are some items for every thread.
  private func columnsPerItem(_ context: RunContext) -> Int {
    if shape.isDepthwise { return packing.columns }
    let panel = kind == .f64 ? Int(FURC_F64_PANEL) : kind == .f32 ? Int(FURC_F32_PANEL) : Int(FURC_I8_PANEL)
    let most = max(panel, 512)
    let others = slices.count * rows.blocks.count
    guard isLarge, context.threads > 1, others < 4 * context.threads else { return most }
    let wanted = (4 * context.threads + others - 1) / others
    let panels = (packing.columns + panel - 1) / panel
    return min(most, max(1, panels / wanted) * panel)
  }

  private func run(
    _ item: Item, _ sources: Sources, _ worker: ContractWorker, _ context: RunContext
  ) throws(Diagnostic) {
    let start = Walker(slices, at: item.slice).values
    let width = item.columns.count
    let count = item.block.rows.count * width
    let sums = worker.sums(count * kind.sumSize * splitCount)
    let target =
      isDirect
      ? sources.memory.result
        + (start[post.resultForm] + item.columns.lowerBound * columnLoop.innerStep(post.resultForm)) * 4
      : sums
    let a = sources.streamed + start[streamedForm] * kind.size
    epilogue.withRecord(sources.memory.arguments, start, column: item.columns.lowerBound) { epilogue in
      for group in rows.groups[item.block.groups] {
        withResults(group, width, worker) { results in
          if shape.isDepthwise {
            depthwise(item, group, sources, a, target, results, epilogue, context)
          } else {
            for split in 0..<splitCount {
              multiply(
                item, group, sources, a, target + split * count * kind.sumSize, results, epilogue, split: split,
                context, worker)
            }
          }
        }
      }
    }
    if isDirect { return }
    let words = sums.assumingMemoryBound(to: UInt32.self)
    if kind == .f64 {
      let wide = sums.assumingMemoryBound(to: Double.self)
      for index in 0..<count { words[index] = Float(wide[index]).canonical.bitPattern }
    }
    if splitCount > 1 { addSplits(words, count) }
    try finish(item, sources, worker, start, words, context)
  }

  /// Where the rows of a group go, in elements from the target on.
  private func withResults(
    _ group: ContractRows.Group, _ width: Int, _ worker: ContractWorker,
    _ body: (UnsafePointer<Int64>) -> Void
  ) {
    guard isDirect else { return body(worker.results(rows.places[group.rows], scale: Int64(width))) }
    rows.results.withUnsafeBufferPointer { results in
      if let base = results.baseAddress { body(base + group.rows.lowerBound) }
    }
  }

  private func multiply(
    _ item: Item, _ group: ContractRows.Group, _ sources: Sources, _ a: UnsafeRawPointer,
    _ target: UnsafeMutableRawPointer, _ results: UnsafePointer<Int64>,
    _ epilogue: UnsafePointer<furc_epilogue>?, split: Int, _ context: RunContext,
    _ worker: ContractWorker
  ) {
    let list = rows.lists[group.list]
    let (taps, end) = (list.splits[split], list.splits[split + 1])
    let panels = sources.packed.memory.base + item.slice * sources.packed.sliceBytes
    rows.offsets.withUnsafeBufferPointer { offsets in
      list.offsets.withUnsafeBufferPointer { tapOffsets in
        list.indices.withUnsafeBufferPointer { tapIndices in
          guard let rowOffset = offsets.baseAddress else { return }
          var job = furc_contract_job()
          job.a = a
          job.row_offset = rowOffset + group.rows.lowerBound
          job.rows = Int64(group.rows.count)
          job.tap_offset = tapOffsets.baseAddress.map { $0 + taps }
          job.tap_index = tapIndices.baseAddress.map { $0 + taps }
          job.taps = Int64(end - taps)
          job.run = Int64(packing.run)
          job.a_step = Int64(streamedStep)
          let runs = kind == .i8 ? (packing.run + 3) / 4 * 4 : packing.run
          job.b = UnsafeRawPointer(
            panels + item.columns.lowerBound * packing.tapOffsets.count * runs * kind.size)
          job.packed_taps = Int64(packing.tapOffsets.count)
          job.packed_run = Int64(packing.run)
          job.columns = Int64(item.columns.count)
          job.c = target
          job.result_offset = results
          job.start = true
          job.flip = flip
          job.epilogue = epilogue
          switch kind {
          case .f32: furc_contract_f32(&job, context.level)
          case .f64: furc_contract_f64(&job, context.level)
          case .i8:
            sources.initial.withColumns(item.slice, group.list, item.columns.lowerBound) { initial in
              job.`init` = initial
              furc_contract_i8(&job, context.level)
            }
            if zeros.packed != 0 { worker.subtractZero(&job, zeros) }
          }
        }
      }
    }
  }

  private func depthwise(
    _ item: Item, _ group: ContractRows.Group, _ sources: Sources, _ a: UnsafeRawPointer,
    _ target: UnsafeMutableRawPointer, _ results: UnsafePointer<Int64>,
    _ epilogue: UnsafePointer<furc_epilogue>?, _ context: RunContext
  ) {
    let list = rows.lists[group.list]
    let all = rows.lists[0]
    let panels = sources.packed.memory.base + item.slice * sources.packed.sliceBytes
    rows.offsets.withUnsafeBufferPointer { offsets in
      (kind == .i8 ? all : list).offsets.withUnsafeBufferPointer { tapOffsets in
        list.indices.withUnsafeBufferPointer { tapIndices in
          list.valid.withUnsafeBufferPointer { valid in
            sources.zeroRow.withUnsafeBufferPointer { zero in
              guard let rowOffset = offsets.baseAddress else { return }
              var job = furc_depthwise_job()
              job.a = a
              job.row_offset = rowOffset + group.rows.lowerBound
              job.rows = Int64(group.rows.count)
              job.tap_offset = tapOffsets.baseAddress
              job.tap_index = tapIndices.baseAddress
              job.tap_valid = valid.baseAddress
              job.taps = Int64(tapOffsets.count)
              job.channels = Int64(packing.columns)
              job.w = UnsafeRawPointer(panels)
              job.c = target
              job.result_offset = results
              job.zero = zero.baseAddress
              job.flip = flip
              job.epilogue = epilogue
              guard kind == .i8 else { return furc_depthwise_f32(&job, context.level) }
              sources.initial.withColumns(item.slice, 0, 0) { initial in
                job.`init` = initial
                furc_depthwise_i8(&job, context.level)
              }
            }
          }
        }
      }
    }
  }

  private var streamedStep: Int { streamedRunStep }
  fileprivate var streamedRunStep = 1

  /// `Arithmetic.splitSum` of each result.
  private func addSplits(_ words: Words, _ count: Int) {
    var width = splitCount
    while width > 1 {
      for part in 0..<(width + 1) / 2 {
        let out = words + part * count
        let a = words + 2 * part * count
        if 2 * part + 1 < width {
          let b = a + count
          for i in 0..<count {
            out[i] = Arithmetic.add(Float(bitPattern: a[i]), Float(bitPattern: b[i])).bitPattern
          }
        } else if part > 0 {
          out.update(from: a, count: count)
        }
      }
      width = (width + 1) / 2
    }
  }

  /// The post-program over the sums of an item.
  private func finish(
    _ item: Item, _ sources: Sources, _ worker: ContractWorker, _ start: [Int], _ sums: Words,
    _ context: RunContext
  ) throws(Diagnostic) {
    let width = item.columns.count
    // The rows of the item, each its columns.
    let points = rowLoops.appending(width, columnLoop)
    var starts = start
    for form in starts.indices { starts[form] += item.columns.lowerBound * columnLoop.innerStep(form) }
    let range = item.block.rows.lowerBound * width..<item.block.rows.upperBound * width
    try post.run(
      sources.memory, points, starts: starts, range, input: UnsafePointer(sums), level: context.level,
      worker.post)
  }
}

/// Memory of one thread.
private final class ContractWorker {
  let post: PostProgram.Scratch
  private var memory = AlignedMemory(0)
  private var offsets: [Int64] = []
  private var rowSums: [Int32] = []

  init(_ post: PostProgram) { self.post = PostProgram.Scratch(post) }

  func sums(_ bytes: Int) -> UnsafeMutableRawPointer {
    if memory.count < bytes { memory = AlignedMemory(bytes) }
    return memory.base
  }

  /// Valid until the next call.
  func results(_ rows: ArraySlice<Int64>, scale: Int64) -> UnsafePointer<Int64> {
    if resultMemory.count < rows.count * 8 { resultMemory = AlignedMemory(rows.count * 8) }
    let out = resultMemory.base.assumingMemoryBound(to: Int64.self)
    for (index, row) in rows.enumerated() { out[index] = row * scale }
    return UnsafePointer(out)
  }
  private var resultMemory = AlignedMemory(0)

  /// Σ (x - zx)(w - zw) = Σ (x - zx) w - zw Σ (x - zx).
  func subtractZero(_ job: inout furc_contract_job, _ zeros: (streamed: Int32, packed: Int32)) {
    rowSums = [Int32](repeating: 0, count: Int(job.rows))
    furc_contract_row_sums(&job, &rowSums)
    let all = Int32(truncatingIfNeeded: job.taps * job.run) &* zeros.streamed
    for row in rowSums.indices { rowSums[row] &-= all }
    let columns = [Int32](repeating: zeros.packed, count: Int(job.columns))
    furc_contract_subtract_outer(&job, rowSums, columns)
  }
}

/// Where sums of bytes start: the part of the zero point of the streamed operand, per slice, list of taps and
/// column.
private struct InitialSums: Sendable {
  private let values: [Int32]
  private let lists: Int
  private let columns: Int

  init(
    _ kind: ContractKind, _ packed: PackedOperand, _ packing: ContractPacking, _ rows: ContractRows,
    zero: Int32
  ) {
    columns = packing.columns
    lists = packing.isDepthwise ? 1 : rows.lists.count
    guard kind == .i8 else {
      values = []
      return
    }
    if packing.isDepthwise {
      values = packed.sums.map { 0 &- zero &* $0 }
      return
    }
    let taps = packing.tapOffsets.count
    var values = [Int32](repeating: 0, count: packing.sliceOffsets.count * lists * columns)
    packed.sums.withUnsafeBufferPointer { sums in
      values.withUnsafeMutableBufferPointer { values in
        for slice in packing.sliceOffsets.indices {
          for (number, list) in rows.lists.enumerated() {
            let out = (slice * rows.lists.count + number) * packing.columns
            for tap in list.indices {
              let from = (slice * taps + Int(tap)) * packing.columns
              for column in 0..<packing.columns { values[out + column] &-= zero &* sums[from + column] }
            }
          }
        }
      }
    }
    self.values = values
  }

  func withColumns(_ slice: Int, _ list: Int, _ column: Int, _ body: (UnsafePointer<Int32>?) -> Void) {
    values.withUnsafeBufferPointer { values in
      body(values.baseAddress.map { $0 + (slice * lists + list) * columns + column })
    }
  }
}

/// Finds layouts, offsets and tables of a contraction.
private struct ContractBuilder {
  private let kernel: Kernel
  private let layouts: [Layout]
  private let constants: [Tensor?]
  private let shape: ContractShape
  private let kind: ContractKind
  private let bytes: (streamed: ByteForm, packed: ByteForm)?
  private let context: RunContext
  /// Axes that do not have extent 1.
  private let reduction: [AxisID]
  private let split: AxisID?

  init(
    _ kernel: Kernel, _ layouts: [Layout], _ constants: [Tensor?], _ shape: ContractShape,
    _ kind: ContractKind,
    _ bytes: (streamed: ByteForm, packed: ByteForm)?, _ context: RunContext
  ) {
    self.kernel = kernel
    self.layouts = layouts
    self.constants = constants
    self.shape = shape
    self.kind = kind
    self.bytes = bytes
    self.context = context
    reduction = kernel.axes(.split) + kernel.reductionAxes.filter { kernel.axes[$0].role != .split }
    split = kernel.axes(.split).first
  }

  private func extent(_ axis: AxisID) -> Int { axis.isNone ? 1 : kernel.axes[axis].extent }

  func build() throws(Diagnostic) -> ContractPlan.Outcome {
    let axes = kernel.axes.count
    let original = kernel.operands[shape.streamed]
    var open = original.openDimensions(over: kernel.ranges)
    let inner = reduction.last { extent($0) > 1 && $0 != split }
    let isInnerOpen =
      inner.map { axis in open.contains { original.maps[$0].coefficient(of: axis) != 0 } } ?? true

    // The streamed operand: skipped, or padded by a copy where outside counts.
    var isPadded = false
    if case .fill(let bits) = original.outside, !open.isEmpty {
      isPadded = bytes.map { Int32(bitPattern: bits) != $0.streamed.zero } ?? true
    }
    if isPadded { open = [] }
    let wanted = shape.isDepthwise ? shape.column : (isInnerOpen && !isPadded ? .none : inner ?? .none)
    let streamed = try prepare(shape.streamed, innermost: wanted, isPadded: isPadded)
    let packed = try prepare(shape.packed, innermost: .none, isPadded: false)
    let a = streamed.operand.address(streamed.layout, axes: axes)
    let b = packed.operand.address(packed.layout, axes: axes)
    let checks = open.map { LinearForm(original.maps[$0], axes: axes) }
    let openExtents = open.map { original.type.shape[$0] }

    // The run and the taps.
    var run = 1
    var taps = reduction.filter { extent($0) > 1 }
    var (aStep, bStep) = (1, 0)
    if !shape.isDepthwise, !wanted.isNone, kind != .i8 || a.steps[wanted.index] == 1 {
      (aStep, bStep) = (a.steps[wanted.index], b.steps[wanted.index])
      run = extent(wanted)
      taps.removeAll { $0 == wanted }
      while let next = taps.last, next != split, a.steps[next.index] == aStep * run,
        b.steps[next.index] == bStep * run, checks.allSatisfy({ $0.steps[next.index] == 0 })
      {
        run *= extent(next)
        taps.removeLast()
      }
    }
    if shape.isDepthwise, a.steps[shape.column.index] != 1 {
      return .refused("channels are not contiguous")
    }
    let tapCount = taps.reduce(1) { $0 * extent($1) }
    guard tapCount <= 1 << 16 else { return .refused("there are \(tapCount) taps") }

    // The parallel axes.
    let parallel = kernel.axes(.parallel)
    let column = shape.column
    func isInPacked(_ axis: AxisID) -> Bool {
      kernel.operands[shape.packed].maps.contains { $0.coefficient(of: axis) != 0 }
    }
    let distance = parallel.map { axis -> Int in
      if axis == column { return 0 }
      let step = Int(a.steps[axis.index].magnitude)
      return step == 0 || extent(axis) == 1 ? Int.max : step
    }
    let order = parallel.indices.sorted { (distance[$0], $1) > (distance[$1], $0) }
    let layout = Layout(kernel.result.shape, order: order)
    let ordered = order.map { parallel[$0] }
    let sliceAxes = ordered.filter { $0 != column && isInPacked($0) && extent($0) > 1 }
    let rowAxes = ordered.filter { $0 != column && !sliceAxes.contains($0) }
    for axis in sliceAxes + [column]
    where !axis.isNone && checks.contains(where: { $0.steps[axis.index] != 0 }) {
      return .refused("bounds depend on axis '\(kernel.axes[axis].name)', which both operands have")
    }
    if shape.isDepthwise, let bytes {
      let range: ClosedRange<Int32> = bytes.streamed.isSigned ? -128...127 : 0...255
      guard range.contains(bytes.streamed.zero) else {
        return .refused("the zero point is no value of the streamed operand")
      }
    }

    // Forms: the post-program's, then the streamed address.
    var table = FormTable(kernel)
    let splitCount = split.map(extent) ?? 1
    var result = LinearForm(axes: axes)
    for (axis, stride) in zip(parallel, layout.strides) { result.steps[axis.index] = stride }
    let stored: ElementType = kind == .i8 ? .i32 : .f32
    let mayStore =
      kernel.element == stored && kind != .f64 && splitCount == 1
      && (column.isNone || extent(column) == 1 || result.steps[column.index] == 1)
    let epilogue =
      kind == .f32 && splitCount == 1
      ? ContractEpilogue(
        kernel, layouts, column: column, rows: rowAxes, result: mayStore ? result : nil, &table)
      : ContractEpilogue(leaving: kernel.post)
    var remaining = kernel
    remaining.post = epilogue.rest
    let post = try PostProgram(remaining, layouts, result: layout, &table)
    let isDirect = mayStore && epilogue.rest.isIdentity
    let streamedForm = table.add(a)
    let packedForm = table.add(b)
    let slices = Loops(sliceAxes, of: kernel, table.forms, merging: false)
    let zeroStarts = table.forms.map { _ in 0 }
    let rowLoops = Loops(rowAxes, of: kernel, table.forms, starts: zeroStarts)
    let columnLoop = Loops(column.isNone ? [] : [column], of: kernel, table.forms, starts: zeroStarts)

    // Rows and taps, with coordinates.
    let rowForms = [a, result] + checks
    let starts = [0, 0] + checks.map(\.start)
    let tapLoops = Loops(taps, of: kernel, rowForms, starts: rowForms.map { _ in 0 }, merging: false)
    let width = max(extent(column), 1)
    // Enough rows that a block's work outweighs its set-up, few enough that its sums stay in the cache and
    // that every thread has some blocks.
    let rowCount = rowAxes.reduce(1) { $0 * extent($1) }
    let share = (rowCount + 4 * context.threads - 1) / (4 * context.threads)
    let blockRows = max(
      shape.isDepthwise ? 8 : 96, min(1024, (1 << 17) / (width * kind.sumSize), max(share, 96)))
    var rows = ContractRows(
      ContractRows.Forms(
        rows: Loops(rowAxes, of: kernel, rowForms, starts: starts), taps: tapLoops, extents: openExtents,
        tapsPerSplit: tapCount / splitCount),
      blockRows: blockRows)

    // The packed operand.
    var tapOffsets: [Int64] = []
    var walker = Walker(Loops(taps, of: kernel, [b], starts: [0], merging: false))
    for _ in 0..<tapCount {
      tapOffsets.append(Int64(walker.values[0]))
      walker.advance(by: 1)
    }
    var sliceOffsets: [Int] = []
    walker = Walker(slices)
    for _ in 0..<slices.count {
      sliceOffsets.append(walker.values[packedForm])
      walker.advance(by: 1)
    }
    let zeros = bytes.map {
      (
        streamed: $0.streamed.zero + ($0.streamed.isSigned ? 128 : 0),
        packed: $0.packed.zero - ($0.packed.isSigned ? 0 : 128)
      )
    }
    // Σ (x - zx)(w - zw): each tap once more with the weight -zw, which may take two bytes.
    var extra: [Int8] = []
    if shape.isDepthwise, let zero = zeros?.packed, zero != 0 {
      guard (-254...254).contains(zero) else { return .refused("the zero point of the weights is \(zero)") }
      if let one = Int8(exactly: -zero) {
        extra = [one]
      } else {
        extra = [Int8(-zero / 2), Int8(-zero - -zero / 2)]
      }
    }
    rows.repeatTaps(1 + extra.count)
    let packing = ContractPacking(
      kind: kind, isDepthwise: shape.isDepthwise, prepared: packed, columns: width,
      columnStep: column.isNone ? 0 : b.steps[column.index], tapOffsets: tapOffsets, run: run, step: bStep,
      sliceOffsets: sliceOffsets, flip: bytes.map { $0.packed.isSigned ? 0 : 0x80 } ?? 0,
      extraWeights: extra)
    var constant: PackedOperand?
    if let tensor = constants[shape.packed] {
      constant = try packing.pack(tensor, context)
      tensor.releasePages()
    }

    var plan = ContractPlan(
      choice: choice(rows, slices.count, tapCount, run, left: isDirect ? 0 : epilogue.rest.steps.count), layout: layout, kind: kind, shape: shape,
      streamed: streamed, packing: packing, packed: constant, zeros: zeros ?? (0, 0),
      flip: bytes.map { $0.streamed.isSigned ? 0x80 : 0 } ?? 0, rows: rows, slices: slices,
      rowLoops: rowLoops, columnLoop: columnLoop, streamedForm: streamedForm, splitCount: splitCount,
      post: post, epilogue: epilogue,
      isDirect: isDirect, isLarge: kernel.macs > (kind == .i8 ? 1 << 23 : 1 << 21))
    plan.streamedRunStep = aStep
    return .plan(plan)
  }

  private func prepare(_ index: Int, innermost axis: AxisID, isPadded: Bool) throws(Diagnostic)
    -> PreparedOperand
  {
    let operand = kernel.operands[index]
    let layout = layouts[index]
    let form = bytes.map { index == shape.streamed ? $0.streamed : $0.packed }
    let element: ElementType = form?.element ?? .f32
    var converts = kind == .f64
    if let form {
      converts = form.needsCopy
    } else if kind == .f32 {
      converts = operand.type.element != .f32 || !operand.pre.isIdentity
    }
    // The dimension that the run walks along, if that is one.
    var order = layout.order
    var moves = false
    if !axis.isNone, operand.address(layout, axes: kernel.axes.count).steps[axis.index].magnitude > 1 {
      let dimensions = operand.maps.indices.filter { operand.maps[$0].coefficient(of: axis) != 0 }
      if dimensions.count == 1, layout.strides[dimensions[0]] != 1 {
        moves = true
        order = layout.placing(innermost: dimensions[0], operand.type.shape).order
      }
    }
    guard converts || moves || isPadded else {
      var plain = operand
      plain.pre = .identity
      return PreparedOperand(inPlace: plain, layout)
    }
    return try PreparedOperand(
      copying: operand, layout, of: kernel, as: kind, element, order: order, padded: isPadded)
  }

  private func choice(
    _ rows: ContractRows, _ slices: Int, _ taps: Int, _ run: Int, left: Int
  ) -> KernelChoice {
    let count = rows.offsets.count
    let size =
      shape.isDepthwise
      ? "\(count) rows of \(extent(shape.column)) channels, \(taps) taps"
      : "\(slices > 1 ? "\(slices) times " : "")\(count) rows, \(extent(shape.column)) columns, "
        + "\(taps) taps of \(run)"
    let packed = constants[shape.packed] != nil ? "constant" : "packed per run"
    return KernelChoice(
      "\(shape.isDepthwise ? "depthwise" : "contract") \(kind.name)",
      "\(size), operand \(shape.packed) \(packed), "
        + (left == 0 ? "finished in registers" : "then a program of \(left) steps"))
  }
}
