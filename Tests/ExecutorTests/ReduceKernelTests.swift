import CKernels
import KernelIR
import Support
import TestSupport
import Testing

/// Reductions in C against the rules in Swift, at every level.
struct ReduceKernelTests {
  struct Case {
    let results = [1, 3, 15, 16, 17, 40, 64, 100]
    let points = [1, 2, 15, 16, 17, 63, 64, 65, 130]
  }

  @Test(arguments: Seed.all, [0, 30])
  func `reductions have the same bits at every level`(seed: Seed, share: Int) {
    var random = seed.random
    let sizes = Case()
    for _ in 0..<120 {
      let results = sizes.results.randomElement(using: &random) ?? 1
      let points = sizes.points.randomElement(using: &random) ?? 1
      let isContiguous = Bool.random(using: &random)
      let step = Bool.random(using: &random) ? 1 : Int.random(in: 1...points + 3, using: &random)
      let offsets = (0..<points).map { Int64(isContiguous ? $0 : Int.random(in: 0..<500, using: &random)) }
      let x = ContractKernelTests.floats(results * step + 600, edges: share, &random)
      for operation in [FURC_REDUCE_SUM, FURC_REDUCE_SQUARES, FURC_REDUCE_MAXIMUM, FURC_REDUCE_MINIMUM] {
        let expected = (0..<results).map { result in
          Self.reduced(Int(operation), offsets.map { x[result * step + Int($0)] }).bitPattern
        }
        for level in levels {
          var out = [Float](repeating: 7, count: results)
          x.withUnsafeBufferPointer { x in
            offsets.withUnsafeBufferPointer { offsets in
              out.withUnsafeMutableBufferPointer { out in
                var job = furc_reduce_job()
                job.x = x.baseAddress
                job.operation = Int32(operation)
                job.is_split = points > 64
                job.results = Int64(results)
                job.step = Int64(step)
                job.offsets = isContiguous ? nil : offsets.baseAddress
                job.points = Int64(points)
                job.out = out.baseAddress
                furc_reduce(&job, level)
              }
            }
          }
          #expect(out.map(\.bitPattern) == expected, "level \(level), \(results) of \(points), step \(step)")
        }
      }
    }
  }

  /// Rules A31 and A32.
  private static func reduced(_ operation: Int, _ values: [Float]) -> Float {
    switch operation {
    case Int(FURC_REDUCE_MAXIMUM): values.reduce(-.infinity, Arithmetic.maximum)
    case Int(FURC_REDUCE_MINIMUM): values.reduce(.infinity, Arithmetic.minimum)
    case Int(FURC_REDUCE_SQUARES): Arithmetic.sum(values.map { Arithmetic.multiply($0, $0) })
    default: Arithmetic.sum(values)
    }
  }
}
