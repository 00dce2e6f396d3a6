import KernelIR
import NPUISA
import Support
import Tensors

extension TiledContraction {
  /// The constant as units of the register file, block after block: per group, per packet of the reduction, per part of the
  /// columns, eight lanes of a packet.
  func image(_ constant: Tensor, packetBytes: Int) -> [UInt8] {
    let kernel = plan.kernel
    let operand = kernel.operands[plan.stationary]
    let zero = UInt8(truncatingIfNeeded: operand.pre.subtractedInteger ?? 0)
    let blocks = digit.count
    let perBlock = groups * unitsPerGroup * packetBytes
    var bytes = [UInt8](repeating: zero, count: blocks * perBlock)
    var weight = SideTable<AxisID, Int>(default: 0)
    var origin = 0
    for (map, stride) in zip(operand.maps, operand.type.strides) {
      origin += map.offset * stride
      for term in map.terms { weight[term.axis] += term.coefficient * stride }
    }
    let columns = left.ranges[lane].count
    let columnExtent = kernel.axes[lane].extent
    let sumBlock = plan.packet.map { streamed.ranges[$0].count } ?? 1
    let counts = sums.map(\.count)
    let packetWeight = plan.packet.map { weight[$0] } ?? 0
    let sumExtent = plan.packet.map { kernel.axes[$0].extent } ?? 1
    constant.withBytes { source in
      bytes.withUnsafeMutableBufferPointer { target in
        for block in 0..<blocks {
          var place = block * perBlock
          let own = self.block(block)
          for group in 0..<groups {
            var point = [Int](repeating: 0, count: counts.count)
            repeat {
              var base = origin
              var elements = 1
              var first = own.channels * sumBlock
              for (index, sum) in sums.enumerated() {
                if sum.isRing {
                  first += point[index] * sumBlock
                } else if sum.axis == plan.packet {
                  elements = min(plan.packetElements, sumBlock - point[index] * sum.step)
                  first += point[index] * sum.step
                } else {
                  base += point[index] * weight[sum.axis]
                }
              }
              base += first * packetWeight
              elements = min(elements, sumExtent - first)
              for part in 0..<dealt {
                let firstColumn = leavingBlock(part: part, of: own.columns) * columns + group * 8
                for lane in 0..<8 {
                  let column = firstColumn + lane
                  if group * 8 + lane < columns, column < columnExtent {
                    let row = base + column * weight[self.lane]
                    for element in 0..<max(elements, 0) {
                      target[place + element] = source[row + element * packetWeight]
                    }
                  }
                  place += packetBytes
                }
              }
            } while Nest.advance(&point, counts)
          }
        }
      }
    }
    return bytes
  }
}
