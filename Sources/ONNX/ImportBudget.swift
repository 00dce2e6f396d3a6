import Support

/// The memory that an import may take beside the mapped file. Whatever grows with the input is counted
/// here before it is allocated.
package struct ImportBudget {
  /// In bytes.
  package let limit: Int
  package private(set) var spent = 0

  package init(limit: Int) { self.limit = limit }

  /// - Throws: `importLimit` when `bytes` more would exceed the limit.
  mutating func spend(_ bytes: Int, for what: @autoclosure () -> String) throws(Diagnostic) {
    let (sum, overflow) = spent.addingReportingOverflow(bytes)
    guard !overflow, sum <= limit else {
      throw Diagnostic(
        .importLimit,
        "\(what()) brings the import's memory beside the file above the limit of \(limit >> 20) MiB",
        help: "raise the memory limit if the model is meant to be this large")
    }
    spent = sum
  }
}
