import KernelIR
import Machine
import Support
import Tensors

/// A depthwise window with neighbouring results of a row on the lanes: lane l of walk b makes result count · b + l, by weights moved
/// on by l · stride, zero where its window does not reach. A walk reads stride · (count − 1) + taps places where count results
/// alone read count · taps.
struct NeighbourLanes {
  /// The axis of the results, of which `geometry` has one index per walk, and that of the window, which has all places that a walk
  /// reads.
  let row: AxisID
  let window: AxisID
  /// A new parallel axis, the last.
  let lane: AxisID
  let count: Int
  let stride: Int
  let taps: Int
  let geometry: Geometry
  /// As they are in the graph.
  private let weights: Operand

  /// The count that takes the fewest cycles, loads of the weights among them; nil where one lane does.
  init?(_ geometry: Geometry, _ plan: Contraction, _ machine: SliceMachine) {
    let kernel = geometry.kernel
    guard plan.isDepthwise, plan.columns.isEmpty, kernel.accumulation == .integer,
      kernel.operands[plan.stationary].type.element.size == 1,
      plan.registerAxes().allSatisfy({ $0.axis == plan.packet || geometry.parts[$0.axis] == nil })
    else { return nil }
    func indices(_ axes: [AxisID], except: AxisID) -> Int {
      axes.reduce(1) { $0 * ($1 == except ? 1 : geometry.ranges[$1].count) }
    }
    let packets = plan.packet.map {
      (geometry.ranges[$0].count + plan.packetElements - 1) / plan.packetElements
    }
    let capacity = machine.registerFileBytes / machine.packetBytes / 2
    typealias Way = (cycles: Int, row: AxisID, window: AxisID, stride: Int, count: Int)
    var best: Way?
    for map in kernel.operands[plan.streamed].maps {
      for row in plan.rows {
        guard let window = Self.window(along: row, map, plan, geometry) else { continue }
        let (stride, extent) = (map.coefficient(of: row), geometry.ranges[row].count)
        guard geometry.parts[row].map({ $0.block == extent }) ?? true else { continue }
        let rows = indices(plan.batch + plan.rows, except: row)
        let places = (packets ?? 1) * indices(plan.sums, except: window)
        for count in [1, 2, 4, 8] where count <= machine.lanes && extent % count == 0 {
          let reach = stride * (count - 1) + kernel.axes[window].extent
          let units = places * reach * count
          guard count == 1 || units <= capacity else { continue }
          let cycles = rows * extent / count * places * reach + units
          if best.map({ cycles < $0.cycles }) ?? true { best = (cycles, row, window, stride, count) }
        }
      }
    }
    guard let best, best.count > 1 else { return nil }
    (row, window, stride, count) = (best.row, best.window, best.stride, best.count)
    taps = kernel.axes[window].extent
    weights = kernel.operands[plan.stationary]
    var result = Kernel(kernel.form, kernel.element)
    (result.post, result.tables) = (kernel.post, kernel.tables)
    for axis in kernel.axes.ids {
      let extent = kernel.axes[axis].extent
      result.axis(
        kernel.axes[axis].name,
        axis == best.row
          ? (extent + best.count - 1) / best.count
          : axis == best.window ? best.stride * (best.count - 1) + extent : extent,
        kernel.axes[axis].role)
    }
    lane = result.axis("lane", best.count)
    for (index, operand) in kernel.operands.enumerated() {
      result.operands.append(
        index == plan.stationary
          ? Self.moved(operand, result, window: best.window, lane: lane)
          : Self.stepping(operand, best.row, by: best.count, index == plan.streamed ? nil : lane))
    }
    self.geometry = Geometry(geometry, of: result, coarse: best.row, by: best.count)
  }

  /// The axis of a window that slides along a row in steps of one.
  private static func window(
    along row: AxisID, _ map: AffineMap, _ plan: Contraction, _ geometry: Geometry
  ) -> AxisID? {
    let kernel = geometry.kernel
    let (stream, weights) = (kernel.operands[plan.streamed], kernel.operands[plan.stationary])
    let stride = map.coefficient(of: row)
    let windows = map.terms.filter { plan.sums.contains($0.axis) }
    guard stride > 0, windows.count == 1, windows[0].coefficient == 1, geometry.ranges[row].lowerBound == 0,
      geometry.ranges[windows[0].axis] == 0..<kernel.axes[windows[0].axis].extent
    else { return nil }
    let window = windows[0].axis
    guard let dimension = weights.maps.firstIndex(of: .axis(window)),
      weights.type.shape[dimension] == kernel.axes[window].extent,
      [row, window].allSatisfy({ axis in stream.maps.count { $0.coefficient(of: axis) != 0 } == 1 }),
      weights.maps.count(where: { $0.coefficient(of: window) != 0 }) == 1,
      kernel.operands.indices.allSatisfy({ $0 < 2 || !kernel.operands[$0].depends(on: window) })
    else { return nil }
    return window
  }

  /// The weights of all lanes, which follow each other.
  private static func moved(_ operand: Operand, _ kernel: Kernel, window: AxisID, lane: AxisID) -> Operand {
    var operand = operand
    var shape = operand.type.shape
    if let dimension = operand.maps.firstIndex(of: .axis(window)) {
      shape[dimension] = kernel.axes[window].extent
    }
    operand.type = TensorType(operand.type.element, shape + [kernel.axes[lane].extent])
    operand.maps.append(.axis(lane))
    return operand
  }

  /// What moves with a row moves in steps of so many, and with the lanes by one each.
  static func stepping(_ operand: Operand, _ row: AxisID, by count: Int, _ lane: AxisID?) -> Operand {
    var operand = operand
    let place = AffineMap.axis(row, times: count) + (lane.map { .axis($0) } ?? 0)
    operand.maps = operand.maps.map { $0.substituting { $0 == row ? place : .axis($0) } }
    return operand
  }

  /// A result tile of the kernel, as the lanes write it.
  func result(_ tile: Tile) -> Tile {
    Tile(
      placement: tile.placement, operand: Self.stepping(tile.operand, row, by: count, lane),
      origin: tile.origin, bytes: tile.bytes)
  }

  /// The weights of a kernel as those of all lanes.
  func spread(_ constant: Tensor, into type: TensorType) -> Tensor? {
    guard let dimension = weights.maps.firstIndex(of: .axis(window)) else { return nil }
    let inner = weights.type.shape[(dimension + 1)...].reduce(1, *)
    let outer = weights.type.shape[..<dimension].reduce(1, *)
    let zero = UInt8(truncatingIfNeeded: weights.pre.subtractedInteger ?? 0)
    let reach = stride * (count - 1) + taps
    return try? Tensor(type) { target in
      target.initializeMemory(as: UInt8.self, repeating: zero)
      constant.withBytes { source in
        for place in 0..<(outer * taps * inner) {
          let (row, rest) = (place / (taps * inner), place % (taps * inner))
          for lane in 0..<count {
            let moved = (row * reach + rest / inner + lane * stride) * inner + rest % inner
            target[moved * count + lane] = source[place]
          }
        }
      }
    }
  }
}
