import GraphIR
import Operators
import Support

/// Runs a table over a graph. What it offers, it offers for every pass.
public struct PassManager: Sendable {
  public struct Options: Sendable {
    public var disabled: Set<String> = []
    public var printBefore: Set<String> = []
    public var printAfter: Set<String> = []
    public var verifiesEach = true
    /// Changes allowed over all passes. Bisecting over it finds the change that breaks a graph.
    public var changeLimit = Int.max

    public init() {}
  }

  public struct Report: Sendable {
    public let pass: String
    public let changes: Int
    /// Of the pass alone. Never part of any output that must be reproducible.
    public let duration: Duration
    /// The graph before the pass, if asked for.
    public let textBefore: String?
    /// The graph after the pass, if asked for.
    public let textAfter: String?
  }

  private let table: PassTable
  private let operators: OperatorSet
  private let options: Options

  public init(
    _ table: PassTable = .standard, _ operators: OperatorSet = .standard, _ options: Options = Options()
  ) {
    self.table = table
    self.operators = operators
    self.options = options
  }

  /// - Throws: the findings in the graph as given; or what a pass threw, or what verification found after
  ///   one, with the pass's name and, as attachment, the graph that it was given. `graph` is then that graph.
  public func run(on graph: inout Graph) throws(Diagnostic) -> [Report] {
    try verify(graph)
    var reports: [Report] = []
    var remaining = options.changeLimit
    for pass in table.passes where !options.disabled.contains(pass.name) {
      let before = options.printBefore.contains(pass.name) ? graph.text : nil
      let start = ContinuousClock.now
      let (changed, changes) = try run(pass, on: graph, limit: remaining)
      let duration = ContinuousClock.now - start
      if options.verifiesEach {
        do { try verify(changed) } catch {
          let finding = Diagnostic(.brokenByPass, at: error.location, "after \(pass.name): \(error.message)")
          throw finding.reproduced(pass, graph)
        }
      }
      graph = changed
      remaining -= changes
      let after = options.printAfter.contains(pass.name) ? graph.text : nil
      reports.append(
        Report(
          pass: pass.name, changes: changes, duration: duration, textBefore: before, textAfter: after))
    }
    return reports
  }

  private func run(_ pass: Pass, on graph: Graph, limit: Int) throws(Diagnostic) -> (Graph, Int) {
    var rewriter = Rewriter(graph, limit: limit)
    do { try pass.run(&rewriter, operators) } catch { throw error.reproduced(pass, graph) }
    let changes = rewriter.changes
    return (rewriter.finish(), changes)
  }

  private func verify(_ graph: Graph) throws(Diagnostic) {
    let broken = graph.verify()
    if let first = Diagnostic.collecting(broken.isEmpty ? operators.check(graph) : broken) { throw first }
  }
}

extension Diagnostic {
  /// With the pass and the graph that repeat it: what a golden test of the pass begins with.
  fileprivate func reproduced(_ pass: Pass, _ graph: Graph) -> Diagnostic {
    var copy = self
    copy.attachment = "// run: \(pass.name)\n\(graph.text)"
    return copy
  }
}
