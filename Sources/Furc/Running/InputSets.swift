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
      set[port.name] = try fit(try archive.tensor(named: port.name), to: port, path)
    }
    return set
  }

  private static func fit(
    _ tensor: Tensor, to port: (name: String, type: ValueType), _ path: String
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
        .invalidOperand, "'\(path)', array '\(port.name)' is \(tensor.type), the model takes \(port.type)")
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
