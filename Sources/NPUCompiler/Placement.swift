import NPUISA
import Tensors

/// Where the elements of a tensor lie: in DRAM, or in the SRAM of slices, every dimension cut into blocks of
/// which each lies in other slices. Offsets within a slice are the same in all of them.
struct Placement: Equatable {
  /// One dimension of the tensor. Block b holds the coordinates `origin + b · step ..< … + span`, those outside
  /// the extent not stored; it lies `b · sliceStride` slices after block 0.
  struct Dimension: Equatable {
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

    init(extent: Int, stride: Int) {
      self.extent = extent
      step = extent
      span = extent
      self.stride = stride
      defined = extent
    }
  }

  var memory: DMAInstruction.Memory
  /// Bytes: in DRAM the address, in SRAM the offset in each slice.
  var base: Int
  var dimensions: [Dimension]
  let element: ElementType

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
      let span = dimensions[index].span
      stride *= position == 0 ? (span + rounding - 1) / rounding * rounding : span
    }
    return stride
  }
}
