import Support
import Synchronization
import Testing

struct ParallelTests {
  @Test(arguments: [1, 2, 3, 8], [0, 1, 7, 1000]) func resultsComeInTheOrderOfIndices(
    threads: Int, count: Int
  ) {
    for grain in [1, 3, 64] {
      let results = Parallel.map(count, threads: threads, grain: grain) { "item \($0)" }
      #expect(results == (0..<count).map { "item \($0)" })
    }
  }

  @Test func everyIndexRunsOnce() {
    let sum = Atomic<Int>(0)
    let calls = Atomic<Int>(0)
    Parallel.forEach(10_001, threads: 4, grain: 10) { index in
      sum.wrappingAdd(index, ordering: .relaxed)
      calls.wrappingAdd(1, ordering: .relaxed)
    }
    #expect(sum.load(ordering: .relaxed) == 10_000 * 10_001 / 2 && calls.load(ordering: .relaxed) == 10_001)
    Parallel.forEach(-1, threads: 4) { _ in Issue.record("called") }
  }

  private static func failing(threads: Int) throws(Diagnostic) -> [Int] {
    try Parallel.map(100, threads: threads) { index throws(Diagnostic) in
      if index % 30 == 20 { throw Diagnostic(.syntax, "\(index)") }
      return index
    }
  }

  @Test(arguments: [1, 4]) func theLowestFailureIsReported(threads: Int) {
    do {
      _ = try Self.failing(threads: threads)
      Issue.record("nothing thrown")
    } catch {
      #expect((error as Diagnostic).message == "20")
    }
  }

  @Test func loopsNest() {
    let sums = Parallel.map(8, threads: 4) { outer in
      Parallel.map(8, threads: 4) { $0 * outer }.reduce(0, +)
    }
    #expect(sums == (0..<8).map { 28 * $0 })
    #expect(Parallel.processorCount >= 1)
  }
}
