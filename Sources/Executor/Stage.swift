import GraphIR
import KernelIR
import Operators
import Support
import Tensors

/// The nodes up to the first whose result's shape depends on data, for inputs of known shapes.
struct Stage: Sendable {
  enum Step: Sendable {
    /// Consecutive nodes as kernels; inputs and outputs of the graph of kernels in its order.
    case kernels(KernelExecutor, inputs: [ValueID], outputs: [ValueID])
    /// The operator's own evaluation.
    case evaluate(NodeID)
    /// A value that the shapes alone decide.
    case known(ValueID, Tensor)
    /// Values that are not needed any more.
    case release([ValueID])
  }

  var steps: [Step] = []
  /// The position in the program order where the next stage starts.
  var end = 0

  func run(
    _ values: inout SideTable<ValueID, Tensor?>, _ graph: Graph, _ operators: OperatorSet,
    timing clock: StepClock? = nil, unordered: Set<ValueID> = []
  ) throws(Diagnostic) {
    let free = unordered.isEmpty ? [] : unordered.subtracting(reads(graph))
    for step in steps {
      switch step {
      case .kernels(let executor, let inputs, let outputs):
        var arguments: [Tensor] = []
        for input in inputs {
          guard let tensor = values[input] else {
            throw Diagnostic(.invalidGraph, "value \(input) is read before it is defined")
          }
          arguments.append(tensor)
        }
        let isUnordered = free.isEmpty ? [] : outputs.map(free.contains)
        let results = try executor.run(arguments, timing: clock, isUnordered: isUnordered)
        for (id, tensor) in zip(outputs, results) { values[id] = tensor }
      case .evaluate(let node):
        clock?.start()
        defer { clock?.stop() }
        let operands = graph.operands(of: node).map { $0.isNone ? nil : values[$0] }
        let results = try operators.evaluate(node, in: graph, operands)
        for (id, tensor) in zip(graph.results(of: node), results) { values[id] = tensor }
      case .known(let id, let tensor): values[id] = tensor
      case .release(let ids): for id in ids { values[id] = nil }
      }
    }
  }

  /// What steps take from others, and all that later stages may take.
  private func reads(_ graph: Graph) -> Set<ValueID> {
    var reads: Set<ValueID> = []
    for step in steps {
      switch step {
      case .kernels(_, let inputs, _): reads.formUnion(inputs)
      case .evaluate(let node): reads.formUnion(graph.operands(of: node))
      case .known, .release: break
      }
    }
    for node in graph.order[end...] { reads.formUnion(graph.operands(of: node)) }
    return reads
  }

  func placements(_ graph: Graph) -> [GraphExecutor.Placement] {
    steps.flatMap { step -> [GraphExecutor.Placement] in
      switch step {
      case .kernels(let executor, _, _):
        zip(executor.graph.nodes.ids, executor.choices).map { id, choice in
          let node = executor.graph.nodes[id]
          let buffers = node.operands + [node.result]
          let bytes = buffers.reduce(0) {
            $0 + ((try? executor.graph.buffers[$1].type.byteCount().bytes) ?? 0)
          }
          return GraphExecutor.Placement(
            node: node.name, choice: choice, macs: node.kernel?.macs ?? 0, bytes: bytes)
        }
      case .evaluate(let node):
        [
          GraphExecutor.Placement(
            node: graph.nodes[node].name,
            choice: KernelChoice("evaluation", "\(graph.nodes[node].op) has no kernels for these types"),
            macs: 0, bytes: 0)
        ]
      case .known, .release: []
      }
    }
  }
}

/// Plans a stage: infers types from the shapes at hand, evaluates what they decide, and lowers the rest.
struct StagePlanner {
  /// With types made concrete and known values made constants, as inference and lowering want to see them.
  private var graph: Graph
  private let operators: OperatorSet
  private let options: KernelExecutor.Options
  private let shared: PackedConstants
  private let outside: Set<ValueID>
  private var isKnown = SideTable<ValueID, Bool>(default: false)
  private var stage = Stage()
  private var segment = Segment()

  /// Consecutive nodes that became kernels.
  private struct Segment {
    var kernels = KernelGraph(name: "segment")
    var buffers = SideTable<ValueID, BufferID>(default: .none)
    var inputs: [ValueID] = []
    var results: [ValueID] = []
  }

  init(
    _ graph: Graph, _ operators: OperatorSet, _ options: KernelExecutor.Options, wanted: [ValueID],
    sharing shared: PackedConstants
  ) {
    self.shared = shared
    self.graph = graph
    self.operators = operators
    self.options = options
    outside = Set(graph.outputs + wanted)
  }

  /// - Parameter types: of the values that are there, by value.
  mutating func plan(from start: Int, _ types: [TensorType?]) throws(Diagnostic) -> Stage {
    for id in graph.values.ids {
      if let type = types[id.index] { graph.values[id].type = ValueType(type) }
      isKnown[id] = types[id.index] != nil || graph.values[id].constant != nil
    }
    let lastUse = lastUses()
    var position = start
    while position < graph.order.count {
      let node = graph.order[position]
      position += 1
      let isConcrete = try inferTypes(node)
      if try fold(node) { continue }
      if isConcrete, try lower(node) { continue }
      try close(lastUse, position - 1)
      stage.steps.append(.evaluate(node))
      release(lastUse, position - 1...position - 1)
      for id in graph.results(of: node) { isKnown[id] = true }
      if !isConcrete { break }
    }
    try close(lastUse, position)
    stage.end = position
    return stage
  }

  /// Makes the types of the node's results concrete; false where data decide them.
  private mutating func inferTypes(_ node: NodeID) throws(Diagnostic) -> Bool {
    let inferred = try operators.infer(node, in: graph)
    var isConcrete = true
    for (id, type) in zip(graph.results(of: node), inferred) {
      let stored = ValueType(graph.values[id].type.element, type.shape)
      guard let concrete = stored.concrete else {
        isConcrete = false
        continue
      }
      _ = try concrete.byteCount()
      graph.values[id].type = stored
    }
    return isConcrete
  }

  /// Evaluates a small node whose operands are all known, and Shape of what has a known shape.
  private mutating func fold(_ node: NodeID) throws(Diagnostic) -> Bool {
    let operands = graph.operands(of: node)
    var results: [Tensor] = []
    if let shape = try operators.instance(of: node, in: graph) as? Shape, let operand = operands.first {
      guard let value = try shape.value(of: graph.values[operand].type) else { return false }
      results = [value]
    } else {
      let constants = operands.map { graph.constant($0) }
      let isComputable = zip(operands, constants).allSatisfy { $0.isNone || $1 != nil }
      let isSmall = graph.results(of: node).allSatisfy { id in
        ((try? graph.values[id].type.concrete?.elementCount()) ?? .max) <= 1 << 12
      }
      guard isComputable, isSmall, graph.nodes[node].regions.isEmpty else { return false }
      results = try operators.evaluate(node, in: graph, constants)
    }
    for (id, tensor) in zip(graph.results(of: node), results) {
      graph.values[id].type = ValueType(tensor.type)
      graph.values[id].definition = .constant(tensor)
      isKnown[id] = true
      stage.steps.append(.known(id, tensor))
    }
    return true
  }

  /// Adds the node's kernels to the segment, or returns false where it has none.
  private mutating func lower(_ node: NodeID) throws(Diagnostic) -> Bool {
    var next = segment
    var buffers: [BufferID] = []
    for id in graph.operands(of: node) {
      guard !id.isNone else {
        buffers.append(.none)
        continue
      }
      if next.buffers[id].isNone {
        if let constant = graph.values[id].constant {
          next.buffers[id] = next.kernels.constant(constant)
        } else {
          guard let type = graph.values[id].type.concrete else { return false }
          next.buffers[id] = next.kernels.input("v\(id.rawValue)", type)
          next.inputs.append(id)
        }
      }
      buffers.append(next.buffers[id])
    }
    let graph = graph
    let lowered: [BufferID]?
    do {
      lowered = try operators.lower(
        node, in: graph, types: { (id) throws(Diagnostic) in try graph.values[id].type.requireConcrete() },
        buffers, into: &next.kernels)
    } catch {
      guard error.kind == .notLowered else { throw error }
      return false
    }
    guard let lowered else { return false }
    for (id, buffer) in zip(graph.results(of: node), lowered) {
      next.buffers[id] = buffer
      next.results.append(id)
    }
    segment = next
    return true
  }

  /// Ends the segment before the node at `position`: later nodes may read its results.
  private mutating func close(
    _ lastUse: SideTable<ValueID, Int>, _ position: Int
  ) throws(Diagnostic) {
    guard segment.kernels.nodes.count > 0 else {
      segment = Segment()
      return
    }
    let outputs = segment.results.filter { lastUse[$0] >= position }
    segment.kernels.outputs = outputs.map { segment.buffers[$0] }
    let kernels = segment.kernels.canonical.fused().withoutDeadNodes
    let executor = try KernelExecutor(kernels, options, sharing: shared)
    // Fusion may have dropped inputs or changed their order.
    var inputs: [ValueID] = []
    for id in kernels.inputs {
      let name = kernels.buffers[id].name
      if let value = segment.inputs.first(where: { "v\($0.rawValue)" == name }) { inputs.append(value) }
    }
    stage.steps.append(.kernels(executor, inputs: inputs, outputs: outputs))
    let dead = segment.inputs.filter { lastUse[$0] < position && graph.values[$0].definition == .result }
    if !dead.isEmpty { stage.steps.append(.release(dead)) }
    segment = Segment()
  }

  /// Releases what the evaluated node was the last to read.
  private mutating func release(_ lastUse: SideTable<ValueID, Int>, _ positions: ClosedRange<Int>) {
    for position in positions {
      let node = graph.order[position]
      let dead = graph.operands(of: node).filter { id in
        !id.isNone && lastUse[id] <= position && graph.values[id].definition == .result
      }
      if !dead.isEmpty { stage.steps.append(.release(Array(Set(dead)).sorted())) }
    }
  }

  /// The position of the last node that reads each value, behind the last one for what the caller wants.
  private func lastUses() -> SideTable<ValueID, Int> {
    var last = SideTable<ValueID, Int>(default: -1)
    for (position, node) in graph.order.enumerated() {
      for operand in graph.operands(of: node) where !operand.isNone { last[operand] = position }
    }
    for id in outside { last[id] = graph.order.count }
    return last
  }
}
