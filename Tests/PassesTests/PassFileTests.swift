import GraphIR
import Operators
import Passes
import Support
import TestSupport
import Testing

/// Those of the standard table and the optional ones.
let everyPass = PassTable(PassTable.standard.passes + PassTable.optional)

/// Every file in Cases is a test: its first line names passes, which turn the graph above the line `// ----`
/// into the one below. A limit of changes at every number leaves a graph that verifies.
@Test(arguments: GoldenFile.all(in: "Cases"))
func passFile(_ file: GoldenFile) throws {
  let graph = try Graph(text: file.input)
  #expect(try Graph(text: graph.text) == graph)
  var optimized = graph
  let reports = try PassManager(everyPass.selecting(file.command)).run(on: &optimized)
  #expect(reports.map(\.pass) == file.command, "unknown pass")
  let summary = reports.map { "// \($0.pass): \($0.changes) changes\n" }.joined()
  try file.check(summary + optimized.text)

  var options = PassManager.Options()
  for limit in 0...reports.reduce(0, { $0 + $1.changes }) {
    options.changeLimit = limit
    var partial = graph
    let partly = try PassManager(everyPass.selecting(file.command), .standard, options).run(
      on: &partial)
    #expect(partly.reduce(0) { $0 + $1.changes } == limit)
  }
}
