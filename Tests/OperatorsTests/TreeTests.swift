import GraphIR
import Operators
import Support
import Tensors
import Testing

/// x₀ ≤ ½ leads to leaf 1, else to leaf 2.
private func stump(_ mode: String = "BRANCH_LEQ") -> [Attribute] {
  [
    ints("nodes_treeids", [0, 0, 0]), ints("nodes_nodeids", [0, 1, 2]), ints("nodes_featureids", [0, 0, 0]),
    Attribute("nodes_modes", .strings([mode, "LEAF", "LEAF"])), floats("nodes_values", [0.5, 0, 0]),
    ints("nodes_truenodeids", [1, 0, 0]), ints("nodes_falsenodeids", [2, 0, 0]),
  ]
}

private func weights(_ kind: String, _ list: [(leaf: Int, score: Int, weight: Float)]) -> [Attribute] {
  [
    ints("\(kind)_treeids", list.map { _ in 0 }), ints("\(kind)_nodeids", list.map(\.leaf)),
    ints(kind == "class" ? "class_ids" : "target_ids", list.map(\.score)),
    floats("\(kind)_weights", list.map(\.weight)),
  ]
}

private func classify(
  _ list: [(leaf: Int, score: Int, weight: Float)], labels: [Int] = [10, 20], _ more: [Attribute] = []
) throws -> (labels: [Int], scores: [Float]) {
  let attributes = stump() + weights("class", list) + [ints("classlabels_int64s", labels)] + more
  let results = try learned("TreeEnsembleClassifier", attributes, [try rows([[0], [1]])])
  return (try results[0].int64Elements(), results[1].floatElements())
}

/// Expected values were found with another runtime; where it gives labels that are none, the largest score's.
@Test func treesWithOneScoreGiveTwo() throws {
  func transform(_ name: String) -> [Attribute] { [Attribute("post_transform", .string(name))] }
  let positive = [(leaf: 1, score: 0, weight: Float(0.3)), (2, 0, 0.8)]
  let mixed = [(leaf: 1, score: 0, weight: Float(-0.3)), (2, 0, 0.8)]
  let cases: [([(leaf: Int, score: Int, weight: Float)], [Attribute], [Float])] = [
    (positive, [], [0.7, 0.3, 0.2, 0.8]), (mixed, [], [0.3, -0.3, -0.8, 0.8]),
    (positive, transform("LOGISTIC"), [0.4255575, 0.5744425, 0.3100255, 0.6899745]),
    (mixed, transform("LOGISTIC"), [0.5744425, 0.4255575, 0.3100255, 0.6899745]),
    (positive, transform("SOFTMAX"), [0.7, 0.3, 0.2, 0.8]),
    (mixed, transform("SOFTMAX_ZERO"), [0.3, -0.3, -0.8, 0.8]),
    (positive, [floats("base_values", [0.1])], [0.6, 0.4, 0.1, 0.9]),
  ]
  for (list, more, wanted) in cases {
    let found = try classify(list, more)
    #expect(found.labels == [10, 20] && distance(found.scores, wanted) < 1e-6, "\(more): \(found)")
  }
  let second = try classify([(1, 1, -0.3), (2, 1, 0.8)], transform("SOFTMAX"))
  #expect(second.labels == [10, 20])
  #expect(distance(second.scores, [0.5744425, 0.4255575, 0.3100255, 0.6899745]) < 1e-6)
}

@Test func treesChooseTheLargestScore() throws {
  let both = try classify([(1, 0, 0.7), (1, 1, 0.3), (2, 0, 0.2), (2, 1, 0.8)])
  #expect(both.labels == [10, 20] && distance(both.scores, [0.7, 0.3, 0.2, 0.8]) < 1e-6)
  let base = [floats("base_values", [0.1, 0.2, 0.3])]
  let three = try classify([(1, 0, -0.3), (2, 1, -0.8)], labels: [5, 6, 7], base)
  #expect(three.labels == [7, 7])
  #expect(distance(three.scores, [-0.2, 0.2, 0.3, 0.1, -0.6, 0.3]) < 1e-6)
  let tie = try classify([(1, 1, 1), (1, 2, 1)], labels: [5, 6, 7])
  #expect(tie.labels == [6, 5])
}

@Test(arguments: [
  ("BRANCH_LEQ", [5, 5, 6, 6]), ("BRANCH_LT", [5, 6, 6, 6]), ("BRANCH_GTE", [6, 5, 5, 6]),
  ("BRANCH_GT", [6, 6, 5, 6]), ("BRANCH_EQ", [6, 5, 6, 6]), ("BRANCH_NEQ", [5, 6, 5, 5]),
])
func branchesCompare(mode: String, labels: [Int]) throws {
  let attributes =
    stump(mode) + weights("class", [(1, 0, 1), (2, 1, 1), (2, 2, 0)])
    + [ints("classlabels_int64s", [5, 6, 7])]
  let x = try rows([[0], [0.5], [1], [.nan]])
  #expect(try learned("TreeEnsembleClassifier", attributes, [x])[0].int64Elements() == labels)
  let tracked = attributes + [ints("nodes_missing_value_tracks_true", [1, 0, 0])]
  let found = try learned("TreeEnsembleClassifier", tracked, [x])[0].int64Elements()
  #expect(found == Array(labels.dropLast()) + [5])
  for element in [ElementType.f64, .i32, .i64] {
    let whole = try rows([[0], [1]]).converted(to: element)
    let few = try learned("TreeEnsembleClassifier", attributes, [whole])[0].int64Elements()
    #expect(few == [labels[0], labels[2]])
  }
}

@Test(
  arguments: [
    ("SUM", [2.5, 0.25, 1.5, 0], [12.5, 20.25, 11.5, 20]),
    ("AVERAGE", [1.25, 0.125, 0.75, 0], [11.25, 20.125, 10.75, 20]),
    ("MIN", [0.5, 0.25, -0.5, 0], [10.5, 20.25, 9.5, 20]), ("MAX", [2, 0.25, 2, 0], [12, 20.25, 12, 20]),
  ] as [(String, [Float], [Float])])
func treesAggregate(function: String, plain: [Float], based: [Float]) throws {
  let attributes = [
    ints("nodes_treeids", [0, 0, 0, 1]), ints("nodes_nodeids", [0, 1, 2, 0]),
    ints("nodes_featureids", [0, 0, 0, 0]),
    Attribute("nodes_modes", .strings(["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"])),
    floats("nodes_values", [0.5, 0, 0, 0]), ints("nodes_truenodeids", [1, 0, 0, 0]),
    ints("nodes_falsenodeids", [2, 0, 0, 0]), ints("target_treeids", [0, 0, 0, 1]),
    ints("target_nodeids", [1, 1, 2, 0]), ints("target_ids", [0, 1, 0, 0]),
    floats("target_weights", [0.5, 0.25, -0.5, 2]), int("n_targets", 2),
    Attribute("aggregate_function", .string(function)),
  ]
  let x = try rows([[0], [1]])
  let base = floats("base_values", [10, 20])
  #expect(try learned("TreeEnsembleRegressor", attributes, [x])[0].floatElements() == plain)
  #expect(try learned("TreeEnsembleRegressor", attributes + [base], [x])[0].floatElements() == based)
}

@Test func wrongTreesAreRefused() throws {
  func message(_ changes: [Attribute], _ x: Tensor) -> String {
    let all =
      stump() + weights("class", [(1, 0, 1), (2, 1, 1)]) + [ints("classlabels_int64s", [5, 6])]
    let names = Set(changes.map(\.name))
    return refusal("TreeEnsembleClassifier", all.filter { !names.contains($0.name) } + changes, [x])
  }
  let x = try rows([[0], [1]])
  let cases: [(Attribute, String)] = [
    (ints("nodes_nodeids", [0, 1]), "the lists of nodes have 2 and [3, 3, 3, 3, 3, 3, 2] entries"),
    (ints("nodes_nodeids", [0, 1, 1]), "tree 0 has two nodes 1"),
    (ints("nodes_truenodeids", [7, 0, 0]), "tree 0 has no node 7"),
    (ints("nodes_truenodeids", [0, 0, 0]), "the nodes of a tree lead in a circle"),
    (ints("nodes_featureids", [1, 0, 0]), "a node reads feature 1, a row has 1"),
    (ints("nodes_featureids", [-1, 0, 0]), "a node reads feature -1, a row has 1"),
    (Attribute("nodes_modes", .strings(["BRANCH", "LEAF", "LEAF"])), "a node has the mode 'BRANCH'"),
    (ints("class_ids", [0, 2]), "score 2 is none of 2"),
    (ints("class_nodeids", [1, 3]), "tree 0 has no node 3"),
    (floats("class_weights", [1]), "the lists of weights have [2, 2, 2] and 1 entries"),
    (floats("base_values", [1, 2, 3]), "3 base values for 2 labels"),
    (ints("classlabels_int64s", [5]), "labels are [5], needed are two integers"),
    (
      Attribute("classlabels_strings", .strings(["a", "b"])),
      "labels are [\"a\", \"b\"], needed are two integers"
    ),
  ]
  for (change, wanted) in cases { #expect(message([change], x) == wanted, "\(change)") }
  #expect(message([Attribute("post_transform", .string("COSINE"))], x).contains("is not among"))
  let cube = try x.reshaped([2, 1, 1])
  #expect(message([], cube) == "x is f32[2,1,1], no rows")
  let targets = refusal("TreeEnsembleRegressor", stump() + [int("n_targets", -1)], [x])
  #expect(targets == "0 base values for -1 targets")
}
