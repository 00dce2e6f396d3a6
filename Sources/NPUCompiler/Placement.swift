import NPUISA
import Tensors

/// Where the elements of a tensor lie: in DRAM, or in the SRAM of slices, every dimension cut into blocks of
/// which each lies in other slices. Offsets within a slice are the same in all of them.
struct Placement: Hashable {
  /// One dimension of the tensor. Block b holds the coordinates `origin + b · step ..< … + span`, those outside
  /// the extent not stored; it lies `b · sliceStride` slices after block 0.
  struct Dimension: Hashable {
    var extent: Int
    var origin = 0
    var step: Int
    var span: Int
    var blocks = 1
    var sliceStride = 0
    /// Bytes from coordinate to coordinate within a block.
    var stride: Int
    /// Coordinates of a block that are defined: more than `span` where padding behind it was written.
    var defined: Int
    /// Coordinates before and behind a block for which there is room: what neighbours hold may be copied there.
    var roomBefore = 0
    var roomBehind = 0

    init(extent: Int, stride: Int) {
      self.extent = extent
      step = extent
      span = extent
      self.stride = stride
      defined = extent
    }

    /// Whether a block has room for more than one coordinate.
    var isSpread: Bool { span + roomBefore + roomBehind > 1 }

    /// Whether blocks hold coordinates that are none of the tensor.
    var isUneven: Bool { blocks > 1 && (origin < 0 || (blocks - 1) * step + origin + span > extent) }

    /// Whether every coordinate of the tensor is in some block.
    var isCovered: Bool {
      blocks > 1
        ? origin <= 0 && origin + span >= step && blocks * step >= extent : origin == 0 && span == extent
    }

    /// Neighbours on one side that a block may be brought coordinates of.
    static let farthest = 3

    /// Coordinates on one side that may be brought from the neighbours.
    var reach: Int { step * min(Self.farthest, blocks - 1) }

    /// Takes in the whole row where that is short: a DMA engine takes as long for a part of it.
    mutating func widen(_ source: Dimension, unit: Int) {
      guard blocks == 1, source.blocks == 1, span < extent, extent * unit <= 64, extent <= 4 * span,
        source.origin == 0, source.span == extent
      else { return }
      origin = 0
      span = extent
      step = extent
      defined = extent
    }

    /// Leaves room for what a block shares with its neighbours, to be copied from them.
    mutating func setRoom() {
      guard blocks > 1, span > step, origin <= 0, -origin <= reach, origin + span - step <= reach,
        origin + span >= step, blocks * step >= extent
      else { return }
      roomBefore = -origin
      roomBehind = origin + span - step
      origin = 0
      span = step
      defined = step
    }
  }

  var memory: DMAInstruction.Memory
  /// Bytes: in DRAM the address, in SRAM the offset in each slice.
  var base: Int
  var dimensions: [Dimension]
  let element: ElementType
  /// Whether blocks are defined also where they reach beyond the extent.
  var isWhole = true
  /// Every slice of the first so many has the blocks of its digits, also where a dimension does not tell slices apart;
  /// 0 where only the slices of the blocks themselves are known to.
  var repeats = 0

  /// Row-major in DRAM.
  init(dram base: Int, _ type: TensorType) {
    memory = .dram
    self.base = base
    element = type.element
    dimensions = zip(type.shape, type.strides).map { Dimension(extent: $0, stride: $1 * type.element.size) }
  }

  init(sram base: Int, _ dimensions: [Dimension], _ element: ElementType) {
    memory = .sram
    self.base = base
    self.dimensions = dimensions
    self.element = element
  }

  /// What a coordinate in block `block` of a dimension adds to the flat address.
  func address(_ coordinate: Int, of dimension: Dimension, block: Int, _ window: Int) -> Int {
    let apart = memory == .sram ? dimension.sliceStride * window : dimension.step * dimension.stride
    return block * apart + (coordinate - dimension.origin - block * dimension.step) * dimension.stride
  }

  /// The slices that hold it, counted from slice 0.
  var sliceCount: Int { 1 + dimensions.reduce(0) { $0 + ($1.blocks - 1) * $1.sliceStride } }
}

extension Placement {
  /// Dense strides for the spans of `dimensions`, the last of `order` innermost; `unit` bytes per element, and the
  /// innermost dimension rounded up to a multiple of `rounding` elements.
  /// - Returns: the bytes that a slice needs.
  static func pack(_ dimensions: inout [Dimension], order: [Int], unit: Int, rounding: Int = 1) -> Int {
    var stride = unit
    for (position, index) in order.reversed().enumerated() {
      dimensions[index].stride = stride
      let span = dimensions[index].span + dimensions[index].roomBefore + dimensions[index].roomBehind
      stride *= position == 0 ? (span + rounding - 1) / rounding * rounding : span
    }
    return stride
  }
}
