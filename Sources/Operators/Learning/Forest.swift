import Support
import Tensors

/// The trees of an ensemble, checked: every number leads to a node, a feature or a score that is there.
struct Forest {
  enum Mode: String {
    case atMost = "BRANCH_LEQ"
    case below = "BRANCH_LT"
    case atLeast = "BRANCH_GTE"
    case above = "BRANCH_GT"
    case equal = "BRANCH_EQ"
    case notEqual = "BRANCH_NEQ"
    case leaf = "LEAF"
  }

  private struct Node {
    let mode: Mode
    let feature: Int
    let value: Double
    let missingIsTrue: Bool
    var whenTrue = 0
    var whenFalse = 0
    var says: [(score: Int, weight: Double)] = []
  }

  private struct Key: Hashable {
    let tree: Int
    let id: Int
  }

  private var nodes: [Node] = []
  /// The first node of each tree, in the order of the trees.
  private var roots: [Int] = []

  var treeCount: Int { roots.count }

  /// - Parameters:
  ///   - features: of a row, or nil where they are not known.
  ///   - scores: how many there are.
  /// - Throws: `invalidAttribute`.
  init(_ stated: TreeNodes, _ leaves: LeafWeights, features: Int?, scores: Int) throws(Diagnostic) {
    let values = numbers(stated.values, stated.valuesTensor)
    let count = stated.ids.count
    let lengths = [
      stated.trees.count, stated.features.count, stated.modes.count, values.count, stated.whenTrue.count,
      stated.whenFalse.count, stated.missingIsTrue?.count ?? count,
    ]
    guard lengths.allSatisfy({ $0 == count }) else {
      throw Self.invalid("the lists of nodes have \(count) and \(lengths) entries")
    }
    var places: [Key: Int] = [:]
    var seen: Set<Int> = []
    for index in 0..<count {
      guard let mode = Mode(rawValue: stated.modes[index]) else {
        throw Self.invalid("a node has the mode '\(stated.modes[index])'")
      }
      let feature = stated.features[index]
      guard mode == .leaf || (feature >= 0 && feature < features ?? .max) else {
        throw Self.invalid(
          "a node reads feature \(feature), a row has \(features.map(String.init) ?? "some")")
      }
      let key = Key(tree: stated.trees[index], id: stated.ids[index])
      guard places.updateValue(index, forKey: key) == nil else {
        throw Self.invalid("tree \(key.tree) has two nodes \(key.id)")
      }
      if seen.insert(key.tree).inserted { roots.append(index) }
      let missing = stated.missingIsTrue.map { $0[index] != 0 } ?? false
      nodes.append(Node(mode: mode, feature: feature, value: values[index], missingIsTrue: missing))
    }
    func place(_ tree: Int, _ id: Int) throws(Diagnostic) -> Int {
      guard let place = places[Key(tree: tree, id: id)] else {
        throw Self.invalid("tree \(tree) has no node \(id)")
      }
      return place
    }
    for index in nodes.indices where nodes[index].mode != .leaf {
      nodes[index].whenTrue = try place(stated.trees[index], stated.whenTrue[index])
      nodes[index].whenFalse = try place(stated.trees[index], stated.whenFalse[index])
    }
    let weightLengths = [leaves.trees.count, leaves.ids.count, leaves.scores.count]
    guard weightLengths.allSatisfy({ $0 == leaves.weights.count }) else {
      throw Self.invalid("the lists of weights have \(weightLengths) and \(leaves.weights.count) entries")
    }
    for index in leaves.weights.indices {
      let score = leaves.scores[index]
      guard (0..<scores).contains(score) else { throw Self.invalid("score \(score) is none of \(scores)") }
      nodes[try place(leaves.trees[index], leaves.ids[index])].says.append((score, leaves.weights[index]))
    }
  }

  private static func invalid(_ message: String) -> Diagnostic { Diagnostic(.invalidAttribute, message) }

  /// Calls `body` with what the leaf of each tree says of a row.
  /// - Throws: `invalidAttribute` where nodes of a tree lead in a circle.
  func walk(_ row: ArraySlice<Double>, _ body: (_ score: Int, _ weight: Double) -> Void) throws(Diagnostic) {
    for root in roots {
      var (place, steps) = (root, 0)
      while nodes[place].mode != .leaf {
        place = isTrue(nodes[place], row) ? nodes[place].whenTrue : nodes[place].whenFalse
        steps += 1
        guard steps < nodes.count else { throw Self.invalid("the nodes of a tree lead in a circle") }
      }
      for (score, weight) in nodes[place].says { body(score, weight) }
    }
  }

  private func isTrue(_ node: Node, _ row: ArraySlice<Double>) -> Bool {
    let x = row[row.startIndex + node.feature]
    if x.isNaN, node.missingIsTrue { return true }
    return switch node.mode {
    case .atMost: x <= node.value
    case .below: x < node.value
    case .atLeast: x >= node.value
    case .above: x > node.value
    case .equal: x == node.value
    case .notEqual: x != node.value
    case .leaf: true
    }
  }
}
