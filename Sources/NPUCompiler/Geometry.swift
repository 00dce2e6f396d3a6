import KernelIR
import NPUISA
import Support
import Tensors

/// How a kernel's points are spread: over slices by blocks of parallel axes, over time by ranges.
struct Geometry {
  /// Block b of an axis, its indices `b · block ..< (b + 1) · block`, lies in the slices s with
  /// s / sliceStride % count = b. The last blocks may reach beyond the extent, or lie beyond it.
  struct Part: Equatable {
    var count: Int
    var block: Int
    var sliceStride: Int
  }

  /// A digit of the slice number: s / sliceStride % count.
  struct Digit: Hashable {
    var count: Int
    var sliceStride: Int
  }

  /// A contraction whose channels are cut over a digit: every slice has its block of the summed axis.
  struct Sharing: Equatable {
    enum Mode {
      /// A slice multiplies its own block; the reducer adds over the digit and deals the columns out.
      case reduce
      /// The switch brings a slice the blocks of all; it multiplies them for its own columns.
      case gather
    }

    var mode: Mode
    var sum: AxisID
    var column: AxisID
    var count: Int
    var sliceStride: Int
    var digit: Digit { Digit(count: count, sliceStride: sliceStride) }
    /// reduce only: a digit beside that of the channels, whose slices have the same channels and multiply them for columns of
    /// their own.
    var columns = Digit(count: 1, sliceStride: 1)
    /// reduce only: parts in which sums are dealt out over the digit; with 1 every slice gets all.
    var parts = 1
    /// Whether neighbours of the digit get the parts in turn; else several the same. So it is where `columns` is the faster
    /// digit, so that what leaves is cut over one digit.
    var alternates = false
    /// Indices of a block. Blocks may reach beyond the extents: the constant is zero there.
    var sumBlock: Int
    var columnBlock: Int
  }

  let kernel: Kernel
  /// The axes that are cut over slices.
  private(set) var parts: [AxisID: Part] = [:]
  /// Slices in use; slice s computes block (s / sliceStride) % count of each part.
  private(set) var sliceCount = 1
  /// Digits of the slice number along which slices do the same.
  private(set) var repeated: [Digit] = []
  /// How a contraction's channels are cut, if they are; `parts` does not have them.
  private(set) var sharing: Sharing?
  /// Per axis the indices that are worked on, counted from the start of the slice's block.
  private(set) var ranges: EntityMap<AxisID, Range<Int>>

  init(_ kernel: Kernel) {
    self.kernel = kernel
    ranges = EntityMap()
    for axis in kernel.axes.ids { ranges.append(0..<kernel.axes[axis].extent) }
  }

  /// The blocks of another kernel's axes, of which this one has the same and perhaps more; one of them in steps.
  /// - Precondition: `step` divides the range of `axis`, and what cuts it.
  init(_ other: Geometry, of kernel: Kernel, coarse axis: AxisID, by step: Int) {
    self.init(kernel)
    (parts, sliceCount, repeated) = (other.parts, other.sliceCount, other.repeated)
    for id in other.ranges.ids where other.kernel.axes[id].extent == kernel.axes[id].extent {
      ranges[id] = other.ranges[id]
    }
    ranges[axis] = 0..<(other.ranges[axis].count / step)
    parts[axis]?.block /= step
  }

  /// - Precondition: `count` divides the extent of the parallel axis.
  mutating func slice(_ axis: AxisID, count: Int) {
    let block = kernel.axes[axis].extent / count
    parts[axis] = Part(count: count, block: block, sliceStride: sliceCount)
    sliceCount *= count
    ranges[axis] = 0..<block
  }

  /// Cuts a parallel axis into `count` blocks of `block` indices, `stride` slices apart.
  /// - Precondition: the blocks reach the extent.
  mutating func slice(_ axis: AxisID, count: Int, block: Int, stride: Int) {
    parts[axis] = Part(count: count, block: block, sliceStride: stride)
    sliceCount = max(sliceCount, count * stride)
    ranges[axis] = 0..<block
  }

  /// Makes one block of every `count` neighbours of a cut axis. - Precondition: `count` divides the number of blocks.
  mutating func merge(_ axis: AxisID, _ count: Int) {
    guard let part = parts[axis] else { return }
    ranges[axis] = 0..<(part.count == count ? kernel.axes[axis].extent : part.block * count)
    parts[axis] =
      part.count == count
      ? nil
      : Part(count: part.count / count, block: part.block * count, sliceStride: part.sliceStride * count)
  }

  /// Lets slices do the same along the digits that nothing cuts yet, up to `slices` of them; false where digits leave gaps
  /// that are none.
  mutating func repeatWork(upTo slices: Int) -> Bool {
    var digits = parts.values.map { Digit(count: $0.count, sliceStride: $0.sliceStride) }
    if let sharing { digits.append(sharing.units) }
    digits.append(Digit(count: 1, sliceStride: slices))
    var stride = 1
    for digit in digits.sorted(by: { ($0.sliceStride, $0.count) < ($1.sliceStride, $1.count) }) {
      guard digit.sliceStride % stride == 0 else { return false }
      if digit.sliceStride > stride {
        repeated.append(Digit(count: digit.sliceStride / stride, sliceStride: stride))
      }
      stride = digit.sliceStride * digit.count
    }
    guard stride == slices else { return false }
    sliceCount = slices
    return true
  }

  mutating func share(_ sharing: Sharing) {
    self.sharing = sharing
    sliceCount = max(sliceCount, sharing.units.count * sharing.units.sliceStride)
  }

  /// What a contraction streams or leaves, with the channels cut as the sharing says.
  func streaming() -> Geometry { cutting(column: false) }
  func leaving() -> Geometry { cutting(column: true) }

  private func cutting(column: Bool) -> Geometry {
    guard let sharing else { return self }
    var result = self
    result.sharing = nil
    let digit = column ? sharing.leaving : sharing.digit
    if let same = column ? sharing.same : sharing.columns.isDigit { result.repeated.append(same) }
    if digit.count > 1 || !column {
      result.slice(
        column ? sharing.column : sharing.sum, count: digit.count,
        block: column ? sharing.columnBlock : sharing.sumBlock, stride: digit.sliceStride)
    }
    result.sliceCount = sliceCount
    return result
  }

  mutating func restrict(_ axis: AxisID, to range: Range<Int>) { ranges[axis] = range }

  /// The coordinate of block 0 at the first index of every range.
  func origin(_ map: AffineMap) -> Int {
    map.terms.reduce(map.offset) { $0 + $1.coefficient * ranges[$1.axis].lowerBound }
  }

  /// What the slices need of an operand: its dimensions as a tile, dense strides not yet set.
  /// nil if a dimension moves with two cut axes, or a cut axis with two dimensions.
  func need(of operand: Operand) -> [Placement.Dimension]? {
    var used: Set<AxisID> = []
    var dimensions: [Placement.Dimension] = []
    for (map, extent) in zip(operand.maps, operand.type.shape) {
      var dimension = Placement.Dimension(extent: extent, stride: 0)
      guard let reached = map.interval(over: ranges.ids.map { ranges[$0] }) else { return nil }
      let (low, high) = (reached.lowerBound, reached.upperBound)
      var cuts = 0
      for term in map.terms {
        guard let part = parts[term.axis] else { continue }
        cuts += 1
        dimension.blocks = part.count
        dimension.sliceStride = part.sliceStride
        dimension.step = term.coefficient * part.block
        guard used.insert(term.axis).inserted else { return nil }
      }
      guard cuts <= 1, dimension.blocks == 1 || dimension.step > 0 else { return nil }
      dimension.origin = low
      dimension.span = high - low + 1
      if dimension.blocks == 1 {
        // Outside the tensor nothing is stored.
        let end = min(high + 1, extent)
        dimension.origin = min(max(low, 0), max(extent - 1, 0))
        dimension.span = max(end - dimension.origin, 1)
        dimension.step = dimension.span
      }
      dimension.defined = dimension.span
      dimensions.append(dimension)
    }
    return dimensions
  }

  /// The digits of the slice number that an operand does not move with: its tile is the same along them.
  func copies(of operand: Operand) -> [Digit] {
    parts.keys.sorted().filter { axis in operand.maps.allSatisfy { $0.coefficient(of: axis) == 0 } }
      .compactMap { parts[$0] }.map { Digit(count: $0.count, sliceStride: $0.sliceStride) } + repeated
  }

  /// The digits that tell blocks of summed axes apart, as one: the reducer adds over it. nil where there is none, or where
  /// they are not neighbours.
  var reducing: Digit? {
    let cut = parts.filter { kernel.axes[$0.key].role != .parallel }.values
      .sorted { ($0.sliceStride, $0.count) < ($1.sliceStride, $1.count) }
    return Digit(joining: cut.map { Digit(count: $0.count, sliceStride: $0.sliceStride) })
  }

  /// Whether some point of the kernel, or of a block beyond an axis' end, leaves the extent along this dimension.
  func leavesBounds(_ map: AffineMap, extent: Int) -> Bool {
    let ranges: [Range<Int>] = kernel.axes.ids.map { axis in
      parts[axis].map { 0..<max($0.count * $0.block, kernel.axes[axis].extent) }
        ?? 0..<kernel.axes[axis].extent
    }
    guard let reached = map.interval(over: ranges) else { return false }
    return reached.lowerBound < 0 || reached.upperBound >= extent
  }

  /// Whether slices do the same.
  func isCutLike(_ other: Geometry) -> Bool {
    parts == other.parts && sharing == other.sharing && repeated == other.repeated
  }

  /// Whether results lie alike.
  func liesLike(_ other: Geometry) -> Bool {
    let (left, right) = (leaving(), other.leaving())
    return left.parts == right.parts && left.repeated == right.repeated
  }

  /// Whether what leaves lies in blocks of the same slices.
  func leavesLike(_ other: Geometry) -> Bool { leaving().parts == other.leaving().parts }

  /// Whether blocks reach beyond the end of an axis.
  var isUneven: Bool { parts.contains { $0.value.count * $0.value.block > kernel.axes[$0.key].extent } }
}

extension Geometry.Digit {
  /// Digits as one, the fastest first; nil where there is none, or where they are not neighbours.
  init?(joining digits: [Self]) {
    guard let first = digits.first else { return nil }
    self = first
    for next in digits.dropFirst() {
      guard next.sliceStride == sliceStride * count else { return nil }
      count *= next.count
    }
  }

  /// nil where it is none: of one slice.
  var isDigit: Self? { count > 1 ? self : nil }
}

extension Geometry.Sharing {
  /// The digit along which slices have blocks of the constant of their own.
  var units: Geometry.Digit {
    Geometry.Digit(
      count: count * columns.count,
      sliceStride: columns.count > 1 ? min(sliceStride, columns.sliceStride) : sliceStride)
  }

  /// Blocks of channels and of columns that a slice of `units` multiplies.
  func blocks(of unit: Int) -> (channels: Int, columns: Int) {
    columns.sliceStride < sliceStride && columns.count > 1
      ? (unit / columns.count, unit % columns.count) : (unit % count, unit / count)
  }

  /// The digit that cuts the columns which leave.
  var leaving: Geometry.Digit {
    guard mode == .reduce else { return digit }
    let isBelow = alternates && columns.count > 1
    return Geometry.Digit(
      count: parts * columns.count,
      sliceStride: isBelow ? columns.sliceStride : alternates ? sliceStride : sliceStride * count / parts)
  }

  /// The digit along which the same leaves.
  var same: Geometry.Digit? {
    guard mode == .reduce else { return nil }
    return Geometry.Digit(count: count / parts, sliceStride: alternates ? sliceStride * parts : sliceStride)
      .isDigit
  }

  /// Which block of what leaves is part `part` of block `block` of the columns.
  func leavingBlock(part: Int, of block: Int) -> Int {
    alternates ? part * columns.count + block : block * parts + part
  }

  /// How the sums are added and dealt out, but for the loop.
  var reducer: TensorInstruction.Reducer {
    var reducer = TensorInstruction.Reducer(summing: digit)
    guard parts > 1 else { return reducer }
    reducer.output = .scatter
    reducer.repeats = UInt16(count / parts)
    reducer.alternates = alternates && parts < count
    return reducer
  }
}

extension TensorInstruction.Reducer {
  /// Sums over a digit of the slice number.
  init(summing digit: Geometry.Digit) {
    self.init()
    kind = .sum
    size = UInt16(digit.count)
    stride = UInt16(digit.sliceStride)
  }
}

/// An operand as the tensor unit finds it: a placement in SRAM and the operand's maps.
struct Tile {
  let placement: Placement
  let operand: Operand
  /// The coordinate that every dimension has at the first index of the ranges, in block 0.
  let origin: [Int]
  /// The byte range in every slice, for hazards.
  let bytes: Range<Int>

  /// The address of the first point.
  var base: Int {
    zip(placement.dimensions, origin).reduce(placement.base) { $0 + ($1.1 - $1.0.origin) * $1.0.stride }
  }

  /// Bytes from index to index of an axis.
  func stride(_ axis: AxisID) -> Int {
    zip(placement.dimensions, operand.maps).reduce(0) { $0 + $1.0.stride * $1.1.coefficient(of: axis) }
  }

  func depends(on axis: AxisID) -> Bool { operand.maps.contains { $0.coefficient(of: axis) != 0 } }
}

extension Operand {
  /// The only dimension that moves with `axis`, if it does so one to one.
  func dimension(of axis: AxisID) -> Int? {
    let moving = maps.indices.filter { maps[$0].coefficient(of: axis) != 0 }
    guard moving.count == 1, let index = moving.first, maps[index].coefficient(of: axis) == 1 else {
      return nil
    }
    return index
  }

  func depends(on axis: AxisID) -> Bool { maps.contains { $0.coefficient(of: axis) != 0 } }
}
