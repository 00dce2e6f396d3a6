import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// A contraction as the tensor unit sees it: one operand streams, the other stands in the register file.
struct Contraction {
  let kernel: Kernel
  let streamed: Int
  let stationary: Int
  /// Parallel axes of both operands, of the streamed one (or neither), and of the stationary one.
  var batch: [AxisID] = []
  var rows: [AxisID] = []
  var columns: [AxisID] = []
  let sums: [AxisID]
  /// The axis whose elements fill a packet: a summed one, or for `isDepthwise` a batch axis.
  var packet: AxisID?
  var packetElements = 1
  /// The column axis that lies over the lanes; the last of `columns`.
  var lane: AxisID?
  /// A packet's elements stay apart: tree depth 0, one lane, or neighbouring results on several.
  var isDepthwise = false

  /// The axis along which the elements of a result's flit lie.
  var flitAxis: AxisID? { isDepthwise ? packet : lane }
  var lanes: Int { lane.map { isDepthwise ? kernel.axes[$0].extent : 8 } ?? 1 }

  /// - Parameter isConstant: of operands 0 and 1.
  /// - Returns: nil if the operands' programs or bounds are not those of the tensor unit.
  init?(_ geometry: Geometry, isConstant: [Bool], _ machine: SliceMachine) {
    kernel = geometry.kernel
    let operands = kernel.operands
    guard operands.count >= 2, kernel.axes(.split).isEmpty else { return nil }
    for operand in operands.prefix(2) where !operand.pre.isIdentity && operand.pre.subtractedInteger == nil {
      return nil
    }
    let moves = operands.prefix(2).map { $0.outside != .never }
    guard !(moves[0] && moves[1]) else { return nil }
    streamed = moves[1] || (isConstant[0] && !isConstant[1] && !moves[0]) ? 1 : 0
    stationary = 1 - streamed
    let (stream, fixed) = (operands[streamed], operands[stationary])
    sums = kernel.reductionAxes
    for axis in kernel.axes(.parallel) {
      switch (stream.depends(on: axis), fixed.depends(on: axis)) {
      case (true, true): batch.append(axis)
      case (_, false): rows.append(axis)
      case (false, true): columns.append(axis)
      }
    }
    // A constant is packed at will; another operand needs the packet's elements side by side.
    func packs(_ axis: AxisID) -> Bool {
      stream.dimension(of: axis) != nil && (isConstant[stationary] || fixed.dimension(of: axis) != nil)
    }
    func longest(_ axes: [AxisID]) -> AxisID? {
      axes.filter { packs($0) && geometry.ranges[$0].count > 1 }.max {
        (geometry.ranges[$0].count, $1) < (geometry.ranges[$1].count, $0)
      }
    }
    let widest = machine.packetBytes / stream.type.element.size
    // A chain of floats adds in the declared order, so that only the last axis may lie within packets.
    let inner = sums.last { geometry.ranges[$0].count > 1 }
    let candidates = kernel.accumulation == .chain ? [inner].compactMap(\.self) : sums
    // Elements stay apart where there is nothing to add within a packet, or too little.
    let fewSums = (longest(sums).map { geometry.ranges[$0].count } ?? 1) < 8
    if columns.isEmpty || (fewSums && kernel.accumulation == .integer), widest >= 8, let axis = longest(batch)
    {
      isDepthwise = true
      packet = axis
      packetElements = geometry.ranges[axis].count > 8 ? min(16, widest) : 8
      batch.removeAll { $0 == axis }
    } else if let axis = longest(candidates) {
      packet = axis
      while packetElements < min(widest, geometry.ranges[axis].count) { packetElements *= 2 }
    }
    if !isDepthwise,
      let axis = columns.max(by: { (geometry.ranges[$0].count, $1) < (geometry.ranges[$1].count, $0) })
    {
      columns = columns.filter { $0 != axis } + [axis]
      lane = axis
    }
  }

  /// A depthwise contraction with neighbouring results on its lanes.
  init(_ plan: Contraction, _ neighbours: NeighbourLanes) {
    kernel = neighbours.geometry.kernel
    (streamed, stationary, sums) = (plan.streamed, plan.stationary, plan.sums)
    (batch, rows, columns) = (plan.batch, plan.rows, [neighbours.lane])
    (packet, packetElements, lane) = (plan.packet, plan.packetElements, neighbours.lane)
    isDepthwise = true
  }

  /// The register file: axes from the outermost, with the indices per unit. The unit of a point is the mixed
  /// radix of its indices, then its lane.
  func registerAxes() -> [(axis: AxisID, step: Int)] {
    (batch + columns).map { ($0, $0 == lane ? 8 : 1) } + weighed()
      + (isDepthwise ? packet.map { [($0, packetElements)] } ?? [] : [])
  }

  /// The summed axes, as loops of packets.
  func summed() -> [(axis: AxisID, step: Int)] {
    sums.map { ($0, $0 == packet ? packetElements : 1) }
  }

  /// Those that the stationary operand moves with: its units differ along them.
  func weighed() -> [(axis: AxisID, step: Int)] {
    summed().filter { kernel.operands[stationary].depends(on: $0.axis) }
  }
}
