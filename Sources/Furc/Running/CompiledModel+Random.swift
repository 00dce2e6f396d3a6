import GraphIR
import Machine
import Support
import Tensors

extension CompiledModel {
  /// Seeded inputs: floats in the interval of the conversion that reads them, else 0 … 1; integers over all of a
  /// narrow type's values, else 0 or 1.
  public func randomInputs(_ seed: UInt64) throws(Diagnostic) -> InputSet {
    var random = SeededRandom(seed: seed)
    var inputs: InputSet = [:]
    for port in outline.inputs {
      guard let type = outline.type(of: port.buffer) else { continue }
      let range = interval(of: port.buffer, type.element)
      let count = try type.elementCount()
      let values = (0..<count).map { _ in
        let unit = Double(random.next() >> 11) * 0x1p-53
        let value = range.lowerBound + unit * (range.upperBound - range.lowerBound)
        return type.element.isFloat ? value : value.rounded()
      }
      inputs[port.name] = try Tensor(TensorType(.f64, type.shape), values).converted(to: type.element)
    }
    return inputs
  }

  private func interval(of buffer: String, _ element: ElementType) -> ClosedRange<Double> {
    for graph in graphs {
      for node in graph.order where graph.nodes[node].op == "QuantizeLinear" {
        guard graph.values[graph.beforeCasts(graph.operands(of: node)[0])].name == buffer,
          let value = graph.results(of: node).first.map({ graph.values[$0] }),
          let quantization = value.quantization, quantization.axis == nil,
          let stored = value.type.element.integerRange
        else { continue }
        let (scale, zero) = (Double(quantization.scale[0]), Double(quantization.zeroPoint[0]))
        return ((Double(stored.lowerBound) - zero) * scale)...((Double(stored.upperBound) - zero) * scale)
      }
    }
    guard !element.isFloat, element.size <= 2, let range = element.integerRange else { return 0...1 }
    return Double(range.lowerBound)...Double(range.upperBound)
  }
}
