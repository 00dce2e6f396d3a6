import KernelIR
import Machine
import NPUISA
import NPUInterpreter
import Support
import Tensors
import Testing

/// Contractions by hand.
struct InterpreterContractionTests {
  /// 3 packets of 8 elements against weights of 4 lanes; the loop over packets is reduced.
  @Test func addsProductsOfIntegers() throws {
    var bench = try Bench()
    let x = (0..<24).map { Int8($0 * 5 % 17 - 8) }
    let w = (0..<96).map { Int8($0 * 7 % 23 - 11) }
    bench.put(x, at: 0)
    bench.put(w, at: 64)
    // Unit of packet k and lane l is 8 k + l; in memory the weights lie lane by lane.
    bench.main {
      $0.loops = [.init(4, fetch: 24, register: 1), .init(3, fetch: 8, register: 8)]
      $0.fetch.base = 64
      $0.fetch.packetElements = 8
      $0.sink = .registerFile(base: 0)
    }
    bench.main {
      $0.loops = [.init(3, reduced: true, fetch: 8, register: 8)]
      $0.fetch.packetElements = 8
      $0.fetch.zeroPoint = 3
      $0.accumulate.kind = .contract
      $0.accumulate.lanes = 4
      $0.accumulate.treeDepth = 3
      $0.sink = .commit(.init(at: 512, .i32, 4))
    }
    try bench.take("y", TensorType(.i32, [4]), at: 512)
    let result = try bench.checked()
    let expected = (0..<4).map { lane in
      (0..<24).reduce(Int32(0)) { $0 + (Int32(x[$1]) - 3) * Int32(w[lane * 24 + $1]) }
    }
    #expect(result.outputs["y"]?.elements(as: Int32.self) == expected)
  }
}

extension TensorInstruction.Commit {
  init(at base: Int, _ element: ElementType, _ elements: Int, flit: Int = 0, rows: Int = 1, column: Int = 0) {
    self.init()
    self.base = Int32(base)
    self.element = element
    self.elements = UInt8(elements)
    flitStride = Int32(flit)
    transposeRows = UInt8(rows)
    columnStride = Int32(column)
  }
}
