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
    let x = try operand(0)
    let result = results[0]
    guard x.isSmallInteger, let zero = x.zeroPoint, let source = x.quantization, source.axis == nil,
      source.scale.count == 1, let target = result.quantization, target.axis == nil, target.scale.count == 1,
      result.stored.element.size == 1, let limits = result.stored.element.integerRange, count > 0,
      source.scale[0] != target.scale[0] || count % 2 != 0
    else { return nil }
    let length = try product(kernel.reductionAxes.map { kernel.axes[$0].extent })
    guard try (ByteCount(length) * x.largest).bytes < Int(Int32.max), let axis = kernel.weightedAxis else {
      return nil
    }
    var contraction = kernel
    contraction.form = .contract
    contraction.operands[0].type = x.stored
    if zero != 0 {
      contraction.operands[0].pre = Program { program in
        let input = program.append(.input)
        return program.append(.subtract, input, program.append(constant: zero))
      }
    }
    if contraction.operands[0].outside == .skip {
      contraction.operands[0].outside = .fill(UInt32(bitPattern: zero))
    }
    let ones = [Int8](repeating: 1, count: kernel.axes[axis].extent)
    let weights = try Tensor(TensorType(.i8, [ones.count]), ones)
    contraction.operands.append(Operand(weights.type, [.axis(axis)]))
    let scale = Double(source.scale[0]) / (Double(count) * Double(target.scale[0]))
    let parameters = try requantParameters(scale)
    contraction.post = Program { program in
      program.append(
        .requant(
          program.append(.input), multiplier: program.append(.integer(parameters.multiplier)),
          shift: program.append(.integer(parameters.shift)), zeroPoint: target.zeroPoint[0],
          low: limits.lowerBound, high: limits.upperBound))
    }
    contraction.element = result.stored.element
    return storedKernel(contraction, [x.buffer, constant(weights)])
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
