import CKernels
import Support
import TestSupport
import Testing

struct DepthwiseKernelTests {
  /// Reuses the shapes of contractions: channels are columns, and A has a channel vector per tap and row.
  static func withJob<A, W, C>(
    _ test: ContractCase, _ a: [A], _ w: [W], into c: inout [C], _ body: (inout furc_depthwise_job) -> Void
  ) {
    test.withJob(a, packed: w, into: &c) { contract in
      var job = furc_depthwise_job()
      job.a = contract.a
      job.row_offset = contract.row_offset
      job.rows = contract.rows
      job.tap_offset = contract.tap_offset
      job.tap_index = contract.tap_index
      job.taps = contract.taps
      job.channels = contract.columns
      job.w = contract.b
      job.c = contract.c
      job.result_offset = contract.result_offset
      body(&job)
    }
  }

  @Test(arguments: Seed.all, [0, 50])
  func `depthwise f32 chains have the same bits at every level`(seed: Seed, share: Int) {
    var random = seed.random
    for _ in 0..<40 {
      let test = ContractCase(&random, anyStep: false)
      let a = ContractKernelTests.floats(test.aCount, edges: share, &random)
      let w = ContractKernelTests.floats(test.packedTaps * test.columns, edges: share, &random)
      var expected = [Float](repeating: 7, count: test.cCount)
      for row in test.rows.indices {
        for channel in 0..<test.columns {
          var sum: Float = 0
          for (tap, index) in test.indices.enumerated() {
            sum.addProduct(a[test.a(row, tap, channel)], w[Int(index) * test.columns + channel])
          }
          expected[Int(test.results[row]) + channel] = sum.isNaN ? Float(bitPattern: 0x7FC0_0000) : sum
        }
      }
      for level in levels {
        var c = [Float](repeating: 7, count: test.cCount)
        Self.withJob(test, a, w, into: &c) { furc_depthwise_f32(&$0, level) }
        #expect(c.map(\.bitPattern) == expected.map(\.bitPattern), "level \(level)")
      }
    }
  }

  @Test(arguments: Seed.all)
  func `depthwise i8 sums are exact at every level`(seed: Seed) {
    var random = seed.random
    for _ in 0..<40 {
      let test = ContractCase(&random, anyStep: false)
      let taps = test.indices.count
      let a = (0..<test.aCount).map { _ in UInt8.random(in: 0...255, using: &random) }
      let w = (0..<taps * test.columns).map { _ in Int8.random(in: -128...127, using: &random) }
      let valid = (0..<taps).map { _ in UInt8.random(in: 0...2, using: &random) }
      let zeroPoint = UInt8.random(in: 0...255, using: &random)
      let zero = [UInt8](repeating: zeroPoint, count: test.columns)

      var packed = [Int8](
        repeating: 99, count: Int(furc_packed_depthwise_i8(Int64(test.columns), Int64(taps))))
      var sums = [Int32](repeating: 0, count: test.columns)
      let offsets = (0..<taps).map { Int64($0 * test.columns) }
      w.withUnsafeBytes { bytes in
        offsets.withUnsafeBufferPointer { offsets in
          var source = furc_pack_source(
            b: bytes.baseAddress, columns: Int64(test.columns), column_step: 1,
            tap_offset: offsets.baseAddress,
            taps: Int64(taps), run: 1, step: 0)
          furc_pack_depthwise_i8(&source, 0, &packed, &sums)
        }
      }
      func value(_ byte: UInt8) -> Int32 { Int32(Int8(bitPattern: byte)) }
      let initial = sums.map { -(value(zeroPoint) + 128) * $0 }
      var expected = [Int32](repeating: 7, count: test.cCount)
      for row in test.rows.indices {
        for channel in 0..<test.columns {
          var sum: Int32 = 0
          for tap in 0..<taps where valid[tap] != 0 {
            let x = value(a[test.a(row, tap, channel)]) - value(zeroPoint)
            sum += x * Int32(w[tap * test.columns + channel])
          }
          expected[Int(test.results[row]) + channel] = sum
        }
      }
      for level in levels {
        var c = [Int32](repeating: 7, count: test.cCount)
        Self.withJob(test, a, packed, into: &c) { job in
          job.flip = 0x80
          initial.withUnsafeBufferPointer { initial in
            zero.withUnsafeBufferPointer { zero in
              valid.withUnsafeBufferPointer { valid in
                job.`init` = initial.baseAddress
                job.zero = zero.baseAddress
                job.tap_valid = valid.baseAddress
                furc_depthwise_i8(&job, level)
              }
            }
          }
        }
        #expect(c == expected, "level \(level)")
      }
    }
  }
}
