import GraphIR
import KernelIR
import Support
import Tensors

extension LoweringContext {
  /// The mean of 8-bit integers as a contraction with ones: Σ (x - zx) · 1, exact in any order, requantized by
  /// sx / (count · sy). Nil where operand and result are not quantized to 8 bits, where the sum may leave 32 bits, and
  /// where halves are common, since rule Q rounds them as f32 arithmetic has it: one scale before and after, and an even
  /// count.
  /// - Parameters:
  ///   - kernel: a sum, whose operand 0 is that of the node.
  ///   - count: the number of elements that the sum is divided by.
  mutating func integerMean(_ kernel: Kernel, count: Int) throws(Diagnostic) -> BufferID? {
    guard let integers = try SmallIntegers(self), count > 0, !integers.hasOneScale || count % 2 != 0 else {
      return nil
    }
    let length = try product(kernel.reductionAxes.map { kernel.axes[$0].extent })
    guard try (ByteCount(length) * integers.x.largest).bytes < Int(Int32.max), let axis = kernel.weightedAxis
    else { return nil }
    var contraction = kernel
    contraction.form = .contract
    integers.read(&contraction.operands[0])
    let ones = [Int8](repeating: 1, count: kernel.axes[axis].extent)
    let weights = try Tensor(TensorType(.i8, [ones.count]), ones)
    contraction.operands.append(Operand(weights.type, [.axis(axis)]))
    try integers.finish(&contraction, scale: integers.ratio / Double(count))
    return storedKernel(contraction, [integers.x.buffer, constant(weights)])
  }
}

extension Kernel {
  /// The axis that the ones of a mean lie along: what stays and is longest, so that its elements need not be added
  /// to each other; or, where the last dimension is summed over, that one.
  fileprivate var weightedAxis: AxisID? {
    guard let last = operands[0].maps.last?.terms.first(where: { axes[$0.axis].extent > 1 })?.axis else {
      return nil
    }
    let kept = axes(.parallel).filter { axis in
      axes[axis].extent > 1
        && operands[0].maps.contains {
          $0.terms.count == 1 && $0.terms[0].axis == axis && $0.terms[0].coefficient == 1
        }
    }
    if axes[last].role == .reduce,
      operands[0].maps.count(where: { $0.terms.contains { axes[$0.axis].role == .reduce } }) == 1
    {
      return last
    }
    return kept.max { (axes[$0].extent, $1) < (axes[$1].extent, $0) }
  }
}
