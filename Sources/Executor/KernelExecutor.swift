import CKernels
import KernelIR
import Support
import Synchronization
import Tensors

/// Runs a graph of kernels on the CPU: kernels chosen and constants packed once, then any number of runs. Its
/// results are those of `KernelGraph.evaluate`, byte for byte, whatever the number of threads and the CPU.
public final class KernelExecutor: Sendable {
  public struct Options: Hashable, Sendable {
    /// At least 1.
    public var threads: Int
    /// The instructions that kernels use: one of `FURC_CPU_*`, at most the CPU's own.
    public var level: Int

    public init(threads: Int = Parallel.processorCount, level: Int? = nil) {
      self.threads = max(threads, 1)
      self.level = min(max(level ?? Int(furc_cpu_level()), 0), Int(furc_cpu_best_level()))
    }
  }

  /// What becomes of a node.
  private enum Step: Sendable {
    case run(any KernelPlan)
    /// The operand's memory under another shape.
    case alias
    /// The operand in row-major order first.
    case relayout(any KernelPlan)
    /// Computed once, since all operands are constant.
    case constant
  }

  public let graph: KernelGraph
  public let options: Options
  /// How each node runs, in the order of the nodes.
  public let choices: [KernelChoice]
  private let steps: [Step]
  /// Of every buffer.
  private let layouts: [Layout]
  /// The constants that runs read, aligned, by buffer.
  private let constants: [AlignedTensor?]
  private let plan: MemoryPlan
  /// Blocks of memory that no run uses.
  private let blocks = Mutex<[AlignedMemory]>([])
  private let context: RunContext

  /// - Parameter graph: one that verifies.
  /// - Throws: `sizeOverflow`, `invalidKernel`.
  public convenience init(_ graph: KernelGraph, _ options: Options = Options()) throws(Diagnostic) {
    try self.init(graph, options, sharing: nil)
  }

  /// - Parameter shared: the packed constants of other executors of the same model.
  init(_ graph: KernelGraph, _ options: Options, sharing shared: PackedConstants?) throws(Diagnostic) {
    self.graph = graph
    self.options = options
    let context = RunContext(threads: options.threads, level: Int32(options.level), shared: shared)
    self.context = context
    var layouts: [Layout] = []
    var constants: [Tensor?] = []
    for id in graph.buffers.ids {
      layouts.append(.rowMajor(graph.buffers[id].type.shape))
      constants.append(graph.buffers[id].constant)
    }
    var steps: [Step] = []
    var choices: [KernelChoice] = []
    for id in graph.nodes.ids {
      let node = graph.nodes[id]
      let operandLayouts = node.operands.map { layouts[$0.index] }
      switch node.body {
      case .kernel(let kernel):
        let tensors = node.operands.map { constants[$0.index] }
        let plan = try Self.plan(kernel, operandLayouts, tensors, context)
        choices.append(plan.choice)
        if let constant = try Self.constant(plan, kernel, tensors, context) {
          constants[node.result.index] = constant
          steps.append(.constant)
        } else {
          layouts[node.result.index] = plan.layout
          steps.append(.run(plan))
        }
      case .view:
        let from = graph.buffers[node.operands[0]].type
        let to = graph.buffers[node.result].type
        if let constant = constants[node.operands[0].index] {
          constants[node.result.index] = try constant.reshaped(to.shape)
          steps.append(.constant)
          choices.append(KernelChoice("view", "of a constant"))
          continue
        }
        if let viewed = operandLayouts[0].viewed(from.shape, as: to.shape) {
          layouts[node.result.index] = viewed
          steps.append(.alias)
          choices.append(KernelChoice("view", "the same memory"))
        } else {
          steps.append(.relayout(try Self.relayout(from, operandLayouts[0])))
          choices.append(KernelChoice("view", "a copy in row-major order"))
        }
      }
    }
    self.layouts = layouts
    self.constants = Self.aligned(constants, graph, steps)
    self.steps = steps
    self.choices = choices
    plan = MemoryPlan(try Self.lives(graph, steps), count: graph.buffers.count)
  }

  /// Of the constants those that runs read.
  private static func aligned(
    _ constants: [Tensor?], _ graph: KernelGraph, _ steps: [Step]
  ) -> [AlignedTensor?] {
    var isRead = [Bool](repeating: false, count: constants.count)
    for output in graph.outputs { isRead[output.index] = true }
    for (number, id) in graph.nodes.ids.enumerated() {
      for (index, operand) in graph.nodes[id].operands.enumerated() {
        switch steps[number] {
        case .run(let plan): isRead[operand.index] = isRead[operand.index] || plan.reads(index)
        case .alias, .relayout: isRead[operand.index] = true
        case .constant: break
        }
      }
    }
    return zip(constants, isRead).map { constant, isRead in isRead ? constant.map(AlignedTensor.init) : nil }
  }

  /// The lives of the results that no output needs, of buffers that others view together with theirs.
  private static func lives(
    _ graph: KernelGraph, _ steps: [Step]
  ) throws(Diagnostic) -> [MemoryPlan.Life] {
    var roots = Array(graph.buffers.ids.map(\.index))
    var last = [Int](repeating: -1, count: graph.buffers.count)
    for (number, id) in graph.nodes.ids.enumerated() {
      let node = graph.nodes[id]
      if case .alias = steps[number] { roots[node.result.index] = roots[node.operands[0].index] }
      for operand in node.operands { last[roots[operand.index]] = number }
    }
    let escaping = Set(graph.outputs.map { roots[$0.index] })
    var lives: [MemoryPlan.Life] = []
    for (number, id) in graph.nodes.ids.enumerated() {
      let result = graph.nodes[id].result
      switch steps[number] {
      case .constant, .alias: continue
      case .run, .relayout:
        guard !escaping.contains(result.index) else { continue }
        let bytes = try graph.buffers[result].type.byteCount().bytes
        lives.append(
          MemoryPlan.Life(buffer: result.index, bytes: bytes, nodes: number...max(number, last[result.index]))
        )
      }
    }
    return lives
  }

  /// The result of a kernel whose operands are all constant. Nil for others, and where it fails: that is the
  /// business of a run.
  private static func constant(
    _ plan: any KernelPlan, _ kernel: Kernel, _ operands: [Tensor?], _ context: RunContext
  ) throws(Diagnostic) -> Tensor? {
    let constants = operands.compactMap { $0 }
    guard constants.count == operands.count else { return nil }
    let type = kernel.result
    let memory = AlignedMemory(try type.byteCount().bytes)
    let aligned = constants.map(AlignedTensor.init)
    // Plans take addresses, which keep nothing alive.
    defer { withExtendedLifetime((memory, aligned)) {} }
    do {
      try plan.run(aligned.map(\.base), memory.base, context)
      guard !plan.layout.isRowMajor(type.shape) else { return try memory.tensor(type) }
      let ordered = AlignedMemory(memory.count)
      try relayout(type, plan.layout).run([UnsafeRawPointer(memory.base)], ordered.base, context)
      return try ordered.tensor(type)
    } catch {
      return nil
    }
  }

  private static func plan(
    _ kernel: Kernel, _ layouts: [Layout], _ constants: [Tensor?], _ context: RunContext
  ) throws(Diagnostic) -> any KernelPlan {
    try kernel.verified()
    guard kernel.elements > 0 else { return EmptyPlan(layout: .rowMajor(kernel.result.shape)) }
    switch kernel.form {
    case .map: return try MapPlan(kernel, layouts)
    case .reduce(let rule): return try ReducePlan(kernel, rule, layouts)
    case .move: return try MovePlan(kernel, layouts)
    case .gather(let dimension): return try GatherPlan(kernel, dimension, layouts)
    case .scatter(let dimension): return try ScatterPlan(kernel, dimension, layouts)
    case .contract:
      switch try ContractPlan.make(kernel, layouts, constants: constants, context) {
      case .plan(let plan): return plan
      case .refused(let reason): return try GenericContractPlan(kernel, layouts, reason: reason)
      }
    }
  }

  /// A copy in row-major order.
  private static func relayout(_ type: TensorType, _ layout: Layout) throws(Diagnostic) -> any KernelPlan {
    guard !type.shape.contains(0) else { return EmptyPlan(layout: .rowMajor(type.shape)) }
    var move = Kernel(.move, type.element)
    let maps = type.shape.enumerated().map { AffineMap.axis(move.axis("d\($0)", $1)) }
    move.operands = [Operand(type, maps, box: move.ranges)]
    return try MovePlan(move, [layout], result: .rowMajor(type.shape))
  }

  // MARK: running

  /// Blocks that are kept for the next runs: one for each run at a time, within reason.
  private static let sparedBlocks = 4

  /// The outputs, in their order.
  /// - Parameter inputs: in the order of `graph.inputs`, each of its buffer's type.
  /// - Parameter clock: takes the time of every node, in their order.
  /// - Parameter isUnordered: by output, whether its elements may come in the order in which kernels left them.
  /// - Throws: `invalidOperand` for inputs of other types; `indexOutOfRange`, `accumulatorOverflow`.
  public func run(
    _ inputs: [Tensor], timing clock: StepClock? = nil, isUnordered: [Bool] = []
  ) throws(Diagnostic) -> [Tensor] {
    let ids = graph.inputs
    guard inputs.map(\.type) == ids.map({ graph.buffers[$0].type }) else {
      let allowed = ids.map { "'\(graph.buffers[$0].name)' \(graph.buffers[$0].type)" }
      throw Diagnostic(
        .invalidOperand, "inputs are \(inputs.map(\.type)), allowed is \(allowed.joined(separator: ", "))")
    }
    var memory = [BufferMemory?](repeating: nil, count: graph.buffers.count)
    for (id, input) in zip(ids, inputs) { memory[id.index] = .tensor(AlignedTensor(input)) }
    for (index, constant) in constants.enumerated() {
      if let constant { memory[index] = .tensor(constant) }
    }
    let block = blocks.withLock { $0.popLast() } ?? AlignedMemory(plan.size)
    defer { blocks.withLock { if $0.count < Self.sparedBlocks { $0.append(block) } } }
    for (number, id) in graph.nodes.ids.enumerated() {
      clock?.start()
      defer { clock?.stop() }
      if case .constant = steps[number] { continue }
      let node = graph.nodes[id]
      var arguments: [UnsafeRawPointer] = []
      var owners: [BufferMemory] = []
      for (index, operand) in node.operands.enumerated() {
        if case .run(let plan) = steps[number], !plan.reads(index) {
          // No run looks there.
          arguments.append(UnsafeRawPointer(block.base))
          continue
        }
        guard let its = memory[operand.index] else {
          throw Diagnostic(.invalidKernel, "K11: \(id) reads \(operand), which is not defined before it")
        }
        owners.append(its)
        arguments.append(its.base)
      }
      switch steps[number] {
      case .constant: continue
      case .alias: memory[node.result.index] = owners[0]
      case .run(let plan), .relayout(let plan):
        let index = node.result.index
        let result: BufferMemory
        if let offset = self.plan.offsets[index] {
          result = .planned(block.base + offset)
        } else {
          result = .owned(AlignedMemory(try graph.buffers[node.result].type.byteCount().bytes))
        }
        do {
          try plan.run(arguments, UnsafeMutableRawPointer(mutating: result.base), context)
        } catch {
          throw error.located(
            at: .node(index: node.sources.first ?? number, op: plan.choice.name, name: node.name))
        }
        memory[index] = result
      }
      withExtendedLifetime(owners) {}
    }
    var outputs: [Tensor] = []
    for (index, id) in graph.outputs.enumerated() {
      let inAnyOrder = index < isUnordered.count && isUnordered[index]
      outputs.append(try tensor(id, memory[id.index], inAnyOrder: inAnyOrder))
    }
    return outputs
  }

  private func tensor(
    _ id: BufferID, _ memory: BufferMemory?, inAnyOrder: Bool
  ) throws(Diagnostic) -> Tensor {
    let type = graph.buffers[id].type
    let isOrdered = inAnyOrder || layouts[id.index].isRowMajor(type.shape)
    switch memory {
    case .tensor(let aligned)? where isOrdered:
      // An input or constant, perhaps under another shape.
      return try aligned.tensor.reshaped(type.shape)
    case .owned(let result)? where isOrdered:
      return try result.tensor(type)
    case let other?:
      let plan = try Self.relayout(type, layouts[id.index])
      let copy = AlignedMemory(try type.byteCount().bytes)
      try plan.run([other.base], copy.base, context)
      return try copy.tensor(type)
    case nil: throw Diagnostic(.invalidKernel, "K11: buffer \(id) is not defined by any kernel")
    }
  }
}

extension AlignedMemory {
  /// A tensor over the memory, which it keeps.
  fileprivate func tensor(_ type: TensorType) throws(Diagnostic) -> Tensor {
    try Tensor(type, Storage(base, count: try type.byteCount().bytes) { withExtendedLifetime(self) {} })
  }
}

/// What holds a buffer's elements during a run.
private enum BufferMemory {
  case tensor(AlignedTensor)
  case owned(AlignedMemory)
  /// Within the run's block.
  case planned(UnsafeMutableRawPointer)

  var base: UnsafeRawPointer {
    switch self {
    case .tensor(let tensor): tensor.base
    case .owned(let memory): UnsafeRawPointer(memory.base)
    case .planned(let base): UnsafeRawPointer(base)
    }
  }
}

/// A tensor whose elements kernels may read: copied where it is not aligned for its element type.
struct AlignedTensor: Sendable {
  let tensor: Tensor
  private let copy: AlignedMemory?
  nonisolated(unsafe) let base: UnsafeRawPointer

  init(_ tensor: Tensor) {
    self.tensor = tensor
    let bytes = tensor.bytes
    if let address = bytes.baseAddress, Int(bitPattern: address) % tensor.element.size == 0 {
      copy = nil
      base = address
    } else {
      let copy = AlignedMemory(bytes.count)
      UnsafeMutableRawBufferPointer(start: copy.base, count: bytes.count).copyMemory(from: bytes)
      self.copy = copy
      base = UnsafeRawPointer(copy.base)
    }
  }
}
