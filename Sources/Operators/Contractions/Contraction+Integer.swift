import GraphIR
import KernelIR
import Support
import Tensors

extension LoweringContext {
  /// Σ (left - zl) · (right - zr) exactly in i32, plus an i32 bias, requantized per channel; or nil where
  /// operands and result are not quantized to integers.
  /// - Throws: `notLowered` where the sum may leave 32 bits or a scale the range of `requant`.
  mutating func integerContraction(_ contraction: Contraction) throws(Diagnostic) -> BufferID? {
    let (left, right) = (
      try operand(contraction.factors.left), try operand(contraction.factors.right)
    )
    guard let target = results[0].quantization, target.axis == nil, target.scale.count == 1,
      let limits = results[0].stored.element.integerRange, results[0].stored.element != .i32,
      left.isSmallInteger, right.isSmallInteger, let leftZero = left.zeroPoint,
      let rightZero = right.zeroPoint, contraction.alpha > 0, contraction.beta == 1,
      let scale = ContractionScale(contraction, left.quantization, right.quantization)
    else { return nil }
    let effective = scale.exact.map { $0 * Double(contraction.alpha) }

    var kernel = contraction.kernel
    var buffers = [left.buffer, right.buffer]
    kernel.operands[0].type = left.stored
    kernel.operands[1].type = right.stored
    for (index, zero) in [leftZero, rightZero].enumerated() {
      kernel.operands[index].pre = .less(zero)
      if kernel.operands[index].outside == .skip {
        kernel.operands[index].outside = .fill(UInt32(bitPattern: zero))
      }
    }
    var biasBound: Int = 0
    if let bias = contraction.bias {
      guard let found = try integerBias(bias, effective, scale.map) else { return nil }
      kernel.operands.append(Operand(TensorType(.i32, try operand(bias.operand).stored.shape), bias.maps))
      buffers.append(found.buffer)
      biasBound = found.bound
    }
    try proveSum(kernel, left, right, biasBound)

    var parameters: [RequantParameters] = []
    for value in effective {
      parameters.append(try .lowered(scale: value / Double(target.scale[0])))
    }
    let vectors = kernel.operands.count
    if parameters.count > 1 {
      for values in [parameters.map(\.multiplier), parameters.map(\.shift)] {
        let tensor = try Tensor(TensorType(.i32, [values.count]), values)
        kernel.operands.append(Operand(tensor.type, [scale.map]))
        buffers.append(constant(tensor))
      }
    }
    let zero = target.zeroPoint[0]
    let low = contraction.activation == .relu ? max(limits.lowerBound, zero) : limits.lowerBound
    kernel.post = Program { program in
      var sum = program.append(.input)
      if contraction.bias != nil { sum = program.append(.add, sum, program.append(.operand(2))) }
      let isOne = parameters.count == 1
      let multiplier = program.append(isOne ? .integer(parameters[0].multiplier) : .operand(vectors))
      let shift = program.append(isOne ? .integer(parameters[0].shift) : .operand(vectors + 1))
      return program.append(
        .requant(
          sum, multiplier: multiplier, shift: shift, zeroPoint: zero, low: low, high: limits.upperBound))
    }
    kernel.element = results[0].stored.element
    return storedKernel(kernel, buffers)
  }

  /// Adds the contraction of 8-bit integers less their zero points, operands 2 and 3, to i32; nil where a
  /// zero point is not one constant or the sum may leave 32 bits.
  mutating func contractIntegers(_ kernel: Kernel) throws(Diagnostic) -> BufferID? {
    var kernel = kernel
    let length = try product(kernel.reductionAxes.map { kernel.axes[$0].extent })
    guard length <= Int(Int32.max) / (255 * 255) else { return nil }
    for index in 0..<2 {
      var zero: Int32 = 0
      if has(index + 2) {
        guard let points = try integers(index + 2), points.count == 1 else { return nil }
        zero = Int32(clamping: points[0])
      }
      kernel.operands[index].pre = .less(zero)
      if kernel.operands[index].outside == .skip {
        kernel.operands[index].outside = .fill(UInt32(bitPattern: zero))
      }
    }
    kernel.element = .i32
    return self.kernel(kernel, [try operand(0).buffer, try operand(1).buffer])
  }

  /// The bias as i32 in units of the product of scales, and the largest magnitude in it; nil where it is
  /// neither such an i32 nor constant.
  private mutating func integerBias(
    _ bias: (operand: Int, maps: [AffineMap]), _ scale: [Double], _ channel: AffineMap
  ) throws(Diagnostic) -> (buffer: BufferID, bound: Int)? {
    let operand = try operand(bias.operand)
    let shape = operand.stored.shape
    let long = shape.indices.filter { shape[$0] != 1 }
    let isAlongChannel = scale.count == 1 || (long.count == 1 && bias.maps[long[0]] == channel)
    guard isAlongChannel || (long.isEmpty && scale.count == 1), let constant = operand.constant else {
      return nil
    }
    if let quantization = operand.quantization {
      guard operand.stored.element == .i32, quantization.zeroPoint.allSatisfy({ $0 == 0 }) else { return nil }
      let stated =
        quantization.scale.count == 1 && scale.count > 1
        ? scale.map { _ in quantization.scale[0] } : quantization.scale
      let agrees =
        stated.count == scale.count
        && zip(stated, scale).allSatisfy { abs(Double($0) - $1) <= 1e-6 * $1 }
      guard agrees else { return nil }
      let bound = constant.elements(as: Int32.self).map { Int($0.magnitude) }.max() ?? 0
      return (operand.buffer, bound)
    }
    let values = constant.doubleElements().enumerated().map { index, value in
      (value / scale[scale.count == 1 ? 0 : index]).rounded(.toNearestOrEven)
    }
    guard values.allSatisfy({ $0.magnitude < 0x1p31 }) else {
      throw Diagnostic(.notLowered, "a bias leaves 32 bits in units of the product of scales")
    }
    let integers = values.map { Int32($0) }
    let buffer = self.constant(try Tensor(TensorType(.i32, shape), integers))
    return (buffer, integers.map { Int($0.magnitude) }.max() ?? 0)
  }

  /// Proves that no sum leaves 32 bits: Σ|w - zw| · max|x - zx| + |bias| < 2^31 for every channel, with the
  /// factor that is constant as w.
  private func proveSum(
    _ kernel: Kernel, _ left: Argument, _ right: Argument, _ bias: Int
  ) throws(Diagnostic) {
    let length = try product(kernel.reductionAxes.map { kernel.axes[$0].extent })
    var bound = try (ByteCount(length) * left.largest * right.largest).bytes
    for (index, weights, other) in [(1, right, left), (0, left, right)] {
      guard let constant = weights.constant, let zero = weights.zeroPoint else { continue }
      let sums = kernel.magnitudes(index, constant, zero: zero)
      bound = min(bound, try (ByteCount(sums.max() ?? 0) * other.largest).bytes)
    }
    guard bound < Int(Int32.max) - bias else {
      throw Diagnostic(
        .notLowered, "a sum may reach \(bound) + \(bias), allowed are 2147483647",
        help: "quantize the node's weights more coarsely or leave the node in float")
    }
  }
}

extension LoweringContext.Argument {
  var isSmallInteger: Bool {
    quantization != nil && (stored.element.size == 1 && !stored.element.isFloat && stored.element != .bool)
  }

  /// The one zero point of all elements, or nil.
  var zeroPoint: Int32? {
    guard let points = quantization?.zeroPoint, let first = points.first else { return nil }
    return points.allSatisfy { $0 == first } ? first : nil
  }

  /// max|x - zx| over all x that the type holds.
  var largest: Int {
    guard let range = stored.element.integerRange, let zero = zeroPoint else { return Int(UInt32.max) }
    return max(Int(range.upperBound) - Int(zero), Int(zero) - Int(range.lowerBound))
  }
}

extension Kernel {
  /// Σ|element - zero| of the operand's elements that share all coordinates which no reduction axis moves.
  fileprivate func magnitudes(_ index: Int, _ constant: Tensor, zero: Int32) -> [Int] {
    let kept = operands[index].maps.indices.filter { dimension in
      operands[index].maps[dimension].terms.allSatisfy { axes[$0.axis].role == .parallel }
    }
    let shape = constant.shape
    var sums = [Int](repeating: 0, count: max(kept.reduce(1) { $0 * shape[$1] }, 1))
    var strides = [Int](repeating: 0, count: shape.count)
    var stride = 1
    for dimension in kept.reversed() {
      strides[dimension] = shape[dimension] == 1 ? 0 : stride
      stride *= shape[dimension]
    }
    // Runs of elements, in each of which the sum stays or moves on by one.
    var outer = shape.count
    while outer > 0, strides[outer - 1] == 0 { outer -= 1 }
    let step = outer == shape.count && outer > 0 ? 1 : 0
    if step == 1 { outer -= 1 }
    let run = shape[outer...].reduce(1, *)
    var start = 0
    forEachCoordinate(of: Array(shape[..<outer])) { coordinate in
      var target = 0
      for (place, stride) in zip(coordinate, strides) { target += place * stride }
      constant.addMagnitudes(start..<start + run, zero: zero, to: &sums, from: target, step: step)
      start += run
    }
    return sums
  }
}

extension Tensor {
  /// Adds |element - zero| to sums, the first at `target`, each next one `step` behind, which is 0 or 1.
  fileprivate func addMagnitudes(
    _ range: Range<Int>, zero: Int32, to sums: inout [Int], from target: Int, step: Int
  ) {
    guard element == .i8, step == 0 else {
      for (index, position) in range.enumerated() {
        if case .i32(let value) = self[position] {
          sums[target + index * step] += Int((value &- zero).magnitude)
        }
      }
      return
    }
    sums[target] += withBytes { bytes in
      guard let values = bytes.baseAddress?.assumingMemoryBound(to: Int8.self) else { return 0 }
      var sum = 0
      for position in range {
        let value = Int32(values[position]) &- zero
        sum &+= Int(value < 0 ? 0 &- value : value)
      }
      return sum
    }
  }
}
