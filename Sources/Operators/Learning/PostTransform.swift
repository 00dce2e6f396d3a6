import KernelIR
import Support
import Tensors

/// What the operators of `ai.onnx.ml` do to the scores of a row at the end, in f32.
public enum PostTransform: String, AttributeChoice {
  case none = "NONE"
  case softmax = "SOFTMAX"
  case logistic = "LOGISTIC"
  /// Softmax under which a score of 0 stays 0.
  case softmaxZero = "SOFTMAX_ZERO"
  case probit = "PROBIT"

  func apply(_ scores: [Float]) -> [Float] {
    switch self {
    case .none: return scores
    case .logistic: return scores.map(Arithmetic.sigmoid)
    case .probit: return scores.map(Self.probit)
    case .softmax, .softmaxZero:
      let largest = Arithmetic.maximum(of: scores)
      let powers = scores.map { score in
        self == .softmaxZero && score.magnitude <= 1e-7
          ? 0 : Arithmetic.exp(Arithmetic.subtract(score, largest))
      }
      let sum = Arithmetic.sum(powers)
      return sum == 0 ? powers : powers.map { Arithmetic.divide($0, sum) }
    }
  }

  /// The two scores of a model that has one: `isComplement` where it is a share of 1. Of the transforms only
  /// logistic and probit apply to them.
  func pair(_ score: Float, isComplement: Bool) -> [Float] {
    switch self {
    case .logistic: return apply([-score, score])
    case .probit: return apply([1 - score, score])
    case .none, .softmax, .softmaxZero: return [isComplement ? 1 - score : -score, score]
    }
  }

  /// √2 · erf⁻¹(2x - 1) in Winitzki's approximation, which other runtimes use too.
  private static func probit(_ x: Float) -> Float {
    let centred = 2 * x - 1
    let log = Arithmetic.log((1 - centred) * (1 + centred))
    let half = 2 / (Float.pi * 0.147) + 0.5 * log
    let root = Arithmetic.sqrt(half * half - log / 0.147) - half
    return Arithmetic.multiply(centred < 0 ? -1.41421356 : 1.41421356, Arithmetic.sqrt(root))
  }
}

/// The rows of an operand of `ai.onnx.ml`: a vector is one row, and dimensions behind the first are one.
struct FeatureRows {
  let count: Int
  let width: Int
  private let values: [Double]

  static let elements: [ElementType] = [.f32, .f64, .i32, .i64]

  init(_ tensor: Tensor) {
    let shape = tensor.shape.count == 1 ? [1] + tensor.shape : tensor.shape
    count = shape.first ?? 1
    width = shape.dropFirst().reduce(1, *)
    values = tensor.doubleElements()
  }

  subscript(row: Int) -> ArraySlice<Double> { values[(row * width)..<((row + 1) * width)] }
}
