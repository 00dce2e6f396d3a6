import KernelIR
import Support
import Tensors

/// What no program for a graph of kernels can undercut on a machine: computed from the unfused kernels and the
/// machine's numbers alone. A compiler may fuse, tile, merge and reorder as it likes; contractions run on the
/// contraction engine, which main alone may use, one instruction at a time.
public struct Bounds: Hashable, Sendable {
  public enum Weights: String, CaseIterable, Sendable {
    /// Every run reads them from DRAM.
    case streamed
    /// They lie in SRAM before a run starts.
    case resident
  }

  /// Of one kernel, in cycles.
  public struct Layer: Hashable, Sendable {
    /// Its products on all lanes of all slices.
    public var mac = 0
    /// Its results through the vector engines.
    public var vector = 0
    /// Its results through the commit ports, its operands through the fetch ports: the larger.
    public var port = 0
    /// The issue of one instruction, or 0 for a kernel that may disappear into another.
    public var issue = 0

    /// No schedule without fusion does the kernel in less.
    public var cycles: Int { issue + max(mac, port) }
  }

  /// In the order of the graph's nodes.
  public private(set) var layers: [Layer] = []
  /// Σ products at full rate.
  public private(set) var mac = 0
  /// Σ results of contractions and reductions through the vector engines.
  public private(set) var vector = 0
  /// All that must pass the SRAM ports.
  public private(set) var port = 0
  /// Inputs, outputs and streamed weights through DRAM.
  public private(set) var dram = 0
  /// Issue and one cycle for every kernel of the longest chain of kernels that need an instruction each.
  public private(set) var chain = 0
  /// The issues of the contractions of a chain, and all products or commits: main does them one by one.
  public private(set) var serial = 0
  /// Along the longest chain issue + max(MAC, port) of each kernel: a bound as long as kernels are not fused.
  public private(set) var layerCycles = 0

  /// The terms by name, in the order of precedence among equals.
  public var terms: [(name: String, cycles: Int)] {
    [("mac", mac), ("serial", serial), ("dram", dram), ("port", port), ("vector", vector), ("chain", chain)]
  }

  /// The binding term.
  public var binding: (name: String, cycles: Int) {
    terms.reduce(("mac", mac)) { $1.cycles > $0.cycles ? $1 : $0 }
  }

  /// - Precondition: the graph is verified.
  public init(_ graph: KernelGraph, on machine: SliceMachine, weights: Weights) {
    var fetched = SideTable<BufferID, Int>(default: 0)
    var streamed = SideTable<BufferID, Int>(default: 0)
    var commits = 0
    /// The most along any chain that ends in a buffer.
    var issues = SideTable<BufferID, Int>(default: 0)
    var tiles = SideTable<BufferID, Int>(default: 0)
    var cycles = SideTable<BufferID, Int>(default: 0)
    var (longestIssues, products) = (0, 0)
    for id in graph.nodes.ids {
      let node = graph.nodes[id]
      var layer = Layer()
      if let kernel = node.kernel {
        let work = KernelWork(kernel, machine)
        layer.mac = work.macCycles
        layer.vector = work.vectorCycles
        layer.issue = work.issue
        var bytes = 0
        for (operand, buffer) in zip(work.fetchedBytes, node.operands) {
          // What a map or copy makes may never lie in memory.
          guard Self.isMaterial(buffer, in: graph) else { continue }
          bytes += operand
          fetched[buffer] = max(fetched[buffer], operand)
          if graph.buffers[buffer].constant != nil { streamed[buffer] = max(streamed[buffer], operand) }
        }
        layer.port = max(work.commitCycles, Self.fetchCycles(bytes, machine))
        commits += work.commitCycles
        products += layer.mac
        vector += layer.vector
      }
      func longest(_ table: SideTable<BufferID, Int>) -> Int { node.operands.map { table[$0] }.max() ?? 0 }
      issues[node.result] = longest(issues) + (node.kernel?.form == .contract ? layer.issue : 0)
      tiles[node.result] = longest(tiles) + layer.issue + (layer.issue > 0 ? 1 : 0)
      cycles[node.result] = longest(cycles) + layer.cycles
      longestIssues = max(longestIssues, issues[node.result])
      chain = max(chain, tiles[node.result])
      layerCycles = max(layerCycles, cycles[node.result])
      layers.append(layer)
    }
    mac = products
    serial = longestIssues + max(products, commits)
    port = max(commits, Self.fetchCycles(graph.buffers.ids.reduce(0) { $0 + fetched[$1] }, machine))
    dram = Self.dramCycles(graph, machine, weights == .streamed ? streamed : SideTable(default: 0))
  }

  /// Whether the buffer is the host's, a constant, or what an instruction of its own must leave.
  private static func isMaterial(_ buffer: BufferID, in graph: KernelGraph) -> Bool {
    guard graph.buffers[buffer].definition == .result else { return true }
    return graph.nodes.ids.contains {
      graph.nodes[$0].result == buffer && graph.nodes[$0].kernel?.form == .contract
    }
  }

  private static func fetchCycles(_ bytes: Int, _ machine: SliceMachine) -> Int {
    let rate = machine.slices * (machine.fetchMainBytesPerCycle + machine.fetchSubBytesPerCycle)
    return (bytes + rate - 1) / rate
  }

  /// The buffer that views lead back to.
  private static func root(of buffer: BufferID, in graph: KernelGraph) -> BufferID {
    var buffer = buffer
    while let id = graph.nodes.ids.first(where: { graph.nodes[$0].result == buffer }),
      graph.nodes[id].body == .view, let operand = graph.nodes[id].operands.first
    { buffer = operand }
    return buffer
  }

  /// Every input that is read, every output, and every streamed weight passes DRAM once.
  private static func dramCycles(
    _ graph: KernelGraph, _ machine: SliceMachine, _ streamed: SideTable<BufferID, Int>
  ) -> Int {
    var bytes = 0
    for id in graph.buffers.ids {
      bytes += streamed[id]
      // An output that is an input or constant, perhaps under another shape, need not move.
      let isOutput =
        graph.outputs.contains(id) && graph.buffers[root(of: id, in: graph)].definition == .result
      if isOutput { bytes += (try? graph.buffers[id].type.byteCount().bytes) ?? 0 }
    }
    for id in graph.nodes.ids {
      guard let kernel = graph.nodes[id].kernel, kernel.form == .contract, kernel.elements > 0 else {
        continue
      }
      for (touched, buffer) in zip(KernelWork.touchedBytes(kernel), graph.nodes[id].operands)
      where graph.buffers[buffer].definition == .input { bytes += touched }
    }
    // Each granule moves at most its bytes, one after the other.
    let ticks = bytes * machine.dramGranuleTicks / machine.dramGranuleBytes
    return ticks / machine.ticksPerCycle
  }
}

/// The least work of one kernel.
private struct KernelWork {
  var macCycles = 0
  var vectorCycles = 0
  var commitCycles = 0
  var issue = 0
  /// Of operands 0 and 1 of a contraction: bytes that must pass a fetch port at least once.
  var fetchedBytes: [Int] = []

  init(_ kernel: Kernel, _ machine: SliceMachine) {
    let elements = kernel.elements
    let flits = ceiling(elements, 8 * machine.slices)
    let fastest = max(machine.vectorWaysInteger, machine.vectorWaysFloat)
    let reduction = kernel.reductionAxes.reduce(1) { $0 * kernel.axes[$1].extent }
    switch kernel.form {
    case .contract where elements > 0:
      let products = Self.products(kernel)
      let narrowest = kernel.operands.prefix(2).map(\.type.element.size).min() ?? 1
      let perCycle = machine.slices * machine.lanes * max(machine.packetBytes / narrowest, 1)
      macCycles = ceiling(products, perCycle)
      issue = products > 0 ? machine.issueMainCycles : 0
      if kernel.post.needsEngine { vectorCycles = flits * ceiling(8, fastest) }
      // Whatever the sink, eight results take a cycle at least.
      commitCycles = flits
      fetchedBytes = Self.touchedBytes(kernel)
    case .reduce where elements > 0 && reduction > 1:
      issue = min(machine.issueMainCycles, machine.issueSubCycles)
    default: break
    }
  }

  /// Products of elements that both lie in bounds: what lies outside contributes nothing and need not be done.
  private static func products(_ kernel: Kernel) -> Int {
    var count = kernel.points
    for operand in kernel.operands.prefix(2) where operand.outside != .never {
      guard let (inside, all) = insideOf(operand, kernel) else { return 0 }
      // Σ over both operands of what is outside, so that an overlap counts twice at worst.
      count -= kernel.points / max(all, 1) * (all - inside)
    }
    return max(count, 0)
  }

  /// How many indices of the operand's axes lie in bounds, and how many there are. Nil where dimensions share
  /// axes, or there are too many to try.
  private static func insideOf(_ operand: Operand, _ kernel: Kernel) -> (inside: Int, all: Int)? {
    var (inside, all) = (1, 1)
    var seen: [AxisID] = []
    for (map, extent) in zip(operand.maps, operand.type.shape) {
      let axes = map.terms.map(\.axis)
      guard !axes.contains(where: seen.contains) else { return nil }
      seen += axes
      guard let values = values(of: map, kernel) else { return nil }
      inside *= values.count { $0 >= 0 && $0 < extent }
      all *= values.count
    }
    return (inside, all)
  }

  /// Of every form operand the bytes of the elements that some point in bounds names, at least.
  static func touchedBytes(_ kernel: Kernel) -> [Int] {
    kernel.operands.prefix(kernel.form == .contract ? 2 : 0).map { operand in
      var seen: [AxisID] = []
      var product = 1
      for (map, extent) in zip(operand.maps, operand.type.shape) {
        guard let values = values(of: map, kernel) else { return 0 }
        let different = Set(values.filter { $0 >= 0 && $0 < extent }).count
        // Coordinates that move together name no more than the most of them.
        product =
          map.terms.contains { seen.contains($0.axis) } ? max(product, different) : product * different
        seen += map.terms.map(\.axis)
      }
      return product * operand.type.element.size
    }
  }

  private static func values(of map: AffineMap, _ kernel: Kernel) -> [Int]? {
    var values = [map.offset]
    for term in map.terms {
      let extent = kernel.axes[term.axis].extent
      guard values.count * max(extent, 1) <= 1 << 20 else { return nil }
      values = values.flatMap { value in (0..<extent).map { value + term.coefficient * $0 } }
    }
    return values
  }
}

extension Program {
  /// Whether a step computes; a commit rounds and clamps on its own.
  fileprivate var needsEngine: Bool {
    steps.ids.contains { id in
      switch steps[id] {
      case .input, .operand, .integer, .float, .convert: false
      default: true
      }
    }
  }
}

/// ⌈left / right⌉ for `left` ≥ 0 and `right` > 0.
private func ceiling(_ left: Int, _ right: Int) -> Int { (left + right - 1) / right }
