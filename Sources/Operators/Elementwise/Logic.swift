import GraphIR
import KernelIR
import Support
import Tensors

/// A function of two truth values, which broadcast.
protocol LogicOperator: Operator {
  static var step: Program.Binary { get }
  func apply(_ a: Int, _ b: Int) -> Int
}

extension LogicOperator {
  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let (a, b) = (try context.type(0, of: [.bool]), try context.type(1, of: [.bool]))
    return [ValueType(.bool, try broadcast([a, b]))]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    [
      try operands.tensor(0).combine(
        try operands.tensor(1), float: { a, _ in a }, double: { a, _ in a }, integer: apply)
    ]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let (a, b) = (try context.operand(0), try context.operand(1))
    return [try context.map([a, b], .bool) { $0.append(Self.step, $1[0], $1[1]) }]
  }
}

/// Both.
public struct And: LogicOperator {
  public static let schema = Schema("And", since: [1, 7], operands: 2...2)
  public static let fields: [AttributeField<And>] = []
  static let step = Program.Binary.and

  public init() {}
  func apply(_ a: Int, _ b: Int) -> Int { a & b }
}

/// Either or both.
public struct Or: LogicOperator {
  public static let schema = Schema("Or", since: [1, 7], operands: 2...2)
  public static let fields: [AttributeField<Or>] = []
  static let step = Program.Binary.or

  public init() {}
  func apply(_ a: Int, _ b: Int) -> Int { a | b }
}

/// One, not both.
public struct Xor: LogicOperator {
  public static let schema = Schema("Xor", since: [1, 7], operands: 2...2)
  public static let fields: [AttributeField<Xor>] = []
  static let step = Program.Binary.xor

  public init() {}
  func apply(_ a: Int, _ b: Int) -> Int { a ^ b }
}

/// The opposite.
public struct Not: Operator {
  public static let schema = Schema("Not", since: [1], operands: 1...1)
  public static let fields: [AttributeField<Not>] = []

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    [try context.type(0, of: [.bool])]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    [try operands.tensor(0).map(float: { $0 }, double: { $0 }, integer: { 1 - $0 })]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    [try context.map([try context.operand(0)], .bool) { $0.append(.not, $1[0]) }]
  }
}
