import GraphIR
import KernelIR
import Machine
import NPUInterpreter
import Support
import Tensors

/// Why the nodes of a model run where they run, as its compilation decided, and what that costs: what `furc why`
/// prints.
public struct PlacementReport: Sendable {
  /// Where a node runs.
  public enum Place: Hashable, Sendable {
    /// In the device program of that number.
    case device(Int)
    /// Refused by the target.
    case host
    /// Quantizes an input or dequantizes an output; the host does that for every target.
    case conversion
    /// Nothing of it is left to run.
    case folded
  }

  /// A kernel of a device program, with its part of the run.
  public struct Kernel: Sendable {
    /// In the program's kernel table.
    public let index: Int
    /// Of the node that it comes from, or empty.
    public let name: String
    /// As in the text form of kernels.
    public let form: String
    /// Its part of the run.
    public let cycles: Double
  }

  /// What a node off the device costs, by the target's rates.
  public struct Price: Sendable {
    /// Of its results, which the host computes.
    public let elements: Int
    /// Computing them.
    public let hostMicroseconds: Double
    /// That it takes from device programs, and gives them.
    public let bytes: Int
    /// Moving them.
    public let linkMicroseconds: Double
    /// Of device programs that there would be fewer if the target took it.
    public let launches: Int
    /// Starting these programs.
    public let launchMicroseconds: Double

    /// The sum.
    public var microseconds: Double { hostMicroseconds + linkMicroseconds + launchMicroseconds }
  }

  /// A node as it was compiled, after all passes.
  public struct Item: Sendable {
    /// Its operator.
    public let op: String
    /// Its name, or that of the value it converts.
    public let name: String
    /// The nodes of the model that it stands for.
    public let nodes: [ProgramLayers.Node]
    /// Where it runs.
    public let place: Place
    /// The condition that decided, with its values.
    public let reason: String
    /// On the device: those that compute it, perhaps with neighbours.
    public let kernels: [Kernel]
    /// Off the device.
    public let price: Price?
  }

  /// What the report is of.
  public let compilation: Compilation
  /// In program order, then what was folded.
  public private(set) var items: [Item] = []
  /// Of the whole model.
  public let latency: Latency

  /// - Throws: what keeps the compiled program from running.
  public init(_ compilation: Compilation) throws(Diagnostic) {
    self.compilation = compilation
    let report = try ProgramReport(compilation.compiled, digest: compilation.digest)
    latency = report.latency
    let graph = compilation.canonical
    var device = SideTable<NodeID, Int>(default: 0)
    let segments = compilation.partition.segments().filter { $0.kind == .device }
    for (number, segment) in segments.enumerated() {
      for node in segment.nodes { device[node] = number }
    }
    let model = ProgramLayers.nodes(of: compilation.model.graph)
    var byIndex: [Int: ProgramLayers.Node] = [:]
    for node in model { byIndex[node.index] = node }
    let claimants = graph.order.map { id in
      NodeOwners.Claimant(graph.nodes[id].name, graph.nodes[id].sources, place: "0.\(id)")
    }
    // Quantizations are made for nodes that others compute; a Cast beside them is the model's own.
    let computing = zip(graph.order, claimants).filter {
      compilation.partition.places[$0.0] != .conversion || graph.nodes[$0.0].op == "Cast"
    }
    let owners = NodeOwners(computing.map(\.1), names: byIndex.mapValues(\.name))
    let crossing = Crossing(graph, compilation.partition)
    let machine = compilation.compiled.target.machine
    for (id, claimant) in zip(graph.order, claimants) {
      let node = graph.nodes[id]
      let own = owners.nodes(of: claimant)
      var kernels: [Kernel] = []
      let (place, reason): (Place, String)
      switch compilation.partition.places[id] {
      case .device:
        place = .device(device[id])
        kernels = Self.kernels(of: node, own, in: report.devices[device[id]])
        reason =
          kernels.isEmpty
          ? "the target takes it, and no instruction is needed for it alone" : "the target takes its kernels"
      case .host(let why): (place, reason) = (.host, why)
      case .conversion:
        (place, reason) = (.conversion, "inputs and outputs are converted on the host for every target")
      }
      let isHost = compilation.partition.places[id] != .device
      items.append(
        Item(
          op: node.op, name: graph.subject(of: id), nodes: own.compactMap { byIndex[$0] },
          place: place, reason: reason, kernels: kernels,
          price: isHost ? crossing.price(of: id, on: machine) : nil))
    }
    let left = Set(graph.order.flatMap { graph.nodes[$0].sources })
    for node in model where !left.contains(node.index) {
      items.append(
        Item(
          op: node.op, name: node.name, nodes: [node], place: .folded,
          reason: "passes made it a constant, merged it or found it without use", kernels: [], price: nil))
    }
  }

  /// Those under its name; of a node that was fused those that compute it among others.
  private static func kernels(of node: Node, _ own: [Int], in device: DeviceReport) -> [Kernel] {
    var found = device.kernels.filter { $0.name == node.name && !node.name.isEmpty }
    if found.isEmpty {
      found = device.kernels.filter { kernel in kernel.nodes.contains { own.contains($0.index) } }
    }
    return found.sorted { $0.index < $1.index }.map { kernel in
      Kernel(
        index: kernel.index, name: kernel.label, form: kernel.form,
        cycles: device.machine.exactCycles(kernel.ticks))
    }
  }

  /// Only what stands for some of these nodes of the model.
  public func items(of indices: Set<Int>) -> [Item] {
    items.filter { $0.nodes.contains { indices.contains($0.index) } }
  }
}

extension Model {
  /// The numbers of the nodes that a user means: by the node's name, the name of a result, or `#number`.
  /// - Throws: `unknownNode`, with names that are near.
  public func nodes(named name: String) throws(Diagnostic) -> Set<Int> {
    var found: Set<Int> = []
    var known: [String] = []
    for id in graph.order {
      let node = graph.nodes[id]
      let names = [node.name] + graph.results(of: id).map { graph.values[$0].name }
      known += names
      let isMeant = names.contains(name) || node.sources.contains { "#\($0)" == name }
      if isMeant, !name.isEmpty { found.formUnion(node.sources) }
    }
    guard found.isEmpty else { return found }
    let near = nearNames(to: name, among: known).map { "'\($0)'" }.joined(separator: ", ")
    throw Diagnostic(
      .unknownNode,
      "no node or value is named '\(name)'" + (near.isEmpty ? "" : "; near are \(near)"),
      help: "without a name every node is told; '#3' is the node with number 3")
  }
}

/// Which bytes cross the link because of a node.
private struct Crossing {
  private let graph: Graph
  private let partition: Partition
  private let definers: SideTable<ValueID, NodeID>
  /// Values that some node on the device reads.
  private var readByDevice: Set<ValueID> = []

  init(_ graph: Graph, _ partition: Partition) {
    self.graph = graph
    self.partition = partition
    definers = graph.definers()
    for node in graph.order where partition.places[node] == .device {
      readByDevice.formUnion(graph.operands(of: node))
    }
  }

  func price(of node: NodeID, on machine: SliceMachine) -> PlacementReport.Price {
    let taken = Set(graph.operands(of: node)).filter { operand in
      !operand.isNone && !definers[operand].isNone && partition.places[definers[operand]] == .device
    }
    let results = graph.results(of: node)
    let moved = taken.union(results.filter(readByDevice.contains))
    let bytes = moved.reduce(0) { sum, value in
      sum + (graph.values[value].type.concrete.flatMap { try? $0.byteCount().bytes } ?? 0)
    }
    let elements = results.reduce(0) { sum, value in
      sum + (graph.values[value].type.concrete.flatMap { try? $0.elementCount() } ?? 0)
    }
    let launches = partition.places[node] == .conversion ? 0 : partition.programs(causedBy: node)
    return PlacementReport.Price(
      elements: elements, hostMicroseconds: machine.hostMicroseconds(elements: elements), bytes: bytes,
      linkMicroseconds: machine.linkMicroseconds(bytes: bytes), launches: launches,
      launchMicroseconds: machine.launchMicroseconds(launches))
  }
}

extension Graph {
  /// A node's name; of a nameless one the name of its first operand.
  fileprivate func subject(of node: NodeID) -> String {
    guard nodes[node].name.isEmpty else { return nodes[node].name }
    return operands(of: node).first { !$0.isNone }.map { values[$0].name } ?? ""
  }
}
