import KernelIR
import Support
import Tensors

/// Small valid kernels with arguments, for differential tests: equal for equal seeds. At most about 20,000
/// points; all ranks from 0 on, rarely an extent of 0.
public enum RandomKernel {
  public enum Form: String, CaseIterable, Sendable {
    case contract
    case map
    case reduce
    case move
    case gather
    case scatter
  }

  /// - Parameter integerTarget: only what an int8 machine has: i8, i32 and f32 elements, contractions of
  ///   i8, no bit operations. Programs in f32 stay.
  /// - Throws: nothing unless the generator has a bug.
  public static func make(
    form: Form, integerTarget: Bool = false, using random: inout SeededRandom
  ) throws -> (kernel: Kernel, arguments: [Tensor]) {
    var generator = KernelGenerator(random: random, integerTarget: integerTarget)
    switch form {
    case .contract: try generator.contract()
    case .map: try generator.map()
    case .reduce: try generator.reduce()
    case .move: try generator.move()
    case .gather: try generator.gather()
    case .scatter: try generator.scatter()
    }
    random = generator.random
    return (generator.kernel, generator.arguments)
  }
}

/// A kernel under construction, its arguments beside it.
struct KernelGenerator {
  var random: SeededRandom
  let integerTarget: Bool
  var kernel = Kernel(.map, .f32)
  var arguments: [Tensor] = []

  init(random: SeededRandom, integerTarget: Bool) {
    self.random = random
    self.integerTarget = integerTarget
  }

  // MARK: choices

  mutating func pick<Item>(_ items: [Item]) -> Item { items[Int.random(in: 0..<items.count, using: &random)] }
  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
  mutating func chance(_ percent: Int) -> Bool { int(1...100) <= percent }

  /// `count` extents whose product is at most `limit`.
  mutating func extents(_ count: Int, limit: Int = 20_000) -> [Int] {
    var extents = (0..<count).map { _ in pick([1, 2, 3, 5, 8, 15, 16, 17]) }
    while extents.reduce(1, *) > limit {
      guard let largest = extents.indices.max(by: { extents[$0] < extents[$1] }) else { break }
      extents[largest] = pick([1, 2, 3])
    }
    if count > 0, chance(2) { extents[int(0...(count - 1))] = 0 }
    return extents
  }

  /// Axes of these extents, e.g. for the dimensions of a result.
  mutating func axes(_ name: String, _ extents: [Int], _ role: Axis.Role = .parallel) -> [AxisID] {
    extents.enumerated().map { kernel.axis("\(name)\($0)", $1, role) }
  }

  // MARK: operands

  /// Appends an operand over these maps and an argument for it. The offsets of the maps are moved so that
  /// the coordinates lie within the bounds, or leave them by up to two steps where it may be read outside.
  @discardableResult
  mutating func append(
    _ element: ElementType, _ maps: [AffineMap], outside: Operand.Outside = .never, pre: Program = .identity,
    box: [Range<Int>] = [], values: Values = .any
  ) throws -> Int {
    let ranges = kernel.form == .move ? box : kernel.ranges
    var placed: [AffineMap] = []
    var shape: [Int] = []
    for map in maps {
      var map = map
      if map.terms.contains(where: { ranges[$0.axis.index].isEmpty }) {
        placed.append(map)
        shape.append(chance(50) ? 0 : 2)
        continue
      }
      let interval = map.interval(over: ranges) ?? 0...0
      let span = interval.upperBound - interval.lowerBound
      if outside == .never {
        let before = chance(80) ? 0 : int(1...2)
        map.offset += before - interval.lowerBound
        shape.append(before + span + 1 + (chance(80) ? 0 : int(1...2)))
      } else {
        map.offset -= interval.lowerBound + int(0...2)
        shape.append(max(1, span + 1 - int(0...2)))
      }
      placed.append(map)
    }
    let type = TensorType(element, shape)
    kernel.operands.append(Operand(type, placed, outside: outside, pre: pre, box: box))
    arguments.append(try tensor(type, values))
    return kernel.operands.count - 1
  }

  /// Maps of a broadcasting operand: some of `axes`, sometimes strided, reversed or beside a constant.
  mutating func broadcast(over axes: [AxisID], dense: Bool = false) -> [AffineMap] {
    var maps: [AffineMap] = []
    for axis in axes {
      switch int(1...10) {
      case 1...7: maps.append(.axis(axis))
      case 8 where !dense: maps.append(.axis(axis, times: pick([-1, 2, -2])))
      case 9: maps.append(0)
      default: break
      }
    }
    if !dense, maps.count > 1, chance(15) { maps.swapAt(0, maps.count - 1) }
    return maps
  }

  /// A value of the element type to read outside the bounds.
  mutating func fill(_ element: ElementType) -> Operand.Outside {
    if element.isFloat { return .fill(pick([0, Float(1).bitPattern, Float(-2).bitPattern])) }
    let range = element.integerRange ?? 0...0
    return .fill(
      UInt32(bitPattern: Int32(max(Int(range.lowerBound), min(Int(range.upperBound), int(-8...8))))))
  }

  // MARK: elements

  /// What programs may read and results may be.
  var elements: [ElementType] {
    integerTarget
      ? [.i8, .i8, .i32, .f32]
      : [.i8, .u8, .i32, .f32, .f32, .bf16, .f16, .f8e4m3, .f8e5m2, .i16, .bool, .i4]
  }

  mutating func element(_ kind: Program.Kind) -> ElementType {
    pick(elements.filter { Program.Kind($0) == kind })
  }

  /// What an argument holds.
  enum Values {
    /// Integers over the whole type (i32: 17 bits); floats mostly within ±4, rarely a special value.
    case any
    case within(ClosedRange<Int>)
    /// Positive floats.
    case scales
  }

  mutating func tensor(_ type: TensorType, _ values: Values) throws -> Tensor {
    let count = try type.elementCount()
    var scalars: [Scalar] = []
    scalars.reserveCapacity(count)
    for _ in 0..<count { scalars.append(scalar(type.element, values)) }
    return try Tensor(type) { scalars[$0] }
  }

  private mutating func scalar(_ element: ElementType, _ values: Values) -> Scalar {
    switch values {
    case .within(let range): return element.isFloat ? .f32(Float(int(range))) : .i32(Int32(int(range)))
    case .scales: return .f32(Float.random(in: 0.01...2, using: &random))
    case .any: break
    }
    guard element.isFloat else {
      let range = element.integerRange ?? 0...0
      return .i32(
        Int32.random(in: max(range.lowerBound, -65536)...min(range.upperBound, 65536), using: &random))
    }
    if chance(3) {
      return .f32(pick([0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -3e38, 448, 65504]))
    }
    return .f32(Float.random(in: -4...4, using: &random))
  }
}
