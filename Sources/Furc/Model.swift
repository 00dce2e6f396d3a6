import GraphIR
import ONNX
import Support
import Tensors

/// A model as it was read.
public struct Model: Sendable {
  /// The file's name without folder and extension.
  public let name: String
  /// Dimensions bound, nothing else changed.
  public let graph: Graph
  /// Versions, named dimensions and warnings of the file.
  public let imported: ImportedModel

  /// Reads an ONNX file.
  /// - Parameters:
  ///   - path: of the file; external data lie in its folder.
  ///   - dimensions: extents of named dimensions.
  ///   - batch: the first extent of inputs that leave it open; nil keeps it symbolic.
  ///   - inputShapes: shapes of the data that the model is to run on, by input. They fix open dimensions where
  ///     the model cannot be read with them, since branches of different ranks depend on them.
  ///   - memoryLimit: what the import may take beside the mapped file, in bytes.
  ///   - session: whose operators the model may use.
  /// - Throws: everything that is wrong with the model, see `ONNXImporter`.
  public static func load(
    _ path: String, dimensions: [String: Int] = [:], batch: Int? = 1, inputShapes: [String: [Int]] = [:],
    memoryLimit: Int? = nil, _ session: Session = Session()
  ) throws(Diagnostics) -> Model {
    var options = ImportOptions(dimensions: dimensions, batch: batch)
    if let memoryLimit { options.memoryLimit = memoryLimit }
    let imported: ImportedModel
    do {
      imported = try ONNXImporter.importModel(path: path, options: options, operators: session.operators)
    } catch {
      guard !inputShapes.isEmpty else { throw error }
      options.inputShapes = inputShapes
      imported = try ONNXImporter.importModel(path: path, options: options, operators: session.operators)
    }
    return Model(imported, name: stem(of: path))
  }

  /// Reads an ONNX model that lies in memory, its tensors inside: there is no folder for external data.
  /// - Parameters:
  ///   - bytes: of a ModelProto.
  ///   - name: what reports call the model.
  ///   - dimensions: extents of named dimensions.
  ///   - batch: the first extent of inputs that leave it open; nil keeps it symbolic.
  ///   - session: whose operators the model may use.
  /// - Throws: everything that is wrong with the model, see `ONNXImporter`.
  public static func read(
    _ bytes: [UInt8], name: String, dimensions: [String: Int] = [:], batch: Int? = 1,
    _ session: Session = Session()
  ) throws(Diagnostics) -> Model {
    let options = ImportOptions(dimensions: dimensions, batch: batch)
    let storage = Storage(count: bytes.count) { $0.copyBytes(from: bytes) }
    return Model(
      try ONNXImporter.importModel(storage, options: options, operators: session.operators), name: name)
  }

  private init(_ imported: ImportedModel, name: String) {
    self.name = name
    graph = imported.graph
    self.imported = imported
  }
}

/// The last component of a path, without its extension.
func stem(of path: String) -> String {
  let file = path.split(separator: "/").last.map(String.init) ?? path
  guard let dot = file.lastIndex(of: "."), dot > file.startIndex else { return file }
  return String(file[..<dot])
}
