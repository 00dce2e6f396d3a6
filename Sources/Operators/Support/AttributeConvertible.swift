import GraphIR
import Tensors

/// A property type that an attribute can hold.
public protocol AttributeConvertible: Sendable {
  /// Nil where the attribute is absent.
  var attributeValue: Attribute.Value? { get }
  init?(attributeValue: Attribute.Value)
}

extension Float: AttributeConvertible {
  public var attributeValue: Attribute.Value? { .float(self) }
  public init?(attributeValue: Attribute.Value) {
    guard case .float(let value) = attributeValue else { return nil }
    self = value
  }
}

/// ONNX writes flags as the integers 0 and 1.
extension Bool: AttributeConvertible {
  public var attributeValue: Attribute.Value? { .int(self ? 1 : 0) }
  public init?(attributeValue: Attribute.Value) {
    guard case .int(let value) = attributeValue, (0...1).contains(value) else { return nil }
    self = value == 1
  }
}

extension Int: AttributeConvertible {
  public var attributeValue: Attribute.Value? { .int(Int64(self)) }
  public init?(attributeValue: Attribute.Value) {
    guard case .int(let value) = attributeValue else { return nil }
    self = Int(value)
  }
}

extension String: AttributeConvertible {
  public var attributeValue: Attribute.Value? { .string(self) }
  public init?(attributeValue: Attribute.Value) {
    guard case .string(let value) = attributeValue else { return nil }
    self = value
  }
}

/// What lists of can be an attribute.
public protocol AttributeListElement: Sendable {
  static func attributeValue(of list: [Self]) -> Attribute.Value
  static func list(_ value: Attribute.Value) -> [Self]?
}

extension Int: AttributeListElement {
  public static func attributeValue(of list: [Int]) -> Attribute.Value { .ints(list.map(Int64.init)) }
  public static func list(_ value: Attribute.Value) -> [Int]? {
    guard case .ints(let values) = value else { return nil }
    return values.map(Int.init)
  }
}

extension Float: AttributeListElement {
  public static func attributeValue(of list: [Float]) -> Attribute.Value { .floats(list) }
  public static func list(_ value: Attribute.Value) -> [Float]? {
    guard case .floats(let values) = value else { return nil }
    return values
  }
}

extension String: AttributeListElement {
  public static func attributeValue(of list: [String]) -> Attribute.Value { .strings(list) }
  public static func list(_ value: Attribute.Value) -> [String]? {
    guard case .strings(let values) = value else { return nil }
    return values
  }
}

extension Array: AttributeConvertible where Element: AttributeListElement {
  public var attributeValue: Attribute.Value? { Element.attributeValue(of: self) }
  public init?(attributeValue: Attribute.Value) {
    guard let list = Element.list(attributeValue) else { return nil }
    self = list
  }
}

extension Tensor: AttributeConvertible {
  public var attributeValue: Attribute.Value? { .tensor(self) }
  public init?(attributeValue: Attribute.Value) {
    guard case .tensor(let value) = attributeValue else { return nil }
    self = value
  }
}

/// An attribute without a default.
extension Optional: AttributeConvertible where Wrapped: AttributeConvertible {
  public var attributeValue: Attribute.Value? { self?.attributeValue }
  public init?(attributeValue: Attribute.Value) {
    guard let value = Wrapped(attributeValue: attributeValue) else { return nil }
    self = value
  }
}

/// An attribute that is one of some words. An unknown word is of another type.
public protocol AttributeChoice: RawRepresentable<String>, AttributeConvertible {}

extension AttributeChoice {
  public var attributeValue: Attribute.Value? { .string(rawValue) }
  public init?(attributeValue: Attribute.Value) {
    guard case .string(let word) = attributeValue else { return nil }
    self.init(rawValue: word)
  }
}

/// ONNX's numbers of element types (TensorProto.DataType).
extension ElementType: AttributeConvertible {
  public static let onnxNumbers: [(number: Int, element: ElementType)] = [
    (1, .f32), (2, .u8), (3, .i8), (4, .u16), (5, .i16), (6, .i32), (7, .i64), (9, .bool), (10, .f16),
    (11, .f64), (12, .u32), (13, .u64), (16, .bf16), (17, .f8e4m3), (19, .f8e5m2), (21, .u4), (22, .i4),
  ]

  public var attributeValue: Attribute.Value? {
    Self.onnxNumbers.first { $0.element == self }.map { .int(Int64($0.number)) }
  }

  public init?(attributeValue: Attribute.Value) {
    guard case .int(let number) = attributeValue,
      let found = Self.onnxNumbers.first(where: { $0.number == number })
    else { return nil }
    self = found.element
  }
}
