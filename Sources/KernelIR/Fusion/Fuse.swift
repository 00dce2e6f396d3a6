import Support
import Tensors

extension KernelGraph {
  /// The graph with every map composed into the producer of one of its operands, where nothing else reads
  /// that operand and the map reads it at its own point. Producers are maps, reductions and contractions;
  /// of several, all maps, then the latest contraction, or else the latest reduction. Views stay between.
  ///
  /// Constants of one element become immediates first.
  ///
  /// Composition removes no rounding: where a value went through memory as a narrower type, the fused
  /// program converts it to that type. So both graphs compute equal bytes. The fused node defines the map's
  /// result; it has the sources of both, ascending, and the name of the contraction or reduction, or else of
  /// the later map.
  /// - Parameter accepts: whether a target can run the composed kernel.
  /// - Precondition: the graph is verified. The result is in canonical numbering.
  public func fused(where accepts: (Kernel) -> Bool = { _ in true }) -> KernelGraph {
    var fuser = Fuser(inliningScalars())
    for id in nodes.ids { fuser.absorbProducers(of: id, accepts) }
    // A map of scalars alone had to keep one; what it went into need not.
    return fuser.graph.withoutNodes { fuser.isAbsorbed[$0] }.inliningScalars().canonical
  }
}

private struct Fuser {
  var graph: KernelGraph
  var isAbsorbed = SideTable<KernelID, Bool>(default: false)
  /// The node that computes a buffer.
  private var definition = SideTable<BufferID, KernelID>(default: .none)
  /// How many nodes and outputs read a buffer.
  private var readers = SideTable<BufferID, Int>(default: 0)

  init(_ graph: KernelGraph) {
    self.graph = graph
    for id in graph.nodes.ids {
      definition[graph.nodes[id].result] = id
      for operand in Set(graph.nodes[id].operands) { readers[operand] += 1 }
    }
    for output in graph.outputs { readers[output] += 1 }
  }

  mutating func absorbProducers(of id: KernelID, _ accepts: (Kernel) -> Bool) {
    var refused: Set<KernelID> = []
    while let producer = candidate(for: id, except: refused) {
      guard let fused = compose(producer, into: id), let kernel = fused.kernel, accepts(kernel) else {
        refused.insert(producer)
        continue
      }
      // What both read has lost a reader.
      for operand in Set(graph.nodes[producer].operands).intersection(graph.nodes[id].operands) {
        readers[operand] -= 1
      }
      graph.nodes[id] = fused
      isAbsorbed[producer] = true
    }
  }

  /// The producer to compose next, or none once the node is no map any more.
  private func candidate(for id: KernelID, except refused: Set<KernelID>) -> KernelID? {
    guard let consumer = graph.nodes[id].kernel, consumer.form == .map else { return nil }
    var best: (rank: Int, id: KernelID)?
    for (index, buffer) in graph.nodes[id].operands.enumerated() {
      let producer = definition[buffer]
      guard !producer.isNone, !refused.contains(producer), readers[buffer] == 1,
        let kernel = graph.nodes[producer].kernel, let rank = kernel.form.fusionRank,
        consumer.readsPointwise(index),
        graph.nodes[id].operands.indices.allSatisfy({
          graph.nodes[id].operands[$0] != buffer || consumer.readsPointwise($0)
        })
      else { continue }
      if let best, (best.rank, best.id) >= (rank, producer) { continue }
      best = (rank, producer)
    }
    return best?.id
  }

  private func compose(_ producerID: KernelID, into consumerID: KernelID) -> KernelNode? {
    let (producer, consumer) = (graph.nodes[producerID], graph.nodes[consumerID])
    guard let first = producer.kernel, let second = consumer.kernel else { return nil }
    let composed = Composition(first, producer.operands, second, consumer.operands, producer.result)
    let keepsName = first.form != .map && !producer.name.isEmpty || consumer.name.isEmpty
    return KernelNode(
      name: keepsName ? producer.name : consumer.name,
      sources: Set(producer.sources).union(consumer.sources).sorted(),
      body: .kernel(composed.kernel), operands: composed.arguments, result: consumer.result)
  }
}

/// A map after the kernel that computes one of its operands, as one kernel.
struct Composition {
  private(set) var kernel: Kernel
  private(set) var arguments: [BufferID]

  /// - Precondition: `second` is a map that reads `value`, the result of `first`, pointwise wherever it does.
  init(
    _ first: Kernel, _ firstArguments: [BufferID], _ second: Kernel, _ secondArguments: [BufferID],
    _ value: BufferID
  ) {
    kernel = first
    arguments = firstArguments
    kernel.element = second.element

    var program = first.post
    var result = first.post.result
    if first.element.isRounding { result = program.append(.convert(first.element, result)) }

    let tables = second.tables.map { table in
      if let index = kernel.tables.firstIndex(of: table) { return index }
      kernel.tables.append(table)
      return kernel.tables.count - 1
    }
    let axes = first.axes(.parallel)
    /// What each operand of `second` is in the composed kernel: a register or an operand.
    var sources: [Source] = []
    for (operand, argument) in zip(second.operands, secondArguments) {
      if argument == value {
        let pre =
          operand.pre.isIdentity ? result : program.append(operand.pre, input: result, table: { tables[$0] })
        sources.append(.register(pre))
      } else {
        var moved = operand
        moved.maps = operand.maps.map { $0.substituting { .axis(axes[$0.index]) } }
        moved.pre = operand.pre.mappingTables { tables[$0] }
        sources.append(.operand(index(of: moved, argument)))
      }
    }
    var renamed = SideTable<Register, Register>(default: .none)
    for register in second.post.steps.ids {
      let step = second.post.steps[register]
      if case .operand(let index) = step, case .register(let value) = sources[index] {
        renamed[register] = value
      } else {
        let moved = step.mapping(
          registers: { renamed[$0] }, operand: { sources[$0].operand }, table: { tables[$0] })
        renamed[register] = program.append(moved)
      }
    }
    program.result = renamed[second.post.result]
    kernel.post = program.withoutDeadSteps
  }

  private enum Source {
    case register(Register)
    case operand(Int)

    var operand: Int { if case .operand(let index) = self { index } else { -1 } }
  }

  /// The operand for the post-program that reads the same, or a new one.
  private mutating func index(of operand: Operand, _ argument: BufferID) -> Int {
    for index in kernel.operands.indices.dropFirst(kernel.formOperandCount)
    where kernel.operands[index] == operand && arguments[index] == argument {
      return index
    }
    kernel.operands.append(operand)
    arguments.append(argument)
    return kernel.operands.count - 1
  }
}

extension Kernel {
  /// Whether an operand is read at the point of the result itself: its maps are the axes in their order, or 0
  /// along axes of extent 1, as broadcasting writes them.
  public func readsPointwise(_ operand: Int) -> Bool {
    let parallel = axes(.parallel)
    return operands[operand].type.shape == result.shape
      && zip(operands[operand].maps, parallel).allSatisfy { map, axis in
        map == .axis(axis) || (axes[axis].extent == 1 && map == 0)
      }
  }
}

extension Kernel.Form {
  /// Later ones are composed first; nil for copies, which have no programs.
  fileprivate var fusionRank: Int? {
    switch self {
    case .reduce: 0
    case .contract: 1
    case .map: 2
    case .move, .gather, .scatter: nil
    }
  }
}

extension ElementType {
  /// Whether storing a register of its kind may change it.
  fileprivate var isRounding: Bool { self != .f32 && self != .i32 }
}

extension KernelGraph {
  fileprivate func withoutNodes(_ isRemoved: (KernelID) -> Bool) -> KernelGraph {
    var copy = self
    copy.nodes = EntityMap()
    // The removed results lose their definitions, and with them their place in canonical numbering.
    for id in nodes.ids where !isRemoved(id) { copy.nodes.append(nodes[id]) }
    return copy
  }
}
