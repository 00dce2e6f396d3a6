import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// Where the result of a kernel is a part of a concatenation: it may be written to its place there at once.
struct Joining {
  /// The concatenation's result, its extents, and the dimension along which parts follow each other.
  let target: BufferID
  let extents: [Int]
  let dimension: Int
  /// The part's first coordinate, and whether no other follows.
  let start: Int
  let isLast: Bool

  /// Of kernels up to the concatenation. A tile that is reserved early is held until then: parts that come long before wait
  /// elsewhere. DRAM has room.
  fileprivate static let farthest = 8

  /// Elements before the part in row-major order, if its own follow each other there.
  var offset: Int? {
    guard extents.prefix(dimension).allSatisfy({ $0 == 1 }) else { return nil }
    return extents.dropFirst(dimension + 1).reduce(start, *)
  }
}

extension KernelGraph {
  /// Of every buffer that is a part of one concatenation alone, with all other coordinates in their places.
  func joinings() -> SideTable<BufferID, Joining?> {
    var joinings = SideTable<BufferID, Joining?>(default: nil)
    /// The last kernel that may put a buffer to its place.
    var limits = SideTable<BufferID, Int?>(default: nil)
    for (number, id) in nodes.ids.enumerated() {
      let node = nodes[id]
      if node.kernel.map({ !$0.isCopy }) ?? true {
        limits[node.result] = node.kernel == nil ? nodes.count : number + Joining.farthest
      }
      guard let kernel = node.kernel, kernel.form == .move, node.operands.count > 1,
        let dimension = kernel.concatenated
      else { continue }
      let starts = kernel.operands.map { $0.box[dimension].lowerBound }
      for (index, buffer) in node.operands.enumerated() where joinings[buffer] == nil {
        guard let limit = limits[buffer], number <= limit,
          node.operands.count(where: { $0 == buffer }) == 1
        else { continue }
        joinings[buffer] = Joining(
          target: node.result, extents: kernel.result.shape, dimension: dimension, start: starts[index],
          isLast: starts[index] == starts.max())
      }
    }
    return joinings
  }
}

extension Kernel {
  /// The dimension along which a move puts its sources, whole and in their order of elements, one behind another.
  var concatenated: Int? {
    let axes = axes(.parallel)
    let whole = axes.map { 0..<self.axes[$0].extent }
    var dimension: Int?
    for operand in operands {
      guard operand.outside == .never, operand.maps.count == axes.count, operand.box.count == axes.count
      else {
        return nil
      }
      for index in axes.indices {
        let (map, box) = (operand.maps[index], operand.box[index])
        guard map == .axis(axes[index]) + AffineMap(-box.lowerBound), operand.type.shape[index] == box.count
        else { return nil }
        guard box != whole[index] else { continue }
        guard dimension == nil || dimension == index else { return nil }
        dimension = index
      }
    }
    return dimension
  }
}

extension Placement {
  /// Where the coordinates 0 of block 0 lie, or would.
  private var start: Int { dimensions.reduce(base) { $0 - $1.origin * $1.stride } }

  /// Whether every coordinate lies where a part of `target` from `first` on along a dimension lies.
  func isPart(of target: Placement, along dimension: Int, from first: Int) -> Bool {
    start == target.start + first * target.dimensions[dimension].stride
      && zip(dimensions, target.dimensions).enumerated().allSatisfy { index, pair in
        pair.0.stride == pair.1.stride && (index == dimension || pair.0.isCutLike(pair.1))
      }
  }

  /// Whether blocks are the same and lie alike, wherever they begin.
  func liesLike(_ other: Placement) -> Bool {
    element == other.element
      && zip(dimensions, other.dimensions).allSatisfy { $0.stride == $1.stride && $0.isCutLike($1) }
  }
}

extension Placement.Dimension {
  fileprivate func isCutLike(_ other: Self) -> Bool {
    blocks == other.blocks && step == other.step && (blocks == 1 || sliceStride == other.sliceStride)
      && span + roomBefore + roomBehind == other.span + other.roomBefore + other.roomBehind
      && origin - roomBefore == other.origin - other.roomBefore
  }
}

extension ProgramCompiler {
  /// A tile for a result within that of the concatenation which it is a part of, reserved if no other part did so; nil where it
  /// is no part, or cannot lie there.
  mutating func joinedTile(
    _ node: KernelNode, _ geometry: Geometry, innermost: AxisID?, rounding: Int
  ) -> Tile? {
    guard let joining = joinings[node.result],
      geometry.kernel.element == graph.buffers[joining.target].type.element
    else { return nil }
    let axes = geometry.kernel.axes(.parallel)
    let (index, extent) = (joining.dimension, geometry.kernel.axes[axes[joining.dimension]].extent)
    // Flits are whole: those of a part must not reach into the next.
    guard axes.count == joining.extents.count, geometry.parts[axes[index]] == nil,
      axes.allSatisfy({
        geometry.parts[$0] != nil || geometry.ranges[$0] == 0..<geometry.kernel.axes[$0].extent
      }),
      axes[index] != innermost || extent % rounding == 0
        || (joining.isLast && joining.start % rounding == 0)
    else { return nil }
    let (target, bytes) = resultPlacement(
      joining.target, geometry, innermost: innermost, rounding: rounding, of: joining)
    if homes[joining.target] == nil {
      guard let offset = sram.allocate(bytes) else { return nil }
      var placement = target
      placement.base += offset
      settle(joining.target, placement, owned: offset..<(offset + bytes))
      reserved.insert(joining.target)
    }
    guard let home = homes[joining.target], let owned = home.owned, home.placement.liesLike(target),
      home.placement.repeats == target.repeats
    else { return nil }
    var placement = home.placement
    placement.base += joining.start * placement.dimensions[index].stride
    placement.dimensions[index].extent = extent
    placement.dimensions[index].step = extent
    placement.dimensions[index].span = extent
    placement.dimensions[index].defined =
      joining.isLast && axes[index] == innermost ? extent.roundedUp(toMultipleOf: rounding) : extent
    return Tile(
      placement: placement, operand: Operand(geometry.kernel.result, axes.map { .axis($0) }),
      origin: axes.map { geometry.ranges[$0].lowerBound }, bytes: owned)
  }

  /// Ticks that it takes, about, to move a part of a concatenation to its place if it lies so: within slices, after the switch
  /// has brought its blocks together where it is cut along that dimension.
  func joiningTicks(_ buffer: BufferID, _ placement: Placement) -> Int {
    guard let joining = joinings[buffer], placement.memory == .sram else { return 0 }
    let flits = placement.dimensions.reduce(1) { $0 * $1.span } * placement.element.size / 8
    let cut = placement.dimensions[joining.dimension]
    var cycles = machine.issueMainCycles + flits * cut.blocks
    if cut.blocks > 1 { cycles += machine.issueMainCycles + cut.sliceStride * cut.blocks * flits / 2 }
    return cycles * machine.ticksPerCycle
  }

  /// Where in DRAM a value comes to lie as a part of a concatenation, whose room is reserved if no other part did so; nil where it
  /// is no part, or the concatenation has a tile.
  mutating func joinedAddress(_ buffer: BufferID) -> Int? {
    guard let joining = joinings[buffer], let offset = joining.offset,
      graph.buffers[buffer].type.element == graph.buffers[joining.target].type.element
    else { return nil }
    if homes[joining.target] == nil {
      let type = graph.buffers[joining.target].type
      settle(joining.target, Placement(dram: allocateDRAM(byteCount(type)), type), owned: nil)
      reserved.insert(joining.target)
    }
    guard let whole = homes[joining.target]?.placement, whole.memory == .dram else { return nil }
    return whole.base + offset * whole.element.size
  }

  /// Whether a part of a concatenation lies in its place in what is reserved for the whole.
  func isInPlace(_ buffer: BufferID, in result: BufferID) -> Bool {
    guard let joining = joinings[buffer], joining.target == result, reserved.contains(result),
      let part = homes[buffer]?.placement, let whole = homes[result]?.placement, part.memory == whole.memory
    else { return false }
    guard part.memory == .dram else {
      return part.isPart(of: whole, along: joining.dimension, from: joining.start)
    }
    return part.isRowMajor
      && joining.offset.map { part.base == whole.base + $0 * whole.element.size } ?? false
  }

  /// The tile that parts of a concatenation reserved, if its result may lie like that.
  func reservedTile(_ node: KernelNode, _ wanted: Placement) -> Home? {
    guard reserved.contains(node.result), let home = homes[node.result], home.placement.memory == .sram,
      home.placement.liesLike(wanted), home.placement.repeats >= wanted.repeats
    else { return nil }
    return home
  }

  /// Gives up a tile that is reserved and will not do.
  mutating func giveUpReserved(_ buffer: BufferID) {
    guard reserved.remove(buffer) != nil else { return }
    vacate(buffer)
    homes[buffer] = nil
  }
}
