import GraphIR
import KernelIR
import Support
import Tensors

/// 1 where x is above the threshold, else 0, in the type of x.
public struct Binarizer: Operator {
  public var threshold: Float = 0

  public static let schema = Schema("Binarizer", domain: "ai.onnx.ml", since: [1], operands: 1...1)
  public static let fields: [AttributeField<Binarizer>] = [AttributeField("threshold", \.threshold)]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    [try context.type(0, of: FeatureRows.elements)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let values = x.doubleElements().map { $0 > Double(threshold) ? 1.0 : 0 }
    return [try Tensor.doubles(x.shape, values).converted(to: x.element)]
  }
}
