import Support
import Tensors

extension TextWriter {
  /// The elements, `[0.5, -1.0]`, or `#` and the digest where there are more than `inlineLimit`.
  mutating func write(literal tensor: Tensor) {
    if tensor.count <= ConstantPool.inlineLimit {
      tensor.write(to: &self)
    } else {
      write("#\(tensor.digest)")
    }
  }
}

extension TextReader {
  /// - Throws: `syntax`, also for elements that are not of the type and for a digest that `constants` does not
  ///   have; `sizeOverflow`.
  mutating func literal(of type: TensorType, constants: ConstantPool) throws(Diagnostic) -> Tensor {
    let start = self
    guard accept("#") else { return try Tensor(type, parsing: &self) }
    let digest = try word()
    guard let tensor = constants[digest], tensor.type == type else {
      throw start.expected("the digest of a constant \(type) that lies beside the text")
    }
    return tensor
  }
}
