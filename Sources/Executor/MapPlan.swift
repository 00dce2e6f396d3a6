import KernelIR
import Support
import Tensors

/// map: the post-program over blocks of the result.
struct MapPlan: KernelPlan {
  let choice: KernelChoice
  let layout: Layout
  private let loops: Loops
  private let post: PostProgram

  init(_ kernel: Kernel, _ layouts: [Layout], result: Layout? = nil) throws(Diagnostic) {
    let layout = result ?? Self.layout(of: kernel, layouts)
    var forms = FormTable(kernel)
    post = try PostProgram(kernel, layouts, result: layout, &forms)
    loops = Loops(kernel.ordered(by: layout), of: kernel, forms.forms)
    self.layout = layout
    choice = KernelChoice("map", "\(kernel.post.steps.count) steps over runs of \(loops.inner)")
  }

  /// That of the largest operand.
  private static func layout(of kernel: Kernel, _ layouts: [Layout]) -> Layout {
    let counts = kernel.operands.map { $0.type.shape.reduce(1, *) }
    guard let index = counts.indices.max(by: { counts[$0] < counts[$1] }) else {
      return .rowMajor(kernel.result.shape)
    }
    return kernel.layout(following: kernel.operands[index], layouts[index])
  }

  func run(
    _ arguments: [UnsafeRawPointer], _ result: UnsafeMutableRawPointer, _ context: RunContext
  ) throws(Diagnostic) {
    let memory = SharedMemory(arguments: arguments, result: result)
    try context.forPieces(of: loops.count, grain: 1 << 14) { (points) throws(Diagnostic) in
      try post.run(
        memory, loops, starts: loops.starts, points, input: nil, level: context.level,
        PostProgram.Scratch(post))
    }
  }
}
