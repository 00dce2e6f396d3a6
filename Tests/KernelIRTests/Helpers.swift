import KernelIR
import Support
import Tensors
import Testing

func integers(_ element: ElementType, _ shape: [Int], _ values: [Int32]) throws -> Tensor {
  try Tensor(TensorType(element, shape)) { .i32(values[$0]) }
}

func floats(_ element: ElementType, _ shape: [Int], _ values: [Float]) throws -> Tensor {
  try Tensor(TensorType(element, shape)) { .f32(values[$0]) }
}

/// The stored element minus its zero point.
func centred(at zeroPoint: Int32) -> Program {
  Program { $0.append(.subtract, $0.append(.input), $0.append(constant: zeroPoint)) }
}

/// That `body` throws a diagnostic of this kind.
func expect(
  _ kind: Diagnostic.Kind, _ location: SourceLocation = #_sourceLocation, _ body: () throws -> some Any
) {
  do {
    _ = try body()
    Issue.record("nothing was thrown, expected \(kind.code)", sourceLocation: location)
  } catch {
    #expect((error as? Diagnostic)?.kind == kind, "\(error)", sourceLocation: location)
  }
}
