import CKernels
import KernelIR
import Support
import TestSupport
import Testing

/// What follows sums in registers against the same steps of the arithmetic, at every level.
struct EpilogueTests {
  /// Bias, residual and bounds, each there or not.
  struct Steps {
    let bias: [Float]?
    let residual: [Float]?
    let low: Float?
    let high: Float?

    init(columns: Int, results: Int, edges: Int, _ random: inout SeededRandom) {
      func some(_ count: Int, _ random: inout SeededRandom) -> [Float]? {
        Bool.random(using: &random) ? ContractKernelTests.floats(count, edges: edges, &random) : nil
      }
      bias = some(columns, &random)
      residual = some(results, &random)
      low = [nil, 0, -1.5, -.infinity].randomElement(using: &random) ?? nil
      high = [nil, 6, 0.25, .infinity].randomElement(using: &random) ?? nil
    }

    func apply(_ sum: Float, column: Int, result: Int) -> Float {
      var sum = Arithmetic.canonical(sum)
      if let bias { sum = Arithmetic.add(sum, bias[column]) }
      if let residual { sum = Arithmetic.add(sum, residual[result]) }
      if let low { sum = Arithmetic.maximum(sum, low) }
      if let high { sum = Arithmetic.minimum(sum, high) }
      return sum
    }

    func withRecord(_ body: (UnsafePointer<furc_epilogue>) -> Void) {
      (bias ?? []).withUnsafeBufferPointer { biasWords in
        (residual ?? []).withUnsafeBufferPointer { residualWords in
          var record = furc_epilogue()
          record.bias = bias == nil ? nil : biasWords.baseAddress
          record.residual = residual == nil ? nil : residualWords.baseAddress
          record.has_low = low != nil
          record.low = low ?? 0
          record.has_high = high != nil
          record.high = high ?? 0
          body(&record)
        }
      }
    }
  }

  @Test(arguments: Seed.all, [0, 50])
  func `contractions finish alike at every level`(seed: Seed, share: Int) {
    var random = seed.random
    for _ in 0..<60 {
      let test = ContractCase(&random, anyStep: true)
      let a = ContractKernelTests.floats(test.aCount, edges: share, &random)
      let b = ContractKernelTests.floats(test.bCount, edges: share, &random)
      let steps = Steps(columns: test.columns, results: test.cCount, edges: share, &random)
      var packed = [Float](
        repeating: .nan,
        count: Int(furc_packed_f32(Int64(test.columns), Int64(test.packedTaps), Int64(test.run))))
      test.withSource(b) { furc_pack_f32(&$0, &packed) }
      var expected = [Float](repeating: 7, count: test.cCount)
      for row in test.rows.indices {
        for column in 0..<test.columns {
          var sum: Float = 0
          for (tap, index) in test.indices.enumerated() {
            for k in 0..<test.run { sum.addProduct(a[test.a(row, tap, k)], b[test.b(column, index, k)]) }
          }
          let result = Int(test.results[row]) + column
          expected[result] = steps.apply(sum, column: column, result: result)
        }
      }
      for level in levels {
        var c = [Float](repeating: 7, count: test.cCount)
        steps.withRecord { record in
          test.withJob(a, packed: packed, into: &c) { job in
            job.epilogue = record
            furc_contract_f32(&job, level)
          }
        }
        #expect(c.map(\.bitPattern) == expected.map(\.bitPattern), "level \(level)")
      }
    }
  }

  @Test(arguments: Seed.all, [0, 50])
  func `depthwise contractions finish alike at every level`(seed: Seed, share: Int) {
    var random = seed.random
    for _ in 0..<60 {
      let test = ContractCase(&random, anyStep: false)
      let a = ContractKernelTests.floats(test.aCount, edges: share, &random)
      let w = ContractKernelTests.floats(test.packedTaps * test.columns, edges: share, &random)
      let steps = Steps(columns: test.columns, results: test.cCount, edges: share, &random)
      var expected = [Float](repeating: 7, count: test.cCount)
      for row in test.rows.indices {
        for channel in 0..<test.columns {
          var sum: Float = 0
          for (tap, index) in test.indices.enumerated() {
            sum.addProduct(a[test.a(row, tap, channel)], w[Int(index) * test.columns + channel])
          }
          let result = Int(test.results[row]) + channel
          expected[result] = steps.apply(sum, column: channel, result: result)
        }
      }
      for level in levels {
        var c = [Float](repeating: 7, count: test.cCount)
        steps.withRecord { record in
          DepthwiseKernelTests.withJob(test, a, w, into: &c) { job in
            job.epilogue = record
            furc_depthwise_f32(&job, level)
          }
        }
        #expect(c.map(\.bitPattern) == expected.map(\.bitPattern), "level \(level)")
      }
    }
  }
}
