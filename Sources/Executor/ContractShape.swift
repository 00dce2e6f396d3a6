import KernelIR
import Support
import Tensors

/// Which operand of a contraction is read in place and which is packed, and what its axes are to them.
struct ContractShape: Sendable {
  /// Operand numbers.
  let streamed: Int
  let packed: Int
  /// Columns of the matrix product: of the packed operand only. For a depthwise contraction the channels,
  /// which both operands have. `none` for one column.
  let column: AxisID
  let isDepthwise: Bool

  /// - Parameter isConstant: of operands 0 and 1. - Returns: nil where neither operand can be packed.
  init?(_ kernel: Kernel, isConstant: [Bool]) {
    let parallel = kernel.axes(.parallel).filter { kernel.axes[$0].extent > 1 }
    func depends(_ operand: Int, _ axis: AxisID) -> Bool {
      kernel.operands[operand].maps.contains { $0.coefficient(of: axis) != 0 }
    }
    /// The widest of some axes; of equals the last.
    func widest(_ axes: [AxisID]) -> AxisID? {
      axes.max { kernel.axes[$0].extent < kernel.axes[$1].extent }
    }
    let order = isConstant[0] && !isConstant[1] ? [(1, 0), (0, 1)] : [(0, 1), (1, 0)]
    let candidates = order.filter { kernel.operands[$0.1].openDimensions(over: kernel.ranges).isEmpty }
    guard let first = candidates.first else { return nil }
    for (streamed, packed) in candidates {
      let columns = parallel.filter { depends(packed, $0) && !depends(streamed, $0) }
      // A constant is packed even for few columns, since that costs nothing later.
      guard let column = widest(columns) else { continue }
      self.init(streamed: streamed, packed: packed, column: column, isDepthwise: false)
      return
    }
    let (streamed, packed) = first
    let channels = parallel.filter { axis in
      let maps = kernel.operands[streamed].maps.filter { $0.coefficient(of: axis) != 0 }
      return depends(packed, axis) && maps.count == 1 && maps[0].coefficient(of: axis) == 1
    }
    let taps = kernel.reductionAxes.reduce(1) { $0 * kernel.axes[$1].extent }
    if let channel = widest(channels), kernel.axes[channel].extent >= 8, taps <= 1024,
      kernel.axes(.split).isEmpty
    {
      self.init(streamed: streamed, packed: packed, column: channel, isDepthwise: true)
    } else {
      self.init(streamed: streamed, packed: packed, column: .none, isDepthwise: false)
    }
  }

  private init(streamed: Int, packed: Int, column: AxisID, isDepthwise: Bool) {
    self.streamed = streamed
    self.packed = packed
    self.column = column
    self.isDepthwise = isDepthwise
  }
}
