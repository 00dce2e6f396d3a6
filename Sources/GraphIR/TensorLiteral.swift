import Support
import Tensors

extension TextWriter {
  /// The elements, `[0.5, -1.0]`, or `#` and the digest where there are more than `inlineLimit`. f32 and f64
  /// are the shortest decimals that read back, narrower floats their bits.
  mutating func write(literal tensor: Tensor) {
    guard tensor.count <= ConstantPool.inlineLimit else { return write("#\(tensor.digest)") }
    write("[")
    switch tensor.element {
    case .bool, .u4, .u8: list(tensor.elements(as: UInt8.self).map(Int64.init))
    case .i4, .i8: list(tensor.elements(as: Int8.self))
    case .i16: list(tensor.elements(as: Int16.self).map(Int64.init))
    case .u16: list(tensor.elements(as: UInt16.self).map(Int64.init))
    case .i32: list(tensor.elements(as: Int32.self))
    case .u32: list(tensor.elements(as: UInt32.self).map(Int64.init))
    case .i64: list(tensor.elements(as: Int64.self))
    case .u64: list(tensor.elements(as: UInt64.self).map(Bits.init(bits:)))
    case .f8e4m3, .f8e5m2: list(tensor.elements(as: UInt8.self).map { Bits(bits: UInt64($0)) })
    case .f16, .bf16: list(tensor.elements(as: UInt16.self).map { Bits(bits: UInt64($0)) })
    case .f32: list(tensor.elements(as: Float.self))
    case .f64: list(tensor.elements(as: Double.self).map(WideFloat.init(value:)))
    }
    write("]")
  }
}

extension TextReader {
  /// - Throws: `syntax`, also for a number that the element type does not hold, a wrong count of elements
  ///   and a digest that `constants` does not have.
  mutating func literal(of type: TensorType, constants: ConstantPool) throws(Diagnostic) -> Tensor {
    let start = self
    if accept("#") {
      let digest = try word()
      guard let tensor = constants[digest], tensor.type == type else {
        throw start.expected("the digest of a constant \(type) that lies beside the text")
      }
      return tensor
    }
    try expect("[")
    switch type.element {
    case .bool: return try integers(type, UInt8.self, within: 0...1)
    case .u4: return try integers(type, UInt8.self, within: 0...15)
    case .u8: return try integers(type, UInt8.self)
    case .i4: return try integers(type, Int8.self, within: -8...7)
    case .i8: return try integers(type, Int8.self)
    case .i16: return try integers(type, Int16.self)
    case .u16: return try integers(type, UInt16.self)
    case .i32: return try integers(type, Int32.self)
    case .u32: return try integers(type, UInt32.self)
    case .i64: return try integers(type, Int64.self)
    case .u64: return try bits(type, UInt64.self)
    case .f8e4m3, .f8e5m2: return try bits(type, UInt8.self)
    case .f16, .bf16: return try bits(type, UInt16.self)
    case .f32: return try tensor(type, try list(until: "]", of: Float.self))
    case .f64: return try tensor(type, try list(until: "]", of: WideFloat.self).map(\.value))
    }
  }

  private mutating func integers<Element: FixedWidthInteger & BitwiseCopyable>(
    _ type: TensorType, _: Element.Type, within range: ClosedRange<Element> = .min ... .max
  ) throws(Diagnostic) -> Tensor {
    let start = self
    let elements = try list(until: "]", of: Int64.self).map(Element.init(exactly:))
    let valid = elements.compactMap { $0.flatMap { range.contains($0) ? $0 : nil } }
    guard valid.count == elements.count else { throw start.expected("elements of \(type)") }
    return try start.tensor(type, valid)
  }

  private mutating func bits<Element: FixedWidthInteger & BitwiseCopyable>(
    _ type: TensorType, _: Element.Type
  ) throws(Diagnostic) -> Tensor {
    let start = self
    let elements = try list(until: "]", of: Bits.self).map { Element(exactly: $0.bits) }
    let valid = elements.compactMap(\.self)
    guard valid.count == elements.count else { throw start.expected("elements of \(type)") }
    return try start.tensor(type, valid)
  }

  private func tensor<Element: BitwiseCopyable>(
    _ type: TensorType, _ elements: [Element]
  ) throws(Diagnostic) -> Tensor {
    guard try type.elementCount() == elements.count else {
      throw Diagnostic(.syntax, at: location, "\(elements.count) elements are not \(type)")
    }
    return try Tensor(type, elements)
  }
}

/// `0x3f80`
private struct Bits: TextForm {
  let bits: UInt64

  init(bits: UInt64) { self.bits = bits }

  func write(to out: inout TextWriter) { out.write("0x" + String(bits, radix: 16)) }

  init(parsing text: inout TextReader) throws(Diagnostic) {
    let start = text
    let word = try text.word()
    guard word.hasPrefix("0x"), let bits = UInt64(word.dropFirst(2), radix: 16) else {
      throw start.expected("bits in hexadecimal")
    }
    self.bits = bits
  }
}

private struct WideFloat: TextForm {
  let value: Double

  init(value: Double) { self.value = value }

  func write(to out: inout TextWriter) {
    out.write(value.isFinite ? value.description : "0x" + String(value.bitPattern, radix: 16))
  }

  init(parsing text: inout TextReader) throws(Diagnostic) {
    let start = text
    let word = try text.word()
    let bits = word.hasPrefix("0x") ? UInt64(word.dropFirst(2), radix: 16).map(Double.init(bitPattern:)) : nil
    guard let value = bits ?? Double(word) else { throw start.expected("a number") }
    self.value = value
  }
}
