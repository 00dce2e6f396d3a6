import GraphIR
import KernelIR
import Machine
import NPUISA
import Support

extension ProgramLayers {
  /// What the graphs of a compilation tell about its programs.
  /// - Parameter model: as it was read: its nodes carry the names that users know.
  init(
    _ model: Graph, _ devices: [Compilation.Device], _ programs: [NPUProgram], on machine: SliceMachine
  ) {
    self.init()
    let mentioned = Set(programs.flatMap { $0.kernels.flatMap(\.sources) })
    nodes = Self.nodes(of: model).filter { mentioned.contains($0.index) }
    self.devices = zip(devices, programs).map { device, program in
      Device(device, program, on: machine)
    }
  }

  /// Every node of a model, by its number there.
  static func nodes(of model: Graph) -> [Node] {
    var byIndex: [Int: Node] = [:]
    for id in model.order {
      let node = model.nodes[id]
      // An upgrade may put several nodes in the place of one; the first tells what it was.
      for index in node.sources where byIndex[index] == nil {
        byIndex[index] = Node(index: index, op: node.op, name: node.name)
      }
    }
    return byIndex.values.sorted { $0.index < $1.index }
  }
}

extension ProgramLayers.Device {
  fileprivate init(_ device: Compilation.Device, _ program: NPUProgram, on machine: SliceMachine) {
    let weights: Bounds.Weights = program.load.isEmpty ? .streamed : .resident
    let whole = Bounds(device.kernels, on: machine, weights: weights)
    self.init(weights: weights, layerCycles: whole.layerCycles, macs: device.kernels.macs)
    terms = whole.terms.map { ProgramLayers.Term(name: $0.name, cycles: $0.cycles) }
    let layers = Bounds(device.fused, on: machine, weights: weights).layers
    for (index, id) in program.entries(of: device.fused) {
      guard let kernel = device.fused.nodes[id].kernel else { continue }
      kernels.append(
        ProgramLayers.Kernel(
          index: index, form: kernel.form.word, macs: kernel.macs, bound: layers[Int(id.rawValue)]))
    }
  }
}

extension NPUProgram {
  /// The entries of the kernel table that stand for the nodes of the graph that was compiled, by ascending entry.
  /// A compiler may put kernels of its own before a node's, under the node's name.
  fileprivate func entries(of graph: KernelGraph) -> [(index: Int, node: KernelID)] {
    func isSame(_ entry: KernelEntry, _ node: KernelNode) -> Bool {
      entry.name == node.name && entry.sources == node.sources
    }
    var pairs: [(index: Int, node: KernelID)] = []
    var end = kernels.count
    for id in graph.nodes.ids.reversed() {
      guard let index = kernels[..<end].lastIndex(where: { isSame($0, graph.nodes[id]) }) else { continue }
      pairs.append((index, id))
      end = index
    }
    return pairs.reversed()
  }
}
