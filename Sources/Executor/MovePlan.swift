import KernelIR
import Support
import Tensors

/// move: one source after the other, each over its box.
struct MovePlan: KernelPlan {
  private struct Source: Sendable {
    let loops: Loops
    let target: Int
    let reader: Reader
    let index: Int
  }

  let choice: KernelChoice
  let layout: Layout
  private let sources: [Source]
  private let size: Int
  private let element: ElementType

  init(_ kernel: Kernel, _ layouts: [Layout], result: Layout? = nil) throws(Diagnostic) {
    let counts = kernel.operands.map { $0.box.reduce(1) { $0 * $1.count } }
    var layout = result ?? .rowMajor(kernel.result.shape)
    if result == nil, let largest = counts.indices.max(by: { counts[$0] < counts[$1] }) {
      layout = kernel.layout(following: kernel.operands[largest], layouts[largest])
    }
    var sources: [Source] = []
    for (index, operand) in kernel.operands.enumerated() where counts[index] > 0 {
      // The box as a kernel of its own, whose axes start at 0.
      var part = Kernel(.move, kernel.element)
      let shift = zip(kernel.axes(.parallel), operand.box).map { axis, range in
        AffineMap.axis(part.axis(kernel.axes[axis].name, range.count)) + AffineMap(range.lowerBound)
      }
      var moved = operand
      moved.maps = operand.maps.map { map in map.substituting { shift[$0.index] } }
      part.operands = [moved]
      var forms = FormTable(part)
      let reader = try forms.reader(0, layouts[index])
      var address = LinearForm(axes: part.axes.count)
      for (map, stride) in zip(shift, layout.strides) {
        address.add(LinearForm(map, axes: part.axes.count), times: stride)
      }
      let target = forms.add(address)
      let loops = Loops(part.ordered(by: layout), of: part, forms.forms)
      sources.append(Source(loops: loops, target: target, reader: reader, index: index))
    }
    self.sources = sources
    self.layout = layout
    element = kernel.element
    size = kernel.element.size
    let inner = sources.map(\.loops.inner).max() ?? 0
    choice = KernelChoice("move", "\(sources.count) sources, runs of up to \(inner)")
  }

  func run(
    _ arguments: [UnsafeRawPointer], _ result: UnsafeMutableRawPointer, _ context: RunContext
  ) throws(Diagnostic) {
    let memory = SharedMemory(arguments: arguments, result: result)
    for source in sources {
      let loops = source.loops
      if source.reader.checks.isEmpty {
        // Planes of the two inner loops.
        let inner = loops.inner
        let middle = loops.extents.count > 1 ? loops.extents[loops.extents.count - 2] : 1
        let planes = loops.count / (inner * middle)
        let rowsPerPiece = max(1, (1 << 15) / inner)
        let pieces = (middle + rowsPerPiece - 1) / rowsPerPiece
        try context.forPieces(of: planes * pieces, grain: max(1, (1 << 15) / (inner * middle))) {
          (range) throws(Diagnostic) in
          for item in range {
            let first = item % pieces * rowsPerPiece
            let walker = Walker(loops, at: (item / pieces * middle + first) * inner)
            copyPlane(source, walker.values, min(rowsPerPiece, middle - first), memory)
          }
        }
      } else {
        try context.forPieces(of: loops.count, grain: 1 << 15) { (points) throws(Diagnostic) in
          try copyChecked(source, points, memory)
        }
      }
    }
  }

  /// `rows` steps of the middle loop.
  private func copyPlane(_ source: Source, _ values: [Int], _ rows: Int, _ memory: SharedMemory) {
    let loops = source.loops
    let last = loops.extents.count - 1
    let middle = max(last - 1, 0) * loops.forms
    let plane = CopyPlane(
      rows: rows, columns: loops.inner,
      sourceRow: last > 0 ? loops.steps[middle + source.reader.form] : 0,
      sourceColumn: loops.innerStep(source.reader.form),
      targetRow: last > 0 ? loops.steps[middle + source.target] : 0,
      targetColumn: loops.innerStep(source.target))
    plane.copy(
      memory.arguments[source.index] + values[source.reader.form] * size,
      memory.result + values[source.target] * size, size)
  }

  private func copyChecked(_ source: Source, _ points: Range<Int>, _ memory: SharedMemory) throws(Diagnostic)
  {
    let loops = source.loops
    let block = PointBlock(forms: loops.forms)
    let scratch = Reader.Scratch(source.reader)
    let step = loops.innerStep(source.reader.form)
    let targetStep = loops.innerStep(source.target)
    var walker = Walker(loops, at: points.lowerBound)
    var left = points.count
    while left > 0 {
      block.fill(from: &walker, limit: left)
      left -= block.count
      // Reading finds which points lie inside; those are copied as bytes, so that every NaN survives.
      var words = UnsafePointer(
        try source.reader.read(memory.arguments[source.index], block, loops, offsets: nil, level: 0, scratch)
          .words)
      for run in 0..<block.runs {
        let values = block.values + run * block.forms
        let length = block.lengths[run]
        let target = memory.result + values[source.target] * size
        BlockMemory.store(element, words, target, step: targetStep, length)
        words += length
        let valid = scratch.inside[run]
        let plane = CopyPlane(
          rows: 1, columns: valid.count, sourceRow: 0, sourceColumn: step, targetRow: 0,
          targetColumn: targetStep)
        plane.copy(
          memory.arguments[source.index] + (values[source.reader.form] + valid.lowerBound * step) * size,
          target + valid.lowerBound * targetStep * size, size)
      }
    }
  }
}

/// A copy of rows x columns elements; steps are in elements.
struct CopyPlane {
  let rows: Int
  let columns: Int
  let sourceRow: Int
  let sourceColumn: Int
  let targetRow: Int
  let targetColumn: Int

  func copy(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ size: Int) {
    switch size {
    case 1: copy(source, target, UInt8.self)
    case 2: copy(source, target, UInt16.self)
    default: copy(source, target, UInt32.self)
    }
  }

  private func copy<Stored: BitwiseCopyable>(
    _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _: Stored.Type
  ) {
    let source = source.assumingMemoryBound(to: Stored.self)
    let target = target.assumingMemoryBound(to: Stored.self)
    if sourceColumn == 1, targetColumn == 1 {
      for row in 0..<rows {
        (target + row * targetRow).update(from: source + row * sourceRow, count: columns)
      }
      return
    }
    // Squares that stay in the cache, whichever side is contiguous.
    let side = 32
    for firstRow in stride(from: 0, to: rows, by: side) {
      let lastRow = min(firstRow + side, rows)
      for firstColumn in stride(from: 0, to: columns, by: side) {
        let lastColumn = min(firstColumn + side, columns)
        for column in firstColumn..<lastColumn {
          let from = source + column * sourceColumn
          let to = target + column * targetColumn
          for row in firstRow..<lastRow { to[row &* targetRow] = from[row &* sourceRow] }
        }
      }
    }
  }
}
