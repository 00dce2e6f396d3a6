import GraphIR
import ONNX
import Operators
import Passes
import Support

/// What compiling and running depend on besides the model: operators, passes, threads. A value, so that a
/// package that adds operators or passes changes nothing for others.
public struct Session: Sendable {
  /// What nodes mean: import, passes, executor and lowering ask it.
  public var operators: OperatorSet
  /// What runs before and after quantization, in its order.
  public var passes: PassTable
  /// At least 1. No result depends on it.
  public var threads: Int

  /// - Parameters:
  ///   - operators: `standard`, or that with a package's own by `adding`.
  ///   - passes: `standard`, or that with a package's own by `inserting`.
  ///   - threads: at least 1.
  public init(
    operators: OperatorSet = .standard, passes: PassTable = .standard,
    threads: Int = Parallel.processorCount
  ) {
    self.operators = operators
    self.passes = passes
    self.threads = max(threads, 1)
  }

  /// The graph after all passes of the session.
  /// - Throws: what a pass threw, or what verification found after one.
  public func optimized(_ graph: Graph) throws(Diagnostic) -> Graph {
    var result = graph
    _ = try PassManager(passes, operators).run(on: &result)
    return result
  }
}
