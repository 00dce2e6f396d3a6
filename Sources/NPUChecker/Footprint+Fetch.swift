import Machine
import NPUISA
import Support
import Tensors

/// The bytes that a fetch reads: of all elements those that are valid and inside.
extension Footprint {
  mutating func fetch(_ tensor: TensorInstruction, _ slices: [Int]) {
    let first = Int(tensor.firstSlice)
    // Slices whose bounds say the same read the same.
    var groups: [(terms: [Int], slices: [Int])] = []
    for slice in slices {
      let j = slice - first
      let terms = tensor.fetch.bounds.map { j / Int($0.divisor) % Int($0.modulus) * Int($0.step) }
      if let index = groups.firstIndex(where: { $0.terms == terms }) {
        groups[index].slices.append(slice)
      } else {
        groups.append((terms, [slice]))
      }
    }
    for group in groups {
      let constraints = Constraint.of(tensor, terms: group.terms)
      guard let places = places(tensor, constraints) else { continue }
      add(.sram, .read, group.slices, places, "the fetch")
    }
  }

  /// Axes that no constraint ties together spread apart; the others are enumerated jointly.
  private mutating func places(_ tensor: TensorInstruction, _ constraints: [Constraint]) -> Intervals? {
    let size = tensor.fetch.element.size
    var axes = tensor.loops.indices.filter { tensor.loops[$0].kind == .time }.map {
      Axis(number: $0, size: Int(tensor.loops[$0].size), stride: Int(tensor.loops[$0].fetchStride))
    }
    axes.append(
      Axis(number: Constraint.element, size: Int(tensor.fetch.packetElements), stride: size))
    var pieces: [(key: Int, piece: Piece)] = []
    var left = axes
    while let start = left.first {
      var group = [start]
      left.removeFirst()
      var tied: [Constraint] = []
      var grows = true
      while grows {
        grows = false
        for constraint in constraints where !tied.contains(constraint) {
          guard group.contains(where: { constraint.coefficient($0.number) != 0 }) else { continue }
          tied.append(constraint)
          for axis in left where constraint.coefficient(axis.number) != 0 {
            group.append(axis)
            left.removeAll { $0.number == axis.number }
          }
          grows = true
        }
      }
      let key = group.map { abs($0.stride) }.min() ?? 0
      if tied.isEmpty {
        pieces.append((key, .loop(start.size, start.stride)))
      } else if let offsets = Self.offsets(group, tied) {
        pieces.append((key, .offsets(offsets)))
      } else {
        tooLarge("the fetch")
        return nil
      }
    }
    // Constraints that no axis moves hold for all elements or for none.
    for constraint in constraints where axes.allSatisfy({ constraint.coefficient($0.number) == 0 }) {
      guard constraint.range.contains(constraint.origin) else { return nil }
    }
    let base = Int(tensor.fetch.base)
    var places = Intervals(base..<(base + size))
    var isExact = true
    for (_, piece) in pieces.sorted(by: { $0.key < $1.key }) {
      switch piece {
      case .loop(let count, let stride): isExact = places.spread(count, by: stride) && isExact
      case .offsets(let offsets): isExact = places.spread(over: offsets) && isExact
      }
    }
    if !isExact { tooLarge("the fetch") }
    return places
  }

  private enum Piece {
    case loop(Int, Int)
    case offsets([Int])
  }

  private struct Axis {
    let number: Int
    let size: Int
    let stride: Int
  }

  /// The different offsets of all indices that meet the constraints, or nil if there are too many to try.
  private static func offsets(_ axes: [Axis], _ constraints: [Constraint]) -> [Int]? {
    let count = axes.reduce(1) { min($0 * $1.size, 1 << 40) }
    guard count <= 1 << 23 else { return nil }
    var offsets: [Int] = []
    var index = [Int](repeating: 0, count: axes.count)
    var values = constraints.map(\.origin)
    let steps = axes.map { axis in constraints.map { $0.coefficient(axis.number) } }
    var offset = 0
    while true {
      if zip(constraints, values).allSatisfy({ $0.range.contains($1) }) { offsets.append(offset) }
      var axis = axes.count - 1
      while axis >= 0 {
        index[axis] += 1
        let back = index[axis] == axes[axis].size
        let times = back ? 1 - axes[axis].size : 1
        offset += times * axes[axis].stride
        for number in values.indices { values[number] += times * steps[axis][number] }
        guard back else { break }
        index[axis] = 0
        axis -= 1
      }
      if axis < 0 { break }
    }
    offsets.sort()
    var different: [Int] = []
    for offset in offsets where different.last != offset { different.append(offset) }
    return different
  }
}

/// A value, affine in the time loops and the element of a packet, that must lie in a range.
private struct Constraint: Equatable {
  /// The number that stands for the element of a packet among the axes.
  static let element = -1

  let origin: Int
  let coefficients: [Int]
  let elementCoefficient: Int
  let range: Range<Int>

  func coefficient(_ axis: Int) -> Int { axis == Self.element ? elementCoefficient : coefficients[axis] }

  /// Those that some element breaks.
  static func of(_ tensor: TensorInstruction, terms: [Int]) -> [Constraint] {
    let fetch = tensor.fetch
    let packet = Int(fetch.packetElements)
    var all = zip(fetch.bounds, terms).map { bound, term in
      Constraint(
        origin: Int(bound.origin) + term, coefficients: bound.coefficients.map(Int.init),
        elementCoefficient: Int(bound.elementCoefficient), range: Int(bound.low)..<Int(bound.high))
    }
    if fetch.validLoop != 255 {
      var coefficients = [Int](repeating: 0, count: tensor.loops.count)
      coefficients[Int(fetch.validLoop)] = packet
      all.append(
        Constraint(
          origin: 0, coefficients: coefficients, elementCoefficient: 1,
          range: Int.min / 2..<Int(fetch.validCount)))
    }
    return all.filter { !$0.alwaysHolds(tensor, packet) }
  }

  private func alwaysHolds(_ tensor: TensorInstruction, _ packet: Int) -> Bool {
    var (low, high) = (origin, origin)
    func widen(_ size: Int, _ coefficient: Int) {
      let reach = (size - 1) * coefficient
      if reach < 0 { low += reach } else { high += reach }
    }
    for (loop, coefficient) in zip(tensor.loops, coefficients) { widen(Int(loop.size), coefficient) }
    widen(packet, elementCoefficient)
    return range.contains(low) && range.contains(high)
  }
}
