import GraphIR
import Machine
import Support
import Tensors

/// Inputs from files.
public enum InputSets {
  /// The arrays of an npz file as one set of inputs. Numbers of another width convert; dimensions of 1 come and go.
  /// - Throws: `malformedFile` where an input is missing, `invalidOperand` for one of another shape.
  public static func read(
    _ path: String, for ports: [(name: String, type: ValueType)]
  ) throws(Diagnostic) -> InputSet {
    let archive = try NPZArchive(path)
    var set: InputSet = [:]
    for port in ports {
      let tensor = try archive.tensor(named: port.name)
      do { set[port.name] = try fit(tensor, to: port) } catch {
        throw Diagnostic(error.kind, at: error.location, "'\(path)': \(error.message)", help: error.help)
      }
    }
    return set
  }

  /// The arrays of an npz file that have the name of an input, as they are.
  public static func arrays(
    _ path: String, for ports: [(name: String, type: ValueType)]
  ) throws(Diagnostic) -> InputSet {
    let archive = try NPZArchive(path)
    var set: InputSet = [:]
    for port in ports where archive.contains(port.name) {
      set[port.name] = try archive.tensor(named: port.name)
    }
    return set
  }

  /// The shapes of all arrays of an npz file that can be read.
  public static func shapes(_ path: String) throws(Diagnostic) -> [String: [Int]] {
    let archive = try NPZArchive(path)
    var shapes: [String: [Int]] = [:]
    for name in archive.names { shapes[name] = (try? archive.tensor(named: name))?.shape }
    return shapes
  }

  static func fit(
    _ tensor: Tensor, to port: (name: String, type: ValueType)
  ) throws(Diagnostic) -> Tensor {
    var tensor = tensor
    if tensor.element != port.type.element, tensor.element.isFloat == port.type.element.isFloat {
      tensor = try tensor.converted(to: port.type.element)
    }
    let known = port.type.extents
    if let known, tensor.shape != known, tensor.shape.filter({ $0 != 1 }) == known.filter({ $0 != 1 }) {
      tensor = try tensor.reshaped(known)
    }
    let agrees =
      tensor.element == port.type.element && tensor.shape.count == port.type.rank
      && zip(tensor.shape, port.type.shape).allSatisfy { $1.extent == nil || $1.extent == $0 }
    guard agrees else {
      throw Diagnostic(
        .invalidOperand, "array '\(port.name)' is \(tensor.type), the model takes \(port.type)")
    }
    return tensor
  }
}

extension Graph {
  /// The inputs by name and type.
  public var inputPorts: [(name: String, type: ValueType)] {
    inputs.map { (values[$0].name, values[$0].type) }
  }
}

extension CompiledModel {
  /// The inputs by name and type.
  public var inputPorts: [(name: String, type: ValueType)] {
    outline.inputs.compactMap { port in outline.type(of: port.buffer).map { (port.name, ValueType($0)) } }
  }
}
