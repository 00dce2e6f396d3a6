import CKernels
import KernelIR
import Support
import Tensors

/// What the kernels in C compute in.
enum ContractKind: Sendable {
  case f32
  /// FP8, exactly.
  case f64
  case i8

  var size: Int {
    switch self {
    case .f32: 4
    case .f64: 8
    case .i8: 1
    }
  }

  /// Of an element of the sums.
  var sumSize: Int { self == .f64 ? 8 : 4 }

  var name: String {
    switch self {
    case .f32: "f32"
    case .f64: "fp8"
    case .i8: "i8"
    }
  }
}

/// An operand of an integer contraction as bytes: value = byte (signed or not) - zero.
struct ByteForm: Sendable {
  let isSigned: Bool
  let zero: Int32
  /// Whether the elements must be copied to become such bytes.
  let needsCopy: Bool
  /// Largest |value|.
  let magnitude: Int

  /// Nil for wider types and for pre-programs that are no zero point.
  init?(_ operand: Operand) {
    let element = operand.type.element
    guard element.size == 1, let range = element.integerRange, let zero = Self.zeroPoint(operand.pre) else {
      return nil
    }
    self.zero = zero
    isSigned = range.lowerBound < 0
    needsCopy = element != .i8 && element != .u8
    magnitude = max(abs(Int(range.lowerBound) - Int(zero)), abs(Int(range.upperBound) - Int(zero)))
  }

  /// The element type of the bytes.
  var element: ElementType { isSigned ? .i8 : .u8 }

  /// z of a program that is input - z.
  private static func zeroPoint(_ program: Program) -> Int32? {
    if program.isIdentity { return 0 }
    guard program.steps.count == 3, program.result.index == 2,
      case .binary(let op, let left, let right) = program.steps[program.result]
    else { return nil }
    switch (op, program.steps[left], program.steps[right]) {
    case (.subtract, .input, .integer(let zero)) where abs(Int(zero)) < 1 << 16: return zero
    case (.add, .input, .integer(let added)) where abs(Int(added)) < 1 << 16: return -added
    case (.add, .integer(let added), .input) where abs(Int(added)) < 1 << 16: return -added
    default: return nil
    }
  }
}

/// Memory that is written once and then only read.
final class AlignedMemory: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let count: Int

  init(_ count: Int) {
    self.count = count
    // Kernels may load a whole register at the end.
    base = .allocate(byteCount: max(count, 1) + 64, alignment: 64)
  }

  deinit { base.deallocate() }
}

/// An operand as it is read by the contraction: where it lies, or a copy made first, with other element
/// type, other order of dimensions or values where the kernel fills.
struct PreparedOperand: Sendable {
  /// As the contraction then reads it; its pre-program no longer counts.
  let operand: Operand
  let layout: Layout
  private let copy: (any KernelPlan)?
  private let count: Int
  private let widens: Bool

  var isInPlace: Bool { copy == nil }

  /// Read in place.
  init(inPlace operand: Operand, _ layout: Layout) {
    self.operand = operand
    self.layout = layout
    copy = nil
    count = 0
    widens = false
  }

  /// - Parameter element: of the copy. - Parameter order: its dimensions, outermost first.
  /// - Parameter ranges: of the axes of the kernel that reads it.
  init(
    copying operand: Operand, _ old: Layout, of kernel: Kernel, as kind: ContractKind, _ element: ElementType,
    order: [Int], padded: Bool
  ) throws(Diagnostic) {
    let shape = operand.type.shape
    let spans = shape.indices.map { dimension -> ClosedRange<Int> in
      let whole = 0...max(shape[dimension] - 1, 0)
      return padded ? operand.maps[dimension].interval(over: kernel.ranges) ?? whole : whole
    }
    let pre = kind == .i8 ? Program.identity : operand.pre
    let isPlain = pre.isIdentity && operand.type.element == element
    var map = Kernel(isPlain ? .move : .map, element)
    map.tables = kernel.tables
    let maps = spans.indices.map { dimension -> AffineMap in
      let axis = map.axis("d\(dimension)", spans[dimension].count)
      return .axis(axis) + AffineMap(spans[dimension].lowerBound)
    }
    map.operands = [
      Operand(
        operand.type, maps, outside: padded ? operand.outside : .never, pre: pre,
        box: isPlain ? map.ranges : [])
    ]
    if !isPlain { map.post = Program { $0.append(.operand(0)) } }
    let type = TensorType(element, spans.map(\.count))
    layout = Layout(type.shape, order: order)
    copy = isPlain ? try MovePlan(map, [old], result: layout) : try MapPlan(map, [old], result: layout)
    count = try type.elementCount()
    widens = kind == .f64
    let shifted = zip(operand.maps, spans).map { map, span in map + AffineMap(-span.lowerBound) }
    self.operand = Operand(type, shifted, outside: padded ? .never : operand.outside)
  }

  /// The operand's memory for this run, and what keeps it alive.
  func memory(
    _ argument: UnsafeRawPointer, _ context: RunContext
  ) throws(Diagnostic) -> (base: UnsafeRawPointer, owner: AlignedMemory?) {
    guard let copy else { return (argument, nil) }
    let copied = AlignedMemory(count * operand.type.element.size)
    try copy.run([argument], copied.base, context)
    guard widens else { return (UnsafeRawPointer(copied.base), copied) }
    let wide = AlignedMemory(count * 8)
    let (from, to) = (
      copied.base.assumingMemoryBound(to: Float.self), wide.base.assumingMemoryBound(to: Double.self)
    )
    for index in 0..<count { to[index] = Double(from[index]) }
    withExtendedLifetime(copied) {}
    return (UnsafeRawPointer(wide.base), wide)
  }
}
