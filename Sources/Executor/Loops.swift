import KernelIR
import Support
import Tensors

/// A number that is linear in the axes of a kernel: an address, or a coordinate that must be checked.
struct LinearForm: Sendable {
  var start: Int
  /// One per axis of the kernel.
  var steps: [Int]

  init(_ map: AffineMap, axes: Int) {
    start = map.offset
    steps = [Int](repeating: 0, count: axes)
    for term in map.terms { steps[term.axis.index] += term.coefficient }
  }

  init(start: Int = 0, axes: Int) {
    self.start = start
    steps = [Int](repeating: 0, count: axes)
  }

  mutating func add(_ other: LinearForm, times factor: Int) {
    start += other.start * factor
    for index in steps.indices { steps[index] += other.steps[index] * factor }
  }
}

extension Operand {
  /// Where the element lies, in elements from the start of the buffer.
  func address(_ layout: Layout, axes: Int) -> LinearForm {
    var form = LinearForm(axes: axes)
    for (map, stride) in zip(maps, layout.strides) { form.add(LinearForm(map, axes: axes), times: stride) }
    return form
  }

  /// The dimensions whose coordinate may leave the bounds while the axes run over these ranges.
  func openDimensions(over ranges: [Range<Int>]) -> [Int] {
    guard outside != .never else { return [] }
    return maps.indices.filter { dimension in
      guard let interval = maps[dimension].interval(over: ranges) else { return false }
      return interval.lowerBound < 0 || interval.upperBound >= type.shape[dimension]
    }
  }
}

/// Nested loops over some axes and what each form adds per step of each loop. Neighbouring loops that every
/// form sees as one are one. There is at least one loop; the last is the inner one.
struct Loops: Sendable {
  private(set) var extents: [Int] = []
  /// Of loop l and form f at l * forms + f.
  private(set) var steps: [Int] = []
  let starts: [Int]
  var forms: Int { starts.count }

  /// - Parameter axes: outermost first.
  init(_ axes: [AxisID], of kernel: Kernel, _ forms: [LinearForm], starts: [Int]? = nil, merging: Bool = true)
  {
    self.starts = starts ?? forms.map(\.start)
    for axis in axes where kernel.axes[axis].extent != 1 {
      append(kernel.axes[axis].extent, forms.map { $0.steps[axis.index] }, merging: merging)
    }
    if extents.isEmpty { append(1, forms.map { _ in 0 }, merging: false) }
  }

  private mutating func append(_ extent: Int, _ added: [Int], merging: Bool) {
    if merging, let outer = extents.last {
      let base = steps.count - added.count
      if added.indices.allSatisfy({ steps[base + $0] == added[$0] * extent }) {
        extents[extents.count - 1] = outer * extent
        steps.replaceSubrange(base..., with: added)
        return
      }
    }
    extents.append(extent)
    steps += added
  }

  /// These loops around one of another extent that steps like the inner loop of `other`.
  func appending(_ extent: Int, _ other: Loops) -> Loops {
    var loops = self
    loops.append(extent, (0..<forms).map { other.innerStep($0) }, merging: false)
    return loops
  }

  var inner: Int { extents[extents.count - 1] }
  var count: Int { extents.reduce(1, *) }

  func innerStep(_ form: Int) -> Int { steps[(extents.count - 1) * forms + form] }
}

/// A position within loops and the values of the forms there.
struct Walker {
  private let loops: Loops
  private var index: [Int]
  private(set) var values: [Int]

  /// - Parameter starts: the forms at the first point, if not those of the loops.
  init(_ loops: Loops, starts: [Int]? = nil, at point: Int = 0) {
    self.loops = loops
    index = [Int](repeating: 0, count: loops.extents.count)
    values = starts ?? loops.starts
    var rest = point
    for loop in index.indices.reversed() where loops.extents[loop] > 0 {
      index[loop] = rest % loops.extents[loop]
      rest /= loops.extents[loop]
      for form in values.indices { values[form] += index[loop] * loops.steps[loop * values.count + form] }
    }
  }

  /// Points up to the end of the inner loop.
  var left: Int { loops.inner - index[index.count - 1] }

  /// - Precondition: `count` is at most `left`.
  mutating func advance(by count: Int) {
    let forms = values.count
    var loop = index.count - 1
    index[loop] += count
    for form in 0..<forms { values[form] += count * loops.steps[loop * forms + form] }
    while loop > 0, index[loop] == loops.extents[loop] {
      for form in 0..<forms {
        values[form] +=
          loops.steps[(loop - 1) * forms + form] - index[loop] * loops.steps[loop * forms + form]
      }
      index[loop] = 0
      loop -= 1
      index[loop] += 1
    }
  }
}

/// Consecutive points of loops as runs along the inner loop, with the forms at the start of each run.
final class PointBlock {
  static let capacity = 1024

  let forms: Int
  private(set) var count = 0
  private(set) var runs = 0
  let lengths = UnsafeMutablePointer<Int>.allocate(capacity: capacity)
  /// Of run r and form f at r * forms + f.
  let values: UnsafeMutablePointer<Int>

  init(forms: Int) {
    self.forms = forms
    values = .allocate(capacity: Self.capacity * max(forms, 1))
  }

  deinit {
    lengths.deallocate()
    values.deallocate()
  }

  func clear() {
    count = 0
    runs = 0
  }

  /// Adds a run. - Precondition: it fits.
  func append(_ length: Int, _ added: [Int]) {
    lengths[runs] = length
    for form in 0..<forms { values[runs * forms + form] = added[form] }
    runs += 1
    count += length
  }

  /// Takes up to `limit` points from a walker.
  func fill(from walker: inout Walker, limit: Int) {
    clear()
    let wanted = min(limit, Self.capacity)
    while count < wanted {
      let length = min(walker.left, wanted - count)
      append(length, walker.values)
      walker.advance(by: length)
    }
  }
}
