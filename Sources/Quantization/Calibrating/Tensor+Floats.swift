import CKernels
import GraphIR
import KernelIR
import Operators
import Support
import Tensors

extension Tensor {
  /// Calls `body` with the elements of an f32 tensor, at an address that suits them.
  /// - Precondition: `element == .f32`.
  func withFloats<Result>(_ body: (UnsafeBufferPointer<Float>) -> Result) -> Result {
    precondition(element == .f32, "\(type) is not of f32")
    return withBytes { bytes in
      guard Int(bitPattern: bytes.baseAddress) % MemoryLayout<Float>.alignment == 0 else {
        return elements(as: Float.self).withUnsafeBufferPointer(body)
      }
      return body(bytes.bindMemory(to: Float.self))
    }
  }

  /// The i8 numbers nearest to the elements of an f32 tensor: as `Quantization.quantize`, faster.
  /// - Precondition: the quantization fits the type.
  package func stored(_ quantization: Quantization) throws(Diagnostic) -> Tensor {
    try Tensor(TensorType(.i8, shape)) { memory in
      guard let into = memory.baseAddress?.assumingMemoryBound(to: Int8.self) else { return }
      forEachRun(along: quantization.axis) { from, start, count, channel in
        furc_quantize_i8(
          from, Int64(count), quantization.scale[channel], quantization.zeroPoint[channel], -128, 127,
          into + start, Kernels.level)
      }
    }
  }

  /// Runs of elements of one channel, in row-major order.
  /// - Parameters:
  ///   - axis: the dimension of the channels; nil makes one run of all elements.
  ///   - body: gets their address, the position of the first, their number and the channel.
  func forEachRun(along axis: Int?, _ body: (UnsafePointer<Float>, Int, Int, Int) -> Void) {
    withFloats { x in
      guard let from = x.baseAddress, x.count > 0 else { return }
      let inner = axis.map { shape[($0 + 1)...].reduce(1, *) } ?? x.count
      let channels = axis.map { shape[$0] } ?? 1
      for (run, start) in stride(from: 0, to: x.count, by: inner).enumerated() {
        body(from + start, start, inner, run % channels)
      }
    }
  }

  /// What the stored numbers of this f32 tensor stand for: dequantize(quantize(x)).
  /// - Precondition: the quantization fits the type; an integer element type.
  package func roundTrip(_ quantization: Quantization, _ element: ElementType) throws(Diagnostic) -> Tensor {
    let range = element.integerRange ?? 0...0
    return try Tensor(type) { memory in
      guard let into = memory.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
      forEachRun(along: quantization.axis) { from, start, count, channel in
        furc_round_trip(
          from, Int64(count), quantization.scale[channel], quantization.zeroPoint[channel], range.lowerBound,
          range.upperBound, into + start, Kernels.level)
      }
    }
  }
}

extension Quantization {
  /// The real numbers of stored ones: as `dequantize`, faster for i8 of one scale.
  func real(_ stored: Tensor) throws(Diagnostic) -> Tensor {
    guard stored.element == .i8, axis == nil else { return try dequantize(stored) }
    let table = (-128...127).map { Arithmetic.dequantize($0, scale: scale[0], zeroPoint: zeroPoint[0]) }
    return try Tensor(TensorType(.f32, stored.shape)) { memory in
      guard let into = memory.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
      stored.withBytes { bytes in
        for (index, byte) in bytes.enumerated() { into[index] = table[Int(Int8(bitPattern: byte)) + 128] }
      }
    }
  }
}

/// The kernels of this module run at the CPU's level; every level gives the same bytes.
enum Kernels {
  static var level: Int32 { furc_cpu_level() }
}
