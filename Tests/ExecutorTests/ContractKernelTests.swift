import CKernels
import Support
import TestSupport
import Testing

/// Random contractions, so that rows, taps and columns miss every tile size.
struct ContractCase {
  let rows: [Int64]
  let results: [Int64]
  let offsets: [Int64]
  let indices: [Int64]
  let packedTaps: Int
  let run: Int
  let step: Int
  let columns: Int

  static let sizes = [1, 2, 3, 4, 5, 8, 13, 15, 16, 17, 31, 33, 64, 65, 100]

  var aCount: Int { 4096 + run * step }
  var cCount: Int { rows.count * (columns + 3) + 8 }
  var bCount: Int { packedTaps * run * columns }

  init(_ random: inout SeededRandom, anyStep: Bool) {
    columns = Self.sizes.randomElement(using: &random) ?? 1
    run = Self.sizes.randomElement(using: &random) ?? 1
    step = anyStep ? Int.random(in: 1...3, using: &random) : 1
    packedTaps = Int.random(in: 1...9, using: &random)
    let taps = (0..<packedTaps).filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
    indices = taps.map(Int64.init)
    offsets = taps.map { _ in Int64.random(in: 0..<2000, using: &random) }
    let count = Self.sizes.randomElement(using: &random) ?? 1
    rows = (0..<count).map { _ in Int64.random(in: 0..<2000, using: &random) }
    let places = (0..<count).shuffled(using: &random)
    let width = columns + 3
    results = places.map { Int64($0 * width) }
  }

  /// Calls `body` with the job over these buffers.
  func withJob<A, B, C>(
    _ a: [A], packed: [B], into c: inout [C], _ body: (inout furc_contract_job) -> Void
  ) {
    var job = furc_contract_job()
    a.withUnsafeBytes { a in
      packed.withUnsafeBytes { packed in
        c.withUnsafeMutableBytes { c in
          rows.withUnsafeBufferPointer { rows in
            results.withUnsafeBufferPointer { results in
              offsets.withUnsafeBufferPointer { offsets in
                indices.withUnsafeBufferPointer { indices in
                  job.a = a.baseAddress
                  job.row_offset = rows.baseAddress
                  job.rows = Int64(rows.count)
                  job.tap_offset = offsets.baseAddress
                  job.tap_index = indices.baseAddress
                  job.taps = Int64(offsets.count)
                  job.run = Int64(run)
                  job.a_step = Int64(step)
                  job.b = packed.baseAddress
                  job.packed_taps = Int64(packedTaps)
                  job.packed_run = Int64(run)
                  job.columns = Int64(columns)
                  job.c = c.baseAddress
                  job.result_offset = results.baseAddress
                  job.start = true
                  body(&job)
                }
              }
            }
          }
        }
      }
    }
  }

  /// B lies as [k][tap][column].
  func withSource<B>(_ b: [B], _ body: (inout furc_pack_source) -> Void) {
    let taps = (0..<packedTaps).map { Int64($0 * columns) }
    b.withUnsafeBytes { b in
      taps.withUnsafeBufferPointer { taps in
        var source = furc_pack_source(
          b: b.baseAddress, columns: Int64(columns), column_step: 1, tap_offset: taps.baseAddress,
          taps: Int64(packedTaps), run: Int64(run), step: Int64(packedTaps * columns))
        body(&source)
      }
    }
  }

  func b(_ column: Int, _ tap: Int64, _ k: Int) -> Int { (k * packedTaps + Int(tap)) * columns + column }

  func a(_ row: Int, _ tap: Int, _ k: Int) -> Int { Int(rows[row] + offsets[tap]) + k * step }
}

/// All levels that this CPU has.
let levels = (0...furc_cpu_best_level()).map { Int32($0) }

struct ContractKernelTests {
  static let edges: [Float] = [.nan, .infinity, -.infinity, -0.0, 0, .leastNonzeroMagnitude, 3e38]

  static func floats(_ count: Int, edges share: Int, _ random: inout SeededRandom) -> [Float] {
    (0..<count).map { _ in
      if share > 0, Int.random(in: 0..<1000, using: &random) < share {
        return edges.randomElement(using: &random) ?? 0
      }
      return Float.random(in: -2...2, using: &random)
    }
  }

  @Test(arguments: Seed.all, [0, 2, 100])
  func `the f32 chain has the same bits at every level`(seed: Seed, share: Int) {
    var random = seed.random
    for _ in 0..<40 {
      let test = ContractCase(&random, anyStep: true)
      let a = Self.floats(test.aCount, edges: share, &random)
      let b = Self.floats(test.bCount, edges: share, &random)
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
          expected[Int(test.results[row]) + column] = sum.isNaN ? Float(bitPattern: 0x7FC0_0000) : sum
        }
      }
      for level in levels {
        var c = [Float](repeating: 7, count: test.cCount)
        test.withJob(a, packed: packed, into: &c) { furc_contract_f32(&$0, level) }
        #expect(c.map(\.bitPattern) == expected.map(\.bitPattern), "level \(level)")
        // The same in two blocks of k, where one tap makes that possible.
        guard test.indices.count == 1, test.run > 1 else { continue }
        let cut = Int64.random(in: 1..<Int64(test.run), using: &random)
        test.withJob(a, packed: packed, into: &c) { job in
          job.run = cut
          furc_contract_f32(&job, level)
          job.a = job.a.advanced(by: Int(cut) * test.step * 4)
          job.first = cut
          job.run = Int64(test.run) - cut
          job.start = false
          furc_contract_f32(&job, level)
        }
        #expect(c.map(\.bitPattern) == expected.map(\.bitPattern), "level \(level) in blocks")
      }
    }
  }

  @Test(arguments: Seed.all)
  func `f64 sums of integers are exact at every level`(seed: Seed) {
    var random = seed.random
    for _ in 0..<30 {
      let test = ContractCase(&random, anyStep: true)
      let a = (0..<test.aCount).map { _ in Double(Int.random(in: -448...448, using: &random)) }
      let b = (0..<test.bCount).map { _ in Double(Int.random(in: -448...448, using: &random)) / 512 }
      var packed = [Double](
        repeating: .nan,
        count: Int(furc_packed_f64(Int64(test.columns), Int64(test.packedTaps), Int64(test.run))))
      test.withSource(b) { furc_pack_f64(&$0, &packed) }
      var expected = [Double](repeating: 7, count: test.cCount)
      for row in test.rows.indices {
        for column in 0..<test.columns {
          var sum = 0.0
          for (tap, index) in test.indices.enumerated() {
            for k in (0..<test.run).reversed() { sum += a[test.a(row, tap, k)] * b[test.b(column, index, k)] }
          }
          expected[Int(test.results[row]) + column] = sum
        }
      }
      for level in levels {
        var c = [Double](repeating: 7, count: test.cCount)
        test.withJob(a, packed: packed, into: &c) { furc_contract_f64(&$0, level) }
        #expect(c == expected, "level \(level)")
      }
    }
  }

  @Test(arguments: Seed.all)
  func `i8 sums with zero points are exact at every level`(seed: Seed) {
    var random = seed.random
    for _ in 0..<40 {
      let test = ContractCase(&random, anyStep: false)
      let signed = Bool.random(using: &random)
      let a = (0..<test.aCount).map { _ in UInt8.random(in: 0...255, using: &random) }
      let b = (0..<test.bCount).map { _ in Int8.random(in: -128...127, using: &random) }
      func value(_ byte: UInt8) -> Int32 { signed ? Int32(Int8(bitPattern: byte)) : Int32(byte) }
      let zeroA = value(UInt8.random(in: 0...255, using: &random))
      let zeroB = Bool.random(using: &random) ? 0 : Int32.random(in: -128...127, using: &random)

      var packed = [Int8](
        repeating: 99,
        count: Int(furc_packed_i8(Int64(test.columns), Int64(test.packedTaps), Int64(test.run))))
      var sums = [Int32](repeating: 0, count: test.packedTaps * test.columns)
      test.withSource(b) { furc_pack_i8(&$0, 0, &packed, &sums) }
      let zero = zeroA + (signed ? 128 : 0)
      let initial = (0..<test.columns).map { column in
        test.indices.reduce(Int32(0)) { $0 - zero * sums[Int($1) * test.columns + column] }
      }
      var expected = [Int32](repeating: 7, count: test.cCount)
      for row in test.rows.indices {
        for column in 0..<test.columns {
          var sum: Int32 = 0
          for (tap, index) in test.indices.enumerated() {
            for k in 0..<test.run {
              sum += (value(a[test.a(row, tap, k)]) - zeroA) * (Int32(b[test.b(column, index, k)]) - zeroB)
            }
          }
          expected[Int(test.results[row]) + column] = sum
        }
      }
      let count = Int32(test.indices.count * test.run)
      for level in levels {
        var c = [Int32](repeating: 7, count: test.cCount)
        test.withJob(a, packed: packed, into: &c) { job in
          job.flip = signed ? 0x80 : 0
          initial.withUnsafeBufferPointer { initial in
            job.`init` = initial.baseAddress
            furc_contract_i8(&job, level)
          }
          guard zeroB != 0 else { return }
          var rowSums = [Int32](repeating: 0, count: test.rows.count)
          furc_contract_row_sums(&job, &rowSums)
          for row in rowSums.indices { rowSums[row] -= count * zero }
          let columns = [Int32](repeating: zeroB, count: test.columns)
          furc_contract_subtract_outer(&job, rowSums, columns)
        }
        #expect(c == expected, "level \(level)")
      }
    }
  }
}
