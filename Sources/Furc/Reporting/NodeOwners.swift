import Machine
import NPUISA

/// Which of those that claim a node of the model it belongs to: the ones under its name, else the first. Provenance
/// also names the nodes that operands come from, so that neighbours claim each other's.
struct NodeOwners {
  /// A kernel or node as compiled. Those of one name, which an operator falls into, own together.
  struct Claimant {
    let key: String
    let name: String
    let sources: [Int]

    /// - Parameter place: tells apart those without a name, and equal names of different programs.
    init(_ name: String, _ sources: [Int], place: String) {
      key = name.isEmpty ? place : "\(place.prefix { $0 != "." }).\(name)"
      self.name = name
      self.sources = sources
    }
  }

  private var owners: [Int: String] = [:]

  /// - Parameters:
  ///   - claimants: in program order.
  ///   - names: of the model's nodes.
  init(_ claimants: [Claimant], names: [Int: String]) {
    for claimant in claimants {
      for source in claimant.sources where names[source] == claimant.name && !claimant.name.isEmpty {
        owners[source] = owners[source] ?? claimant.key
      }
    }
    for claimant in claimants {
      for source in claimant.sources { owners[source] = owners[source] ?? claimant.key }
    }
  }

  /// The nodes that are its own; all that it claims where none is.
  func nodes(of claimant: Claimant) -> [Int] {
    let own = claimant.sources.filter { owners[$0] == claimant.key }
    return own.isEmpty ? claimant.sources : own
  }
}

extension CompiledModel {
  /// The nodes of the model by device program and kernel.
  var ownedNodes: [[[ProgramLayers.Node]]] {
    var byIndex: [Int: ProgramLayers.Node] = [:]
    for node in layers?.nodes ?? [] { byIndex[node.index] = node }
    let claimants = devices.enumerated().map { number, program in
      program.kernels.enumerated().map {
        NodeOwners.Claimant($1.name, $1.sources, place: "\(number).\($0)")
      }
    }
    let owners = NodeOwners(claimants.flatMap(\.self), names: byIndex.mapValues(\.name))
    return claimants.map { list in
      list.map { claimant in
        owners.nodes(of: claimant).map {
          byIndex[$0] ?? ProgramLayers.Node(index: $0, op: "", name: "")
        }
      }
    }
  }
}
