import Dispatch
import Glibc
import Synchronization

/// Loops over threads. Which thread runs an index, and when, is open; results are in the order of indices,
/// so that they do not depend on the number of threads.
public enum Parallel {
  /// The processors that the system offers, at least 1.
  public static var processorCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

  /// Calls `body` once for each of 0 … count - 1, on up to `threads` threads, and returns after the last.
  /// Threads take runs of `grain` indices in ascending order.
  public static func forEach(
    _ count: Int, threads: Int, grain: Int = 1, _ body: @Sendable (Int) -> Void
  ) {
    let grain = max(grain, 1)
    let runs = count / grain + (count % grain == 0 ? 0 : 1)
    let workers = min(max(threads, 1), runs)
    guard workers > 1 else {
      for index in 0..<max(count, 0) { body(index) }
      return
    }
    let next = Counter()
    @Sendable func work() {
      while true {
        let start = next.take() * grain
        guard start < count else { return }
        for index in start..<min(start + grain, count) { body(index) }
      }
    }
    if WorkerPool.shared.run(helpers: workers - 1, work) { return }
    // Loops within loops, and those of several threads at once.
    DispatchQueue.concurrentPerform(iterations: workers) { _ in work() }
  }

  /// The results of `body` for 0 … count - 1, in that order.
  public static func map<Result: Sendable>(
    _ count: Int, threads: Int, grain: Int = 1, _ body: @Sendable (Int) -> Result
  ) -> [Result] {
    [Result](unsafeUninitializedCapacity: max(count, 0)) { buffer, initialized in
      nonisolated(unsafe) let base = buffer.baseAddress
      forEach(count, threads: threads, grain: grain) { index in
        base.map { ($0 + index).initialize(to: body(index)) }
      }
      initialized = max(count, 0)
    }
  }

  /// The same for a body that may throw. - Throws: what the lowest failing index threw; the others still run.
  public static func map<Result: Sendable>(
    _ count: Int, threads: Int, grain: Int = 1,
    throwing body: @Sendable (Int) throws(Diagnostic) -> Result
  ) throws(Diagnostic) -> [Result] {
    let results = map(count, threads: threads, grain: grain) { index in
      Swift.Result { () throws(Diagnostic) in try body(index) }
    }
    var values: [Result] = []
    values.reserveCapacity(results.count)
    for result in results { values.append(try result.get()) }
    return values
  }

  private final class Counter: Sendable {
    private let next = Atomic<Int>(0)
    func take() -> Int { next.wrappingAdd(1, ordering: .relaxed).oldValue }
  }
}
