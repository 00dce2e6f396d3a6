import GraphIR
import KernelIR
import Support
import Tensors

/// How ONNX says where a window begins when the padding is implied.
public enum AutoPad: String, AttributeChoice, Sendable {
  case explicit = "NOTSET"
  case sameUpper = "SAME_UPPER"
  case sameLower = "SAME_LOWER"
  case valid = "VALID"
}

/// A window that slides over spatial dimensions: element i of the result reads taps
/// i · stride + tap · dilation - begin of the input.
struct Window: Equatable {
  /// Largest extent of a spatial dimension, so that no index arithmetic overflows.
  static let limit = 1 << 40

  let kernel: [Int]
  let strides: [Int]
  let dilations: [Int]
  let pads: [Int]
  let autoPad: AutoPad
  var ceilMode = false

  /// Empty lists mean their defaults.
  /// - Throws: `invalidAttribute` unless all are of `kernel`'s rank (pads twice) and in range.
  init(
    kernel: [Int], strides: [Int], dilations: [Int], pads: [Int], autoPad: AutoPad, ceilMode: Bool = false
  ) throws(Diagnostic) {
    let rank = kernel.count
    self.kernel = kernel
    self.strides = strides.isEmpty ? kernel.map { _ in 1 } : strides
    self.dilations = dilations.isEmpty ? kernel.map { _ in 1 } : dilations
    self.pads = pads.isEmpty ? kernel.flatMap { _ in [0, 0] } : pads
    self.autoPad = autoPad
    self.ceilMode = ceilMode
    let positive = 1...Int(Int32.max)
    guard self.strides.count == rank, self.dilations.count == rank, self.pads.count == 2 * rank,
      (self.kernel + self.strides + self.dilations).allSatisfy(positive.contains),
      self.pads.allSatisfy({ $0.magnitude <= UInt(Int32.max) })
    else {
      throw Diagnostic(
        .invalidAttribute,
        "a window of \(kernel), strides \(strides), dilations \(dilations), pads \(pads)")
    }
  }

  /// The extent between the first and the last tap, inclusive.
  func span(_ axis: Int) -> Int { (kernel[axis] - 1) * dilations[axis] + 1 }

  /// Padding before and after an input dimension.
  func padding(_ axis: Int, _ extent: Int) -> (begin: Int, end: Int) {
    switch autoPad {
    case .explicit: return (pads[axis], pads[kernel.count + axis])
    case .valid: return (0, 0)
    case .sameUpper, .sameLower:
      let positions = (extent + strides[axis] - 1) / strides[axis]
      let total = max((positions - 1) * strides[axis] + span(axis) - extent, 0)
      return autoPad == .sameUpper ? (total / 2, total - total / 2) : (total - total / 2, total / 2)
    }
  }

  /// The number of window positions along an input dimension.
  func positions(_ axis: Int, _ extent: Int) throws(Diagnostic) -> Int {
    guard extent <= Self.limit else { throw Diagnostic(.sizeOverflow, "an extent of \(extent)") }
    let (begin, end) = padding(axis, extent)
    let room = extent + begin + end - span(axis)
    guard room >= 0 else {
      throw Diagnostic(
        .invalidOperand, "a window of \(span(axis)) over an extent of \(extent) padded by \(begin) and \(end)"
      )
    }
    guard ceilMode else { return room / strides[axis] + 1 }
    let positions = (room + strides[axis] - 1) / strides[axis] + 1
    // A position that starts in the padding behind does not count.
    return (positions - 1) * strides[axis] >= extent + begin ? positions - 1 : positions
  }

  func positions(_ extents: [Int]) throws(Diagnostic) -> [Int] {
    var all: [Int] = []
    for (axis, extent) in extents.enumerated() { all.append(try positions(axis, extent)) }
    return all
  }

  func positions(_ shape: [Dimension]) throws(Diagnostic) -> [Dimension] {
    var all: [Dimension] = []
    for (axis, dimension) in shape.enumerated() {
      if let extent = dimension.extent {
        all.append(.fixed(try positions(axis, extent)))
      } else {
        let isSame = autoPad == .sameUpper || autoPad == .sameLower
        let padded = isSame ? span(axis) - 1 : pads[axis] + pads[kernel.count + axis]
        let keeps = strides[axis] == 1 && autoPad != .valid && padded == span(axis) - 1
        all.append(keeps ? dimension : .unknown)
      }
    }
    return all
  }

  /// The input coordinate of a tap, which may lie outside.
  func source(_ axis: Int, position: Int, tap: Int, begin: Int) -> Int {
    position * strides[axis] + tap * dilations[axis] - begin
  }
}

extension Window {
  /// Names of spatial axes: the last is the width.
  static func names(_ prefix: String, _ rank: Int) -> [String] {
    let letters = rank <= 3 ? Array(["d", "h", "w"].suffix(rank)) : (0..<rank).map { "\($0)" }
    return letters.map { prefix + $0 }
  }

  /// The maps of the spatial dimensions, and whether any tap leaves the bounds. A tap of extent 1 has no
  /// axis (`none`).
  func maps(positions: [AxisID], taps: [AxisID], input: [Int]) throws(Diagnostic) -> ([AffineMap], Bool) {
    var maps: [AffineMap] = []
    var leaves = false
    for axis in kernel.indices {
      let begin = padding(axis, input[axis]).begin
      var map = AffineMap.axis(positions[axis], times: strides[axis]) + AffineMap(-begin)
      if !taps[axis].isNone { map = map + .axis(taps[axis], times: dilations[axis]) }
      maps.append(map)
      let last = (try self.positions(axis, input[axis]) - 1) * strides[axis] + span(axis) - 1 - begin
      leaves = leaves || begin > 0 || last >= input[axis]
    }
    return (maps, leaves)
  }
}
