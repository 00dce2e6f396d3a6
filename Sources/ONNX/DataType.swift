import Support
import Tensors

/// TensorProto.DataType and our element types.
enum DataType {
  private static let elements: [Int32: ElementType] = [
    1: .f32, 2: .u8, 3: .i8, 4: .u16, 5: .i16, 6: .i32, 7: .i64, 9: .bool, 10: .f16, 11: .f64, 12: .u32,
    13: .u64, 16: .bf16, 17: .f8e4m3, 19: .f8e5m2, 21: .u4, 22: .i4,
  ]

  /// Those of onnx-ml.proto that furc does not have.
  private static let others: [Int32: String] = [
    8: "STRING", 14: "COMPLEX64", 15: "COMPLEX128", 18: "FLOAT8E4M3FNUZ", 20: "FLOAT8E5M2FNUZ",
    23: "FLOAT4E2M1", 24: "FLOAT8E8M0", 25: "UINT2", 26: "INT2", 27: "FLOAT6E2M3", 28: "FLOAT6E3M2",
  ]

  /// - Throws: `unsupportedModel` for a type that furc does not have, `invalidModel` for no type at all.
  static func element(_ code: Int32) throws(Diagnostic) -> ElementType {
    if let element = elements[code] { return element }
    guard let name = others[code] else {
      throw Diagnostic(.invalidModel, "\(code) is not a data type of ONNX")
    }
    throw Diagnostic(.unsupportedModel, "elements of type \(name) are not supported")
  }

  static func code(_ element: ElementType) -> Int32 {
    elements.first { $0.value == element }?.key ?? 0
  }
}
