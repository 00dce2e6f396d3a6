import CKernels
import KernelIR
import Support
import Tensors

/// Numbers the linear forms of a kernel: addresses and coordinates to be checked.
struct FormTable {
  let kernel: Kernel
  private(set) var forms: [LinearForm] = []

  init(_ kernel: Kernel) { self.kernel = kernel }

  mutating func add(_ form: LinearForm) -> Int {
    forms.append(form)
    return forms.count - 1
  }

  mutating func reader(_ index: Int, _ layout: Layout) throws(Diagnostic) -> Reader {
    try Reader(kernel, index, layout, &self)
  }

  /// The address of the result's element. - Parameter layout: of the result.
  mutating func result(_ layout: Layout) -> Int {
    var form = LinearForm(axes: kernel.axes.count)
    for (axis, stride) in zip(kernel.axes(.parallel), layout.strides) { form.steps[axis.index] = stride }
    return add(form)
  }
}

/// Reads an operand's elements at a block of points, after its pre-program.
struct Reader: Sendable {
  /// A coordinate that may leave its bounds.
  struct Check: Sendable {
    let form: Int
    let extent: Int
  }

  let index: Int
  let element: ElementType
  let form: Int
  let checks: [Check]
  /// What elements outside read as, in a register; nil where they are skipped.
  let fill: UInt32?
  let pre: WordProgram?
  /// Loads narrow floats, which is slow element by element.
  private let loader: BlockProgram?

  init(_ kernel: Kernel, _ index: Int, _ layout: Layout, _ forms: inout FormTable) throws(Diagnostic) {
    let operand = kernel.operands[index]
    self.index = index
    element = operand.type.element
    form = forms.add(operand.address(layout, axes: kernel.axes.count))
    var checks: [Check] = []
    for dimension in operand.openDimensions(over: kernel.ranges) {
      let coordinate = LinearForm(operand.maps[dimension], axes: kernel.axes.count)
      checks.append(Check(form: forms.add(coordinate), extent: operand.type.shape[dimension]))
    }
    self.checks = checks
    if case .fill(let bits) = operand.outside { fill = bits } else { fill = nil }
    let isNarrow = element.isFloat && element != .f32
    let encoding = isNarrow ? try ProgramEncoding(.identity, input: element, element: .f32) : nil
    if let encoding { loader = try BlockProgram(encoding) } else { loader = nil }
    pre =
      operand.pre.isIdentity
      ? nil
      : try WordProgram(
        operand.pre, input: Program.Kind(element), operands: [], tables: kernel.tables)
  }

  /// Memory of one thread.
  final class Scratch {
    let out: Words
    /// Per run the points whose element lies within the bounds.
    var inside = [Range<Int>](repeating: 0..<0, count: PointBlock.capacity)
    let program: WordProgram.Scratch?
    let none: UnsafeMutablePointer<Words?>

    init(_ reader: Reader) {
      out = .allocate(capacity: PointBlock.capacity)
      program = reader.pre?.makeScratch()
      none = .allocate(capacity: 1)
      none.initialize(to: nil)
    }

    deinit {
      out.deallocate()
      none.deallocate()
    }
  }

  /// The elements at all points of the block, in the order of the points.
  /// - Parameter offsets: what the reduction adds to each form, or nil.
  /// - Returns: memory of the scratch; whether some points are skipped: those not `inside`.
  func read(
    _ argument: UnsafeRawPointer, _ block: PointBlock, _ loops: Loops, offsets: [Int]?, level: Int32,
    _ scratch: Scratch
  ) throws(Diagnostic) -> (words: Words, hasSkips: Bool) {
    let size = element.size
    let step = loops.innerStep(form)
    var out = scratch.out
    var hasSkips = false
    for run in 0..<block.runs {
      let values = block.values + run * block.forms
      let length = block.lengths[run]
      var (low, high) = (0, length)
      for check in checks {
        let start = values[check.form] + (offsets?[check.form] ?? 0)
        Self.clip(&low, &high, start: start, step: loops.innerStep(check.form), extent: check.extent)
      }
      high = max(low, high)
      if low < high {
        let address = (values[form] + (offsets?[form] ?? 0) + low * step) * size
        if let loader, high - low >= 8 {
          let source = furc_stream(reading: argument + address, element, strides: [step])
          let target = furc_stream(out + low, .f32, strides: [1])
          try loader.run(
            extents: [high - low], 0..<high - low, sources: [source], result: target, level: level)
        } else {
          BlockMemory.load(element, argument + address, step: step, high - low, out + low)
        }
      }
      if high - low < length {
        if let fill {
          (out).update(repeating: fill, count: low)
          (out + high).update(repeating: fill, count: length - high)
        } else {
          hasSkips = true
          out.update(repeating: 0, count: low)
          (out + high).update(repeating: 0, count: length - high)
        }
      }
      scratch.inside[run] = low..<high
      out += length
    }
    guard let pre, let program = scratch.program else { return (scratch.out, hasSkips) }
    let words = try pre.run(block.count, input: scratch.out, operands: scratch.none, level: level, program)
    return (Words(mutating: words), hasSkips)
  }

  /// Narrows low ..< high to where 0 <= start + step * i < extent; an empty range stays within bounds.
  private static func clip(_ low: inout Int, _ high: inout Int, start: Int, step: Int, extent: Int) {
    guard step != 0 else {
      if start < 0 || start >= extent { high = low }
      return
    }
    // Of the first point inside and the first behind it.
    let (first, behind) =
      step > 0
      ? (ceilingDivide(-start, step), ceilingDivide(extent - start, step))
      : (ceilingDivide(start - extent + 1, -step), ceilingDivide(start + 1, -step))
    low = min(max(low, first), high)
    high = max(min(high, behind), low)
  }

  private static func ceilingDivide(_ a: Int, _ b: Int) -> Int {
    a >= 0 ? (a + b - 1) / b : -(-a / b)
  }
}
