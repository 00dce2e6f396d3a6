import KernelIR
import Support
import Tensors

/// gather: elements of operand 0 whose coordinate in one dimension comes from operand 1.
struct GatherPlan: KernelPlan {
  let choice: KernelChoice
  let layout: Layout
  private let loops: Loops
  private let source: Int
  private let target: Int
  private let indices: Reader
  private let rows: Int
  private let rowStep: Int
  private let size: Int

  init(_ kernel: Kernel, _ dimension: Int, _ layouts: [Layout]) throws(Diagnostic) {
    let parallel = kernel.axes(.parallel)
    let address = kernel.operands[0].address(layouts[0], axes: kernel.axes.count)
    // Like operand 0, with the axes of the indices in the place of its dimension.
    let distance = parallel.map { axis in
      let step = Int(address.steps[axis.index].magnitude)
      return step == 0 ? layouts[0].strides[dimension] : step
    }
    let order = parallel.indices.sorted { (distance[$0], $1) > (distance[$1], $0) }
    layout = Layout(kernel.result.shape, order: order)
    var forms = FormTable(kernel)
    source = forms.add(kernel.operands[0].address(layouts[0], axes: kernel.axes.count))
    indices = try forms.reader(1, layouts[1])
    target = forms.result(layout)
    loops = Loops(kernel.ordered(by: layout), of: kernel, forms.forms)
    rows = kernel.operands[0].type.shape[dimension]
    rowStep = layouts[0].strides[dimension]
    size = kernel.element.size
    choice = KernelChoice("gather", "of \(rows) rows, runs of \(loops.inner)")
  }

  func run(
    _ arguments: [UnsafeRawPointer], _ result: UnsafeMutableRawPointer, _ context: RunContext
  ) throws(Diagnostic) {
    let memory = SharedMemory(arguments: arguments, result: result)
    try context.forPieces(of: loops.count, grain: 1 << 15) { (points) throws(Diagnostic) in
      let block = PointBlock(forms: loops.forms)
      let scratch = Reader.Scratch(indices)
      let sharesIndex = loops.innerStep(indices.form) == 0
      var walker = Walker(loops, at: points.lowerBound)
      var left = points.count
      while left > 0 {
        block.fill(from: &walker, limit: left)
        left -= block.count
        var words = try indices.read(memory.arguments[1], block, loops, offsets: nil, level: 0, scratch).words
        for run in 0..<block.runs {
          let values = block.values + run * block.forms
          let length = block.lengths[run]
          let piece = sharesIndex ? length : 1
          for first in stride(from: 0, to: length, by: piece) {
            let row = try rowIndex(Int32(bitPattern: words[first]), below: rows)
            let plane = CopyPlane(
              rows: 1, columns: piece, sourceRow: 0, sourceColumn: loops.innerStep(source), targetRow: 0,
              targetColumn: loops.innerStep(target))
            plane.copy(
              memory.arguments[0]
                + (values[source] + first * loops.innerStep(source) + row * rowStep) * size,
              memory.result + (values[target] + first * loops.innerStep(target)) * size, size)
          }
          words += length
        }
      }
    }
  }
}

/// An index that counts from the end if it is negative. - Throws: `indexOutOfRange`.
private func rowIndex(_ value: Int32, below extent: Int) throws(Diagnostic) -> Int {
  let row = value < 0 ? Int(value) + extent : Int(value)
  guard (0..<extent).contains(row) else {
    throw Diagnostic(.indexOutOfRange, "index \(value) is not within -\(extent)…\(extent - 1)")
  }
  return row
}

/// scatter: a copy of operand 0, then the updates in their order.
struct ScatterPlan: KernelPlan {
  let choice: KernelChoice
  let layout: Layout
  private let copy: MovePlan
  private let loops: Loops
  private let target: Int
  private let indices: Reader
  private let updates: Int
  private let rows: Int
  private let rowStep: Int
  private let size: Int

  init(_ kernel: Kernel, _ dimension: Int, _ layouts: [Layout]) throws(Diagnostic) {
    var base = Kernel(.move, kernel.element)
    let parallel = kernel.axes(.parallel)
    // Operand 0 is mapped by parallel axes alone; they are renumbered.
    var renumbered = SideTable<AxisID, AxisID>(default: .none)
    for axis in parallel { renumbered[axis] = base.axis(kernel.axes[axis].name, kernel.axes[axis].extent) }
    var operand = kernel.operands[0]
    operand.maps = operand.maps.map { map in map.substituting { .axis(renumbered[$0]) } }
    operand.box = base.ranges
    base.operands = [operand]
    copy = try MovePlan(base, [layouts[0]])
    layout = copy.layout

    var forms = FormTable(kernel)
    indices = try forms.reader(1, layouts[1])
    updates = forms.add(kernel.operands[2].address(layouts[2], axes: kernel.axes.count))
    target = forms.result(layout)
    let others = kernel.ordered(by: layout).filter { $0 != parallel[dimension] }
    loops = Loops(kernel.reductionAxes + others, of: kernel, forms.forms)
    rows = kernel.axes[parallel[dimension]].extent
    rowStep = layout.strides[dimension]
    size = kernel.element.size
    choice = KernelChoice("scatter", "\(loops.count) updates of \(rows) rows")
  }

  func run(
    _ arguments: [UnsafeRawPointer], _ result: UnsafeMutableRawPointer, _ context: RunContext
  ) throws(Diagnostic) {
    try copy.run([arguments[0]], result, context)
    // One thread: updates may hit the same row, and the last one counts.
    let block = PointBlock(forms: loops.forms)
    let scratch = Reader.Scratch(indices)
    var walker = Walker(loops)
    var left = loops.count
    while left > 0 {
      block.fill(from: &walker, limit: left)
      left -= block.count
      var words = try indices.read(arguments[1], block, loops, offsets: nil, level: 0, scratch).words
      for run in 0..<block.runs {
        let values = block.values + run * block.forms
        let length = block.lengths[run]
        let piece = loops.innerStep(indices.form) == 0 ? length : 1
        for first in stride(from: 0, to: length, by: piece) {
          let row = try rowIndex(Int32(bitPattern: words[first]), below: rows)
          let plane = CopyPlane(
            rows: 1, columns: piece, sourceRow: 0, sourceColumn: loops.innerStep(updates), targetRow: 0,
            targetColumn: loops.innerStep(target))
          plane.copy(
            arguments[2] + (values[updates] + first * loops.innerStep(updates)) * size,
            result + (values[target] + first * loops.innerStep(target) + row * rowStep) * size, size)
        }
        words += length
      }
    }
  }
}
