import KernelIR
import Support
import Tensors

extension Tensor {
  /// Floats rounded once to a float type.
  static func floats(_ element: ElementType, _ shape: [Int], _ values: [Float]) throws(Diagnostic) -> Tensor {
    try Tensor(TensorType(.f32, shape), values).converted(to: element)
  }

  /// Integers reduced to the low bits of an integer type.
  static func integers(_ element: ElementType, _ shape: [Int], _ values: [Int]) throws(Diagnostic) -> Tensor {
    try Tensor(TensorType(.i64, shape), values).converted(to: element)
  }

  static func doubles(_ shape: [Int], _ values: [Double]) throws(Diagnostic) -> Tensor {
    try Tensor(TensorType(.f64, shape), values.map { $0.isNaN ? .nan : $0 })
  }

  /// A vector of i64, as shape operands are.
  static func shape(_ extents: [Int]) throws(Diagnostic) -> Tensor {
    try Tensor(TensorType(.i64, [extents.count]), extents)
  }

  /// The function of every element, in the arithmetic of its type: f64, integers, or f32 and one rounding.
  func map(
    float: (Float) -> Float, double: (Double) -> Double, integer: (Int) -> Int = { $0 }
  ) throws(Diagnostic) -> Tensor {
    switch element {
    case .f64: try .doubles(shape, elements(as: Double.self).map(double))
    case let element where element.isFloat: try .floats(element, shape, floatElements().map(float))
    default: try .integers(element, shape, try int64Elements().map(integer))
    }
  }

  /// The function of the elements of two tensors of one element type, which broadcast.
  func combine(
    _ other: Tensor, float: (Float, Float) -> Float, double: (Double, Double) -> Double,
    integer: (Int, Int) -> Int
  ) throws(Diagnostic) -> Tensor {
    let shape = try broadcast([shape, other.shape])
    let left = broadcastIndices(from: self.shape, to: shape)
    let right = broadcastIndices(from: other.shape, to: shape)
    func apply<Number, Result>(_ a: [Number], _ b: [Number], _ body: (Number, Number) -> Result) -> [Result] {
      zip(left, right).map { body(a[$0], b[$1]) }
    }
    switch element {
    case .f64:
      return try .doubles(shape, apply(elements(as: Double.self), other.elements(as: Double.self), double))
    case let element where element.isFloat:
      return try .floats(element, shape, apply(floatElements(), other.floatElements(), float))
    default:
      return try .integers(element, shape, apply(try int64Elements(), try other.int64Elements(), integer))
    }
  }

  /// Copies of elements by their indices, whatever they are; a negative index is an element of `fill`.
  func picking(_ shape: [Int], _ indices: [Int], fill: Tensor? = nil) throws(Diagnostic) -> Tensor {
    let type = TensorType(element, shape)
    guard try type.elementCount() == indices.count else {
      throw Diagnostic(.sizeOverflow, "\(indices.count) elements are not \(type)")
    }
    let size = element.size
    let padding = fill.map { Array($0.bytes.prefix(size)) } ?? Array(repeating: 0, count: size)
    return try Tensor(type) { (memory: UnsafeMutableRawBufferPointer) in
      withBytes { bytes in
        for (position, index) in indices.enumerated() {
          for byte in 0..<size {
            memory[position * size + byte] = index < 0 ? padding[byte] : bytes[index * size + byte]
          }
        }
      }
    }
  }
}

/// Calls `body` with all coordinates of a shape in row-major order.
func forEachCoordinate(of shape: [Int], _ body: ([Int]) -> Void) {
  guard !shape.contains(0) else { return }
  var coordinate = [Int](repeating: 0, count: shape.count)
  while true {
    body(coordinate)
    var axis = shape.count - 1
    while axis >= 0, coordinate[axis] == shape[axis] - 1 {
      coordinate[axis] = 0
      axis -= 1
    }
    guard axis >= 0 else { return }
    coordinate[axis] += 1
  }
}

/// The row-major index of `source` of every coordinate of `shape`.
func indices(of shape: [Int], _ source: ([Int]) -> Int) -> [Int] {
  var all: [Int] = []
  all.reserveCapacity(shape.reduce(1, *))
  forEachCoordinate(of: shape) { all.append(source($0)) }
  return all
}

/// Σ coordinate · stride.
func dot(_ coordinate: some Sequence<Int>, _ strides: some Sequence<Int>) -> Int {
  zip(coordinate, strides).reduce(0) { $0 + $1.0 * $1.1 }
}

/// ONNX's multidirectional broadcasting.
func broadcast(_ shapes: [[Int]]) throws(Diagnostic) -> [Int] {
  var result: [Int] = []
  for shape in shapes {
    var merged = Array(repeating: 1, count: max(result.count, shape.count))
    for (index, _) in merged.enumerated() {
      let a = index < result.count ? result[result.count - 1 - index] : 1
      let b = index < shape.count ? shape[shape.count - 1 - index] : 1
      guard a == b || a == 1 || b == 1 else {
        throw Diagnostic(.invalidOperand, "shapes \(shapes) do not broadcast")
      }
      merged[merged.count - 1 - index] = a == 1 ? b : a
    }
    result = merged
  }
  return result
}

/// The element of an operand that each element of a broadcast result reads.
func broadcastIndices(from shape: [Int], to result: [Int]) -> [Int] {
  let lead = result.count - shape.count
  let strides = zip(TensorType(.i8, shape).strides, shape).map { $1 == 1 ? 0 : $0 }
  return indices(of: result) { dot($0[lead...], strides) }
}
