import Glibc
import KernelIR
import Support
import Tensors

/// 0.5 · x · (1 + erf(x · √½)), or with `approximate` 0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))); each
/// product and sum rounded, from the inside out.
public struct Gelu: ElementwiseFunction {
  public enum Approximation: String, AttributeChoice {
    case none
    case tanh
  }

  public var approximate = Approximation.none

  public static let schema = Schema("Gelu", since: [20], operands: 1...1)
  public static let fields: [AttributeField<Gelu>] = [AttributeField("approximate", \.approximate)]
  private static let rootHalf = Float(0.5).squareRoot()
  private static let rootTwoOverPi: Float = 0.7978845608
  private static let cubic: Float = 0.044715

  public init() {}

  func apply(_ x: Float) -> Float {
    let inner: Float
    if approximate == .none {
      inner = Arithmetic.erf(Arithmetic.multiply(x, Self.rootHalf))
    } else {
      let cube = Arithmetic.multiply(Arithmetic.multiply(x, x), x)
      let sum = Arithmetic.add(x, Arithmetic.multiply(Self.cubic, cube))
      inner = Arithmetic.tanh(Arithmetic.multiply(Self.rootTwoOverPi, sum))
    }
    return Arithmetic.multiply(Arithmetic.multiply(0.5, x), Arithmetic.add(1, inner))
  }

  func apply(_ x: Double) -> Double {
    let cubic = x + 0.044715 * x * x * x
    let inner =
      approximate == .none ? Glibc.erf(x * 0.5.squareRoot()) : Glibc.tanh((2 / .pi).squareRoot() * cubic)
    return 0.5 * x * (1 + inner)
  }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    let inner: Register
    if approximate == .none {
      inner = program.append(.erf, program.append(.multiply, x, program.append(constant: Self.rootHalf)))
    } else {
      let cube = program.append(.multiply, program.append(.multiply, x, x), x)
      let sum = program.append(.add, x, program.append(.multiply, program.append(constant: Self.cubic), cube))
      inner = program.append(
        .tanh, program.append(.multiply, program.append(constant: Self.rootTwoOverPi), sum))
    }
    let half = program.append(.multiply, program.append(constant: Float(0.5)), x)
    return program.append(.multiply, half, program.append(.add, program.append(constant: Float(1)), inner))
  }
}
