import Support
import Tensors

/// The axes of a contraction by what uses them, each list in the order of the axes.
public struct ContractionAxes: Equatable, Sendable {
  /// Parallel, in both factors.
  public var batch: [AxisID] = []
  /// Parallel, in factor 0 alone.
  public var m: [AxisID] = []
  /// Parallel, in factor 1 alone.
  public var n: [AxisID] = []
  /// Parallel, in neither: the result repeats along them.
  public var repeated: [AxisID] = []
  /// Reduction axes, whichever factors use them.
  public var k: [AxisID] = []

  public init(batch: [AxisID] = [], m: [AxisID] = [], n: [AxisID] = [], k: [AxisID] = []) {
    self.batch = batch
    self.m = m
    self.n = n
    self.k = k
  }
}

extension Kernel {
  /// Whether a map of the operand has a term for the axis.
  public func uses(_ axis: AxisID, _ operand: Int) -> Bool {
    operands[operand].maps.contains { $0.coefficient(of: axis) != 0 }
  }

  /// - Precondition: a verified contraction.
  public var contractionAxes: ContractionAxes {
    var axes = ContractionAxes()
    for axis in self.axes.ids {
      guard self.axes[axis].role == .parallel else {
        axes.k.append(axis)
        continue
      }
      switch (uses(axis, 0), uses(axis, 1)) {
      case (true, true): axes.batch.append(axis)
      case (true, false): axes.m.append(axis)
      case (false, true): axes.n.append(axis)
      case (false, false): axes.repeated.append(axis)
      }
    }
    return axes
  }

  /// What an operand's pre-program subtracts from the stored integer: 0 for the identity, the immediate of a
  /// subtraction (or of the addition of its negative), the zero point of a dequantization. Nil for any other
  /// program and for stored floats.
  public func zeroPoint(ofOperand index: Int) -> Int32? {
    let operand = operands[index]
    guard !operand.type.element.isFloat else { return nil }
    let steps = operand.pre.withoutDeadSteps.steps
    func immediate(_ register: Register) -> Int32? {
      if case .integer(let value) = steps[register] { value } else { nil }
    }
    func isInput(_ register: Register) -> Bool { steps[register] == .input }
    guard let last = steps.ids.last else { return nil }
    switch steps[last] {
    case .input: return 0
    case .binary(.subtract, let left, let right):
      return isInput(left) ? immediate(right) : nil
    case .binary(.add, let left, let right):
      let offset = isInput(left) ? immediate(right) : isInput(right) ? immediate(left) : nil
      return offset.flatMap { $0 == .min ? nil : -$0 }
    case .dequantize(let value, _, let zeroPoint): return isInput(value) ? zeroPoint : nil
    default: return nil
    }
  }

  /// The operands for the post-program that hold one value per index of one axis, with that axis, or a
  /// single value, with nil: biases, scales and multipliers.
  /// - Parameter isConstant: whether the argument of an operand is known at compile time.
  public func vectorsAlongAxes(
    where isConstant: (Int) -> Bool = { _ in true }
  ) -> [(operand: Int, axis: AxisID?)] {
    var vectors: [(operand: Int, axis: AxisID?)] = []
    for index in operands.indices.dropFirst(isCopy ? operands.count : formOperandCount) {
      let operand = operands[index]
      guard operand.outside == .never, isConstant(index) else { continue }
      var axis: AxisID?
      let isVector = zip(operand.maps, operand.type.shape).allSatisfy { map, extent in
        if map == 0 { return extent == 1 }
        guard axis == nil, let sole = map.soleAxis, axes[sole].extent == extent else { return false }
        axis = sole
        return true
      }
      if isVector { vectors.append((index, axis)) }
    }
    return vectors
  }
}

extension KernelGraph {
  /// Constant vectors and scalars that the post-program of a node reads, by `Kernel.vectorsAlongAxes`.
  public func constantVectors(of id: KernelID) -> [(operand: Int, axis: AxisID?)] {
    let node = nodes[id]
    return node.kernel?.vectorsAlongAxes { buffers[node.operands[$0]].constant != nil } ?? []
  }
}
