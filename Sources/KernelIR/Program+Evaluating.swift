import Support
import Tensors

extension Program {
  /// The result for one element: the definition that every other way to run a program must equal.
  /// - Parameter input: what `input` reads, or nil for the post-program of a map.
  /// - Parameter operand: the element of an operand after its own pre-program.
  /// - Throws: `invalidKernel` where a step is not defined on its registers, a requantization constant is
  ///   out of range, or the program reads what does not exist; what `operand` throws.
  public func evaluate(
    input: Scalar?, tables: [Table], operand: (Int) throws(Diagnostic) -> Scalar
  ) throws(Diagnostic) -> Scalar {
    var values: [Scalar] = []
    values.reserveCapacity(steps.count)
    for register in steps.ids {
      let step = steps[register]
      guard step.reads.allSatisfy({ $0 < register }) else {
        throw Diagnostic(.invalidKernel, "P1: \(register) reads a later register")
      }
      values.append(try step.evaluate(values, input: input, tables: tables, operand: operand))
    }
    guard result.index < values.count else {
      throw Diagnostic(.invalidKernel, "P1: the result \(result) is not defined")
    }
    return values[result.index]
  }
}

extension Program.Step {
  /// - Precondition: the registers that the step reads have values.
  fileprivate func evaluate(
    _ values: [Scalar], input: Scalar?, tables: [Table], operand: (Int) throws(Diagnostic) -> Scalar
  ) throws(Diagnostic) -> Scalar {
    switch self {
    case .input:
      guard let input else { throw Diagnostic(.invalidKernel, "P2: there is no input") }
      return input
    case .operand(let index): return try operand(index)
    case .integer(let value): return .i32(value)
    case .float(let bits): return .f32(Float(bitPattern: bits))
    case .unary(let op, let value):
      if let result = op.apply(values[value.index]) { return result }
    case .binary(let op, let left, let right):
      if let result = op.apply(values[left.index], values[right.index]) { return result }
    case .fma(let a, let b, let c):
      if case .f32(let a) = values[a.index], case .f32(let b) = values[b.index],
        case .f32(let c) = values[c.index]
      {
        return .f32(Arithmetic.fma(a, b, c))
      }
    case .select(let condition, let a, let b):
      if case .i32(let condition) = values[condition.index] {
        return condition != 0 ? values[a.index] : values[b.index]
      }
    case .convert(let element, let value):
      if let result = element.convert(values[value.index]) { return result }
    case .requant(let sum, let multiplier, let shift, let zeroPoint, let low, let high):
      if case .i32(let sum) = values[sum.index], case .i32(let multiplier) = values[multiplier.index],
        case .i32(let shift) = values[shift.index], multiplier >= 0, (0...62).contains(shift), low <= high
      {
        return .i32(
          Arithmetic.requant(
            sum, multiplier: multiplier, shift: shift, zeroPoint: zeroPoint, low: low, high: high))
      }
    case .quantize(let value, let scale, let zeroPoint, let low, let high):
      if case .f32(let value) = values[value.index], case .f32(let scale) = values[scale.index], low <= high {
        return .i32(Arithmetic.quantize(value, scale: scale, zeroPoint: zeroPoint, low: low, high: high))
      }
    case .dequantize(let value, let scale, let zeroPoint):
      if case .i32(let value) = values[value.index], case .f32(let scale) = values[scale.index] {
        return .f32(Arithmetic.dequantize(value, scale: scale, zeroPoint: zeroPoint))
      }
    case .table(let index, let key):
      if tables.indices.contains(index), case .i32(let key) = values[key.index] {
        return tables[index].entry(at: key)
      }
    }
    throw Diagnostic(.invalidKernel, "P3: \(name) is not defined on \(reads.map { values[$0.index] })")
  }
}

extension Program.Unary {
  /// Nil where the operation is not defined on the kind.
  func apply(_ value: Scalar) -> Scalar? {
    switch (self, value) {
    case (.negate, .i32(let a)): .i32(Arithmetic.negate(a))
    case (.negate, .f32(let a)): .f32(Arithmetic.negate(a))
    case (.absolute, .i32(let a)): .i32(Arithmetic.absolute(a))
    case (.absolute, .f32(let a)): .f32(Arithmetic.absolute(a))
    case (.sqrt, .f32(let a)): .f32(Arithmetic.sqrt(a))
    case (.rsqrt, .f32(let a)): .f32(Arithmetic.rsqrt(a))
    case (.reciprocal, .f32(let a)): .f32(Arithmetic.reciprocal(a))
    case (.exp, .f32(let a)): .f32(Arithmetic.exp(a))
    case (.log, .f32(let a)): .f32(Arithmetic.log(a))
    case (.tanh, .f32(let a)): .f32(Arithmetic.tanh(a))
    case (.erf, .f32(let a)): .f32(Arithmetic.erf(a))
    case (.sigmoid, .f32(let a)): .f32(Arithmetic.sigmoid(a))
    case (.sin, .f32(let a)): .f32(Arithmetic.sin(a))
    case (.cos, .f32(let a)): .f32(Arithmetic.cos(a))
    case (.floor, .f32(let a)): .f32(Arithmetic.floor(a))
    case (.ceil, .f32(let a)): .f32(Arithmetic.ceil(a))
    case (.round, .f32(let a)): .f32(Arithmetic.roundHalfEven(a))
    case (.toFloat, .i32(let a)): .f32(Arithmetic.toFloat(a))
    case (.toInteger, .f32(let a)): .i32(Arithmetic.toInteger(a))
    case (.not, .i32(let a)): .i32(a == 0 ? 1 : 0)
    default: nil
    }
  }
}

extension Program.Binary {
  /// Nil where the operation is not defined on the kinds.
  func apply(_ left: Scalar, _ right: Scalar) -> Scalar? {
    switch (left, right) {
    case (.i32(let a), .i32(let b)): integer(a, b).map(Scalar.i32)
    case (.f32(let a), .f32(let b)): float(a, b)
    default: nil
    }
  }

  private func integer(_ a: Int32, _ b: Int32) -> Int32? {
    switch self {
    case .add: Arithmetic.add(a, b)
    case .subtract: Arithmetic.subtract(a, b)
    case .multiply: Arithmetic.multiply(a, b)
    case .maximum: Arithmetic.maximum(a, b)
    case .minimum: Arithmetic.minimum(a, b)
    case .equal: Arithmetic.equal(a, b)
    case .less: Arithmetic.less(a, b)
    case .lessOrEqual: Arithmetic.lessOrEqual(a, b)
    case .divide: nil
    case .and: a & b
    case .or: a | b
    case .xor: a ^ b
    case .shiftLeft: Arithmetic.shiftLeft(a, b)
    case .shiftRight: Arithmetic.shiftRight(a, b)
    }
  }

  private func float(_ a: Float, _ b: Float) -> Scalar? {
    switch self {
    case .add: .f32(Arithmetic.add(a, b))
    case .subtract: .f32(Arithmetic.subtract(a, b))
    case .multiply: .f32(Arithmetic.multiply(a, b))
    case .maximum: .f32(Arithmetic.maximum(a, b))
    case .minimum: .f32(Arithmetic.minimum(a, b))
    case .equal: .i32(Arithmetic.equal(a, b))
    case .less: .i32(Arithmetic.less(a, b))
    case .lessOrEqual: .i32(Arithmetic.lessOrEqual(a, b))
    case .divide: .f32(Arithmetic.divide(a, b))
    case .and, .or, .xor, .shiftLeft, .shiftRight: nil
    }
  }
}

extension ElementType {
  /// The value after storing it as this type and loading it again, or nil for the other kind.
  func convert(_ value: Scalar) -> Scalar? {
    switch value {
    case .i32(let value):
      integerRange.map { .i32(Arithmetic.clamp(Int64(value), low: $0.lowerBound, high: $0.upperBound)) }
    case .f32(let value): isFloat && fitsRegister ? .f32(round(value)) : nil
    }
  }
}

extension Table {
  /// The entry of a key, which is clamped to the table's keys. - Precondition: K9.
  public func entry(at key: Int32) -> Scalar {
    let index = min(max(Int(key) - Int(low), 0), entries.count - 1)
    return isFloat ? .f32(Float(bitPattern: entries[index])) : .i32(Int32(bitPattern: entries[index]))
  }
}
