import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// A contraction of integers with a constant whose channels a geometry may share: how its nest is cut into instructions.
struct TiledContraction {
  let plan: Contraction
  let streamed: Geometry
  let left: Geometry
  let sharing: Geometry.Sharing?
  let lane: AxisID
  /// Packets of the reduction, outermost first: loops of the summed axes, the packet's last, then the ring of a gather.
  let sums: [Sum]
  /// Columns of a slice in groups of eight.
  let groups: Int
  /// Parts in which sums over slices are dealt out; else 1.
  let dealt: Int

  struct Sum {
    var axis: AxisID
    var step: Int
    var count: Int
    var isRing = false
  }

  /// Groups, and a range of the flattened reduction, that one load of the register file holds.
  struct Box {
    var groups: Range<Int>
    var sums: [Range<Int>]
    var isFirst: Bool
    var isLast: Bool

    /// All that the time of its instructions depends on.
    var shape: [Int] { [groups.count, isFirst ? 1 : 0, isLast ? 1 : 0] + sums.map { $0.count } }
  }

  /// - Returns: nil for contractions of another kind.
  init?(_ geometry: Geometry, isConstant: [Bool], contiguous: AxisID?, _ machine: SliceMachine) {
    let kernel = geometry.kernel
    guard kernel.accumulation == .integer, kernel.operands.count >= 2 else { return nil }
    streamed = geometry.streaming()
    left = geometry.leaving()
    sharing = geometry.sharing
    guard var plan = Contraction(streamed, isConstant: isConstant, machine), isConstant[plan.stationary],
      plan.batch.isEmpty, !plan.isDepthwise, plan.columns.count == 1, let lane = plan.lane
    else { return nil }
    let stream = kernel.operands[plan.streamed]
    if let axis = sharing?.sum ?? contiguous, plan.sums.contains(axis), stream.dimension(of: axis) != nil {
      plan.packet = axis
      plan.packetElements = 1
      let widest = machine.packetBytes / stream.type.element.size
      while plan.packetElements < min(widest, streamed.ranges[axis].count) { plan.packetElements *= 2 }
    }
    if let sharing {
      guard sharing.column == lane, plan.packet == sharing.sum else { return nil }
      guard sharing.columnBlock % 8 == 0 else { return nil }
    }
    let (packet, ranges) = (plan.packet, streamed.ranges)
    var sums = plan.sums.filter { $0 != packet }.map { Sum(axis: $0, step: 1, count: ranges[$0].count) }
    if let packet {
      let count = (streamed.ranges[packet].count + plan.packetElements - 1) / plan.packetElements
      sums.append(Sum(axis: packet, step: plan.packetElements, count: count))
    }
    if let sharing, sharing.mode == .gather {
      sums.append(Sum(axis: sharing.sum, step: 0, count: sharing.count, isRing: true))
    }
    self.sums = sums
    self.plan = plan
    self.lane = lane
    groups = (left.ranges[lane].count + 7) / 8
    dealt = sharing?.parts ?? 1
  }

  private var ringSize: Int { sums.first(where: \.isRing)?.count ?? 1 }

  var packets: Int { sums.reduce(1) { $0 * $1.count } }
  /// Units of the register file that a group takes.
  var unitsPerGroup: Int { packets * dealt * 8 }

  /// Ticks that no way to emit it goes below: of the products, and of the ring.
  func leastTicks(_ machine: SliceMachine) -> Int {
    let points = plan.rows.reduce(1) { $0 * streamed.ranges[$1].count }
    let products = points * packets * dealt * groups
    var ring = 0
    if let sharing {
      ring =
        sharing.sliceStride
        * (sharing.mode == .reduce
          ? points * dealt * groups + machine.hopCycles * sharing.count : points * packets)
    }
    return max(products, ring) * machine.ticksPerCycle
  }

  /// Whole sums where two boxes fit at once, or where rows would have to come apart else; parts of sums, which the
  /// accumulators keep for all rows, where they do not.
  func boxes(_ machine: SliceMachine, points: Int) -> (boxes: [Box], isWhole: Bool)? {
    let capacity = machine.registerFileBytes / machine.packetBytes
    let all = sums.map { 0..<$0.count }
    guard machine.accumulators >= 8 * dealt else { return nil }
    let isKept = points * 8 * dealt <= machine.accumulators && 8 * dealt * ringSize <= capacity / 2
    if unitsPerGroup <= capacity / 2 || (unitsPerGroup <= capacity && !isKept) {
      let room = unitsPerGroup <= capacity / 2 ? capacity / 2 : capacity
      let most = min(room / unitsPerGroup, machine.accumulators / (8 * dealt))
      let count = (groups + most - 1) / most
      let size = (groups + count - 1) / count
      let boxes = stride(from: 0, to: groups, by: size).map {
        Box(groups: $0..<min($0 + size, groups), sums: all, isFirst: true, isLast: true)
      }
      return (boxes, true)
    }
    let pieces = Nest.boxes(sums.map { $0.count }, capacity: capacity / 2 / (8 * dealt))
    let isRingWhole = zip(sums, pieces[0]).allSatisfy { !$0.isRing || $1.count == $0.count }
    guard 8 * dealt <= capacity / 2, isRingWhole else { return nil }
    var boxes: [Box] = []
    for group in 0..<groups {
      for (number, piece) in pieces.enumerated() {
        boxes.append(
          Box(
            groups: group..<(group + 1), sums: piece, isFirst: number == 0,
            isLast: number == pieces.count - 1))
      }
    }
    return (boxes, false)
  }

  /// Units of a box, and the first of them in the order of the image: groups, sums, dealt, lanes.
  func units(_ box: Box) -> Range<Int> {
    var first = 0
    var count = 1
    for (sum, range) in zip(sums, box.sums) {
      first = first * sum.count + range.lowerBound
      count *= range.count
    }
    let inner = dealt * 8
    if zip(box.sums, sums).allSatisfy({ $0.count == $1.count }) {
      return (box.groups.lowerBound * unitsPerGroup)..<(box.groups.upperBound * unitsPerGroup)
    }
    let start = box.groups.lowerBound * unitsPerGroup + first * inner
    return start..<(start + count * inner)
  }
}
