import Foundation
import Furc
import Operators
import TargetFiles
import Tensors
import Testing

private func table() throws -> OperatorTable {
  OperatorTable(.standard, on: try Targets.names.map { try Targets.builtin($0) })
}

/// The table knows what is known of some operators, and a probe reaches every operator but those that have
/// nothing to be asked about.
@Test func operatorTableAgreesWithWhatIsKnown() throws {
  let table = try table()
  #expect(table.rows.count == OperatorSet.standard.all.count)
  func row(_ name: String) throws -> OperatorTable.Row {
    try #require(table.rows.first { $0.name == name && $0.domain.isEmpty })
  }
  let warboy = try #require(table.targets.firstIndex(of: "warboy"))
  let conv = try row("Conv")
  #expect(conv.evaluated == [.f32, .f16, .bf16] && conv.since == [1, 11, 22])
  #expect(conv.kernels.map(\.element) == conv.evaluated && conv.kernels[0].forms == ["contract"])
  #expect(conv.places[warboy].device.contains("int8") && !conv.places[warboy].device.contains("f32"))
  #expect(conv.places[warboy].reason?.contains("multiplies") == true)
  let reshape = try row("Reshape")
  #expect(reshape.kernels.first?.forms == ["view"] && reshape.evaluated.contains(.f64))
  let (transpose, softmax) = (try row("Transpose"), try row("Softmax"))
  #expect(transpose.kernels.first?.forms == ["move"] && transpose.places[warboy].reason == nil)
  #expect(softmax.kernels.first?.forms == ["map", "reduce"])
  let (lstm, and) = (try row("LSTM"), try row("And"))
  #expect(lstm.evaluated == [.f32] && and.evaluated == [.bool] && and.places[warboy].device == ["bool"])
  let missing = table.rows.filter { $0.domain.isEmpty && $0.evaluated.isEmpty }.map(\.name)
  let others: Set<String> = ["Constant", "If", "Loop", "Scan"]
  #expect(others.isSuperset(of: missing), "\(missing)")
}

@Test func operatorsPrintAsTableAndObject() {
  let table = furc(["ops", "Conv", "Identity", "--target", "warboy"])
  #expect(table.status == 0 && table.data.split(separator: "\n").count == 3)
  #expect(table.data.contains("contract: f32 f16 bf16") && table.data.hasPrefix("operator"))
  let object = furc(["ops", "Conv", "--json"]).object
  let row = (object["operators"] as? [[String: Any]])?.first
  #expect(row?["since"] as? [Int] == [1, 11, 22])
  #expect((row?["targets"] as? [String: Any])?.count == Targets.names.count)
  #expect(furc(["ops", "Nonsense"]).status == 64)
}
