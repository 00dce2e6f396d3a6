/// The messages of onnx-ml.proto that import reads, as values. Texts are as in the file; numbers are not
/// yet checked against each other.
package struct ModelMessage {
  var irVersion: Int64 = 0
  var producer = ""
  var opsets: [OpsetMessage] = []
  var graph: GraphMessage?
  var functions: [FunctionMessage] = []
}

struct OpsetMessage {
  var domain: String
  var version: Int64
}

struct GraphMessage {
  var name = ""
  var nodes: [NodeMessage] = []
  var initializers: [TensorMessage] = []
  var sparseInitializers: [SparseTensorMessage] = []
  var inputs: [ValueInfoMessage] = []
  var outputs: [ValueInfoMessage] = []
  var valueInfos: [ValueInfoMessage] = []
}

struct FunctionMessage {
  var name: String
  var domain: String
  var overload: String
  var inputs: [String]
  var outputs: [String]
  /// Attributes that a caller must give.
  var attributes: [String]
  /// Attributes with their defaults.
  var defaults: [AttributeMessage]
  var opsets: [OpsetMessage]
  var nodes: [NodeMessage]
}

struct NodeMessage {
  var name = ""
  var op: String
  var domain = ""
  var overload = ""
  var inputs: [String]
  var outputs: [String]
  var attributes: [AttributeMessage] = []
  /// The position in the file's list of nodes of its graph.
  var index = 0
  /// The opset version that its function states, where it comes from one.
  var version: Int64?
}

struct AttributeMessage {
  enum Value {
    /// No field that the type names is set.
    case none
    case float(Float)
    case int(Int64)
    case string([UInt8])
    case tensor(TensorMessage)
    case graph(GraphMessage)
    case sparseTensor(SparseTensorMessage)
    case floats([Float])
    case ints([Int64])
    case strings([[UInt8]])
    case tensors([TensorMessage])
    case graphs([GraphMessage])
    /// TypeProto and lists of them, and lists of sparse tensors.
    case other(String)
    /// Within a function: the caller's attribute of this name.
    case reference(String)
  }

  var name: String
  var value: Value
}

struct TensorMessage {
  var name = ""
  /// TensorProto.DataType.
  var type: Int32
  var dims: [Int64]
  /// Where the numbers lie in the file of the model.
  var payload: Payload?
  /// The entries of external_data, where data_location says so.
  var external: [(key: String, value: String)]?
  var isSegment = false
}

struct SparseTensorMessage {
  var values: TensorMessage?
  var indices: TensorMessage?
  var dims: [Int64]
}

struct ValueInfoMessage {
  var name: String
  var type: TypeMessage?
}

enum TypeMessage {
  /// The shape is nil where the model does not even state the rank.
  case tensor(Int32, shape: [DimensionMessage]?)
  /// Sequence, map, optional, sparse tensor or opaque.
  case other(String)
}

enum DimensionMessage: Equatable {
  case fixed(Int64)
  case named(String)
  case unknown
}
