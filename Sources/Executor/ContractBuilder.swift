import CKernels
import KernelIR
import Support
import Tensors

/// Finds layouts, offsets and tables of a contraction.
struct ContractBuilder {
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
    var most = max(shape.isDepthwise ? 8 : 96, min(1024, (1 << 17) / (width * kind.sumSize), max(share, 96)))
    let rowStep = Int(Loops(rowAxes, of: kernel, rowForms, starts: starts).innerStep(0).magnitude)
    let pitch =
      shape.isDepthwise || tapCount > 1 || aStep != 1 || !checks.isEmpty
      ? nil : StagedRows.pitch(run: run, step: rowStep, size: kind.size, columns: width)
    if let pitch { most = min(most, StagedRows.most(pitch, size: kind.size)) }
    // Blocks of about the same size, in whole register tiles.
    let even = (rowCount + (rowCount + most - 1) / most - 1) / max((rowCount + most - 1) / most, 1)
    let blockRows = min(most, (even + 11) / 12 * 12)
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
      choice: choice(rows, slices.count, tapCount, run, left: isDirect ? 0 : epilogue.rest.steps.count),
      layout: layout, kind: kind, shape: shape,
      streamed: streamed, packing: packing, packed: constant, zeros: zeros ?? (0, 0),
      flip: bytes.map { $0.streamed.isSigned ? 0x80 : 0 } ?? 0, rows: rows, slices: slices,
      rowLoops: rowLoops, columnLoop: columnLoop, streamedForm: streamedForm, splitCount: splitCount,
      post: post, epilogue: epilogue,
      isDirect: isDirect, isLarge: kernel.macs > (kind == .i8 ? 1 << 23 : 1 << 21))
    plan.streamedStep = aStep
    plan.staged = pitch.map { StagedRows(pitch: $0, rows: blockRows) }
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
