import Machine
import Support
import Tensors
import TestSupport
import Testing

struct OutlineTests {
  private static let outline: ProgramOutline = {
    var outline = ProgramOutline(name: "m \"1\"", precision: "int8", weights: "auto")
    outline.buffers = [
      .init(name: "x", type: TensorType(.f32, [1, 2])), .init(name: "q", type: TensorType(.i8, [1, 2])),
    ]
    outline.inputs = [.init(name: "x", buffer: "x")]
    outline.outputs = [.init(name: "y", buffer: "q")]
    outline.steps = [.init(.conversion, payload: 0, inputs: ["x"], outputs: ["q"])]
    outline.hostNodes = [.init(op: "TopK", node: "t", reason: "no form in kernels")]
    return outline
  }()

  @Test func outlinesComeBack() throws {
    #expect(try ProgramOutline(text: Self.outline.text) == Self.outline)
    try Self.outline.verified()
  }

  @Test func outlinesDefineBeforeTheyRead() {
    var outline = Self.outline
    outline.steps[0].inputs = ["z"]
    #expect(fault(outline) != nil)
    outline = Self.outline
    outline.steps.append(outline.steps[0])
    #expect(fault(outline) != nil)
    outline = Self.outline
    outline.outputs[0].buffer = "nowhere"
    #expect(fault(outline) != nil)
  }

  private func fault(_ outline: ProgramOutline) -> Diagnostic? {
    do {
      try outline.verified()
      return nil
    } catch { return error }
  }
}
