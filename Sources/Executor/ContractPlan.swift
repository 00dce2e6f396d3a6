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

  init(
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
    var a = sources.streamed + start[streamedForm] * kind.size
    if let staged, let first = rows.groups[item.block.groups].first {
      let offsets = rows.offsets[first.rows.lowerBound..<first.rows.lowerBound + item.block.rows.count]
      a = worker.stage(staged, a, offsets, bytes: packing.run * kind.size, size: kind.size)
    }
    epilogue.withRecord(sources.memory.arguments, start, column: item.columns.lowerBound) { epilogue in
      for group in rows.groups[item.block.groups] {
        withResults(group, width, worker) { results in
          if shape.isDepthwise {
            depthwise(item, group, sources, a, target, results, epilogue, context)
          } else {
            for split in 0..<splitCount {
              multiply(
                item, group, sources, a, target + split * count * kind.sumSize, results, epilogue,
                split: split,
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
    let firstRow = staged == nil ? group.rows.lowerBound : 0
    (staged?.offsets ?? rows.offsets).withUnsafeBufferPointer { offsets in
      list.offsets.withUnsafeBufferPointer { tapOffsets in
        list.indices.withUnsafeBufferPointer { tapIndices in
          guard let rowOffset = offsets.baseAddress else { return }
          var job = furc_contract_job()
          job.a = a
          job.row_offset = rowOffset + firstRow
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

  var streamedStep = 1
  /// Rows that are copied first, all of a block in one group.
  var staged: StagedRows?

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
