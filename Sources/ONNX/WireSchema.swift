import CONNX

/// What the wire walk knows of onnx-ml.proto: the fields that import reads. All others are skipped.
enum MessageKind: UInt8 {
  case model
  case opset
  case graph
  case function
  case node
  case attribute
  case tensor
  case sparseTensor
  case entry
  case valueInfo
  case type
  case tensorType
  case sequenceType
  case mapType
  case shape
  case dimension
  /// Its presence matters, its content does not.
  case opaque

  /// The name in onnx-ml.proto, for reports.
  var name: String {
    switch self {
    case .model: "ModelProto"
    case .opset: "OperatorSetIdProto"
    case .graph: "GraphProto"
    case .function: "FunctionProto"
    case .node: "NodeProto"
    case .attribute: "AttributeProto"
    case .tensor: "TensorProto"
    case .sparseTensor: "SparseTensorProto"
    case .entry: "StringStringEntryProto"
    case .valueInfo: "ValueInfoProto"
    case .type: "TypeProto"
    case .tensorType: "TypeProto.Tensor"
    case .sequenceType: "TypeProto.Sequence"
    case .mapType: "TypeProto.Map"
    case .shape: "TensorShapeProto"
    case .dimension: "TensorShapeProto.Dimension"
    case .opaque: "message"
    }
  }

  /// Bytes of libprotobuf-c's struct.
  var unpackedSize: Int {
    switch self {
    case .model: MemoryLayout<Onnx__ModelProto>.size
    case .graph: MemoryLayout<Onnx__GraphProto>.size
    case .function: MemoryLayout<Onnx__FunctionProto>.size
    case .node: MemoryLayout<Onnx__NodeProto>.size
    case .attribute: MemoryLayout<Onnx__AttributeProto>.size
    case .tensor: MemoryLayout<Onnx__TensorProto>.size
    default: 96
    }
  }

  /// Bytes of our own record.
  var messageSize: Int {
    switch self {
    case .graph: MemoryLayout<GraphMessage>.stride
    case .function: MemoryLayout<FunctionMessage>.stride
    case .node: MemoryLayout<NodeMessage>.stride
    case .attribute: MemoryLayout<AttributeMessage>.stride
    case .tensor: MemoryLayout<TensorMessage>.stride
    case .sparseTensor: MemoryLayout<SparseTensorMessage>.stride
    default: 64
    }
  }
}

/// How values lie in the wire format. The raw value is the wire type.
package enum WireType: UInt8 {
  case varint = 0
  case fixed64 = 1
  case bytes = 2
  case fixed32 = 5
}

/// What the walk does with a field.
enum FieldRule {
  case skip
  /// Copied.
  case varint
  case fixed32
  /// Copied, and without NUL bytes.
  case text
  case bytes
  /// Copied, one by one or packed.
  case varints
  case message(MessageKind, repeated: Bool)
  /// Left in the file: only where the numbers lie is recorded.
  case numbers(WireType)
  /// Left in the file.
  case rawData
  /// Counted, not copied.
  case strings
}

extension MessageKind {
  func rule(_ field: UInt64) -> FieldRule {
    switch (self, field) {
    case (.model, 1): .varint
    case (.model, 2): .text
    case (.model, 7): .message(.graph, repeated: false)
    case (.model, 8): .message(.opset, repeated: true)
    case (.model, 25): .message(.function, repeated: true)

    case (.opset, 1): .text
    case (.opset, 2): .varint

    case (.graph, 1): .message(.node, repeated: true)
    case (.graph, 2): .text
    case (.graph, 5): .message(.tensor, repeated: true)
    case (.graph, 11), (.graph, 12), (.graph, 13): .message(.valueInfo, repeated: true)
    case (.graph, 15): .message(.sparseTensor, repeated: true)

    case (.function, 1), (.function, 4), (.function, 5), (.function, 6): .text
    case (.function, 10), (.function, 13): .text
    case (.function, 7): .message(.node, repeated: true)
    case (.function, 9): .message(.opset, repeated: true)
    case (.function, 11): .message(.attribute, repeated: true)

    case (.node, 1), (.node, 2), (.node, 3), (.node, 4), (.node, 7), (.node, 8): .text
    case (.node, 5): .message(.attribute, repeated: true)

    case (.attribute, 1), (.attribute, 21): .text
    case (.attribute, 2): .fixed32
    case (.attribute, 3), (.attribute, 20): .varint
    case (.attribute, 4), (.attribute, 9): .bytes
    case (.attribute, 5): .message(.tensor, repeated: false)
    case (.attribute, 6): .message(.graph, repeated: false)
    case (.attribute, 7): .numbers(.fixed32)
    case (.attribute, 8): .numbers(.varint)
    case (.attribute, 10): .message(.tensor, repeated: true)
    case (.attribute, 11): .message(.graph, repeated: true)
    case (.attribute, 14): .message(.type, repeated: false)
    case (.attribute, 15): .message(.type, repeated: true)
    case (.attribute, 22): .message(.sparseTensor, repeated: false)
    case (.attribute, 23): .message(.sparseTensor, repeated: true)

    case (.tensor, 1): .varints
    case (.tensor, 2), (.tensor, 14): .varint
    case (.tensor, 3): .message(.opaque, repeated: false)
    case (.tensor, 4): .numbers(.fixed32)
    case (.tensor, 5), (.tensor, 7), (.tensor, 11): .numbers(.varint)
    case (.tensor, 6): .strings
    case (.tensor, 8): .text
    case (.tensor, 9): .rawData
    case (.tensor, 10): .numbers(.fixed64)
    case (.tensor, 13): .message(.entry, repeated: true)

    case (.sparseTensor, 1), (.sparseTensor, 2): .message(.tensor, repeated: false)
    case (.sparseTensor, 3): .varints

    case (.entry, 1), (.entry, 2): .text

    case (.valueInfo, 1): .text
    case (.valueInfo, 2): .message(.type, repeated: false)

    case (.type, 1): .message(.tensorType, repeated: false)
    case (.type, 4), (.type, 9): .message(.sequenceType, repeated: false)
    case (.type, 5): .message(.mapType, repeated: false)
    case (.type, 7), (.type, 8): .message(.opaque, repeated: false)

    case (.tensorType, 1): .varint
    case (.tensorType, 2): .message(.shape, repeated: false)
    case (.sequenceType, 1), (.mapType, 2): .message(.type, repeated: false)
    case (.shape, 1): .message(.dimension, repeated: true)
    case (.dimension, 1): .varint
    case (.dimension, 2): .text

    default: .skip
    }
  }
}
