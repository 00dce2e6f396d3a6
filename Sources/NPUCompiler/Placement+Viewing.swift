import NPUISA
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
