import KernelIR
import NPUISA
import Support
import Tensors

extension Placement {
  /// The same bytes under another shape, nil where elements that follow each other do not lie so.
  func viewed(as shape: [Int]) -> Placement? {
    var old = dimensions.filter { $0.extent > 1 }[...]
    var new = shape.filter { $0 > 1 }[...]
    var found: [Dimension] = []
    while !old.isEmpty || !new.isEmpty {
      guard let first = old.popFirst(), let extent = new.popFirst() else { return nil }
      if first.extent == extent {
        found.append(first)
      } else if first.extent < extent {
        guard let merged = Self.merged(first, &old, extent) else { return nil }
        found.append(merged)
      } else {
        guard let split = Self.split(first, &new, extent) else { return nil }
        found += split
      }
    }
    var rest = found[...]
    var result = self
    result.dimensions = shape.map { extent in
      extent > 1 ? rest.removeFirst() : Dimension(extent: extent, stride: element.size)
    }
    return result
  }

  /// The same bytes with the dimensions in the order of a transposition's result.
  func transposed(by kernel: Kernel) -> Placement? {
    guard let sources = kernel.transposition else { return nil }
    var result = self
    result.dimensions = sources.map { source in
      source.map { dimensions[$0] } ?? Dimension(extent: 1, stride: element.size)
    }
    return result
  }

  /// Whether elements follow each other as in a tensor in DRAM.
  var isRowMajor: Bool {
    var stride = element.size
    for dimension in dimensions.reversed() where dimension.extent != 1 {
      guard dimension.blocks == 1, dimension.stride == stride, dimension.origin == 0 else { return false }
      stride *= dimension.extent
    }
    return true
  }

  /// One dimension out of several, the first of which may be cut into blocks.
  private static func merged(_ first: Dimension, _ rest: inout ArraySlice<Dimension>, _ extent: Int)
    -> Dimension?
  {
    var result = first
    while result.extent < extent {
      guard let next = rest.popFirst(), next.blocks == 1, next.origin == 0, next.span == next.extent,
        result.stride == next.extent * next.stride
      else { return nil }
      result.extent *= next.extent
      result.origin *= next.extent
      result.step *= next.extent
      result.span *= next.extent
      result.roomBefore *= next.extent
      result.roomBehind *= next.extent
      result.stride = next.stride
    }
    result.defined = result.span
    return result.extent == extent ? result : nil
  }

  /// Several dimensions out of one, whose blocks hold whole indices of the first.
  private static func split(_ whole: Dimension, _ rest: inout ArraySlice<Int>, _ extent: Int) -> [Dimension]?
  {
    var extents = [extent]
    while extents.reduce(1, *) < whole.extent {
      guard let next = rest.popFirst() else { return nil }
      extents.append(next)
    }
    guard extents.reduce(1, *) == whole.extent else { return nil }
    let inner = extents.dropFirst().reduce(1, *)
    var first = whole
    guard whole.origin % inner == 0, whole.step % inner == 0, whole.span % inner == 0 else { return nil }
    first.extent = extent
    first.origin /= inner
    first.step /= inner
    first.span /= inner
    first.defined = first.span
    (first.roomBefore, first.roomBehind) = (0, 0)
    first.stride = whole.stride * inner
    var result = [first]
    var stride = whole.stride * inner
    for extent in extents.dropFirst() {
      stride /= extent
      result.append(Dimension(extent: extent, stride: stride))
    }
    return result
  }
}

extension Kernel {
  /// Of a copy that only changes the order of dimensions: per dimension of the result that of the operand, nil for an extent
  /// of 1; nil for other kernels.
  var transposition: [Int?]? {
    guard form == .move, operands.count == 1, operands[0].outside == .never else { return nil }
    let operand = operands[0]
    let parallel = axes(.parallel)
    guard operand.type.element == element,
      operand.box.isEmpty || zip(operand.box, parallel).allSatisfy({ $0 == 0..<axes[$1].extent })
    else { return nil }
    var sources: [Int?] = []
    for axis in parallel {
      let moving = operand.maps.indices.filter { operand.maps[$0].coefficient(of: axis) != 0 }
      if axes[axis].extent == 1 {
        sources.append(nil)
      } else {
        guard moving.count == 1, operand.maps[moving[0]] == .axis(axis),
          operand.type.shape[moving[0]] == axes[axis].extent
        else { return nil }
        sources.append(moving[0])
      }
    }
    // What no axis moves along is one element.
    let used = Set(sources.compactMap(\.self))
    for index in operand.maps.indices where !used.contains(index) && operand.type.shape[index] != 1 {
      return nil
    }
    return sources
  }
}
