import GraphIR
import Operators
import Passes
import Support
import TestSupport
import Testing

@Test func passTableRespectsItsConstraints() {
  #expect(PassTable.standard.violations == [])
  #expect(PassTable.standard.selecting(["eliminate-dead-nodes", "fold-constants"]).violations.count == 1)
  let names = Set(PassTable.standard.passes.map(\.name))
  #expect(PassTable.standard.constraints.allSatisfy { names.contains($0.first) && names.contains($0.second) })
  let twice = PassTable.standard.inserting(.fuseQDQ, after: "infer-shapes")
  #expect(twice.violations.first == "fuse-qdq")
}

/// With a limit of n the first n changes happen and no others, and the graph is valid after each.
@Test(arguments: 0...3)
func changeLimitBisects(limit: Int) throws {
  let dead = (1...3).map { "%\($0): f32[1] = Relu \"dead\" (%\($0 - 1))" }.joined(separator: "\n")
  var graph = try Graph(text: "graph \"g\" { %0 \"x\": f32[1] = input\n\(dead)\nreturn %0 }")
  var options = PassManager.Options()
  options.changeLimit = limit
  options.printBefore = ["eliminate-dead-nodes"]
  options.printAfter = ["eliminate-dead-nodes"]
  options.disabled = ["infer-shapes"]
  let reports = try PassManager(.standard, .standard, options).run(on: &graph)
  #expect(reports.map(\.changes).reduce(0, +) == limit)
  #expect(reports.allSatisfy { $0.pass != "infer-shapes" })
  #expect(graph.order.count == 3 - limit)

  let matcher = TextMatcher(
    """
    check: "x": f32[1] = input
    \(limit == 3 ? "not: dead" : "next: Relu")
    check: return
    """)
  #expect(matcher.failure(in: reports.last?.textAfter ?? "") == nil)
  #expect(reports.last?.textBefore?.contains("dead") == true)
}

@Test func managerNamesThePassThatBreaksTheGraph() throws {
  let vandal = Pass("vandal", "erases what is in use") { rewriter, _ in rewriter.eraseNodes { _ in true } }
  let text = "graph \"g\" {\n  %0 \"x\": f32[1] = input\n  %1: f32[1] = Relu \"r\" (%0)\n  return %1\n}\n"
  var graph = try Graph(text: text)
  let found = #expect(throws: Diagnostic.self) { try PassManager(PassTable([vandal])).run(on: &graph) }
  #expect(found?.description == "error[F0202]: after vandal: G1: an id has no entity")
  #expect(found?.attachment == "// run: vandal\n\(text)")
  #expect(graph.text == text)
}
