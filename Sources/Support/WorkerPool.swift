import Glibc
import Synchronization

/// Threads that help with loops. They wait for the next one awake for some microseconds before they sleep, since
/// kernels follow each other faster than the system wakes a thread.
final class WorkerPool: @unchecked Sendable {
  static let shared = WorkerPool(helpers: Parallel.processorCount - 1)

  /// What helpers see of the current loop: its number in the upper half; a bit that says that no more helpers may
  /// join; how many joined; how many of these are still at work.
  private let state = Atomic<UInt64>(0)
  private static let closed: UInt64 = 1 << 31
  private static let oneJoined: UInt64 = 1 << 16
  private static let atWork: UInt64 = 0xFFFF

  private let isTaken = Atomic<Bool>(false)
  private let wanted = Atomic<UInt64>(0)
  private let sleepers = Atomic<Int>(0)
  /// Set while the loop is open; those who joined are waited for before it is cleared.
  private var body: (() -> Void)?
  private let helpers: Int
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  /// Looks at the state before a thread sleeps or yields: about 20 microseconds.
  private static let patience = 40_000

  private init(helpers: Int) {
    self.helpers = min(max(helpers, 0), 0x7FFF)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
    for _ in 0..<self.helpers { start() }
  }

  /// The pool is never freed, so that a thread may keep its address.
  private func start() {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(self).toOpaque()
    let failed = pthread_create(
      &thread, nil,
      { context in
        if let context { Unmanaged<WorkerPool>.fromOpaque(context).takeUnretainedValue().work() }
        return nil
      }, context)
    if failed == 0 { pthread_detach(thread) }
  }

  /// Calls `body` on this thread and on up to `count` helpers at once, and returns when all have returned. False,
  /// and nothing is called, where the pool serves another loop or has no helpers.
  func run(helpers count: Int, _ body: @Sendable () -> Void) -> Bool {
    guard helpers > 0, count > 0, !isTaken.exchange(true, ordering: .acquiring) else { return false }
    defer { isTaken.store(false, ordering: .releasing) }
    withoutActuallyEscaping(body) { body in
      self.body = body
      wanted.store(UInt64(min(count, 0x7FFF)), ordering: .relaxed)
      let number = (state.load(ordering: .relaxed) >> 32) &+ 1
      state.store(number << 32, ordering: .sequentiallyConsistent)
      if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
      }
      body()
      state.bitwiseOr(Self.closed, ordering: .acquiringAndReleasing)
      var looks = 0
      while state.load(ordering: .acquiring) & Self.atWork != 0 {
        looks += 1
        if looks > Self.patience { sched_yield() }
      }
      self.body = nil
    }
    return true
  }

  private func work() {
    var seen: UInt64 = 0
    while true {
      var current = state.load(ordering: .acquiring)
      var looks = 0
      while current >> 32 == seen {
        looks += 1
        if looks > Self.patience {
          sleep(seen)
          looks = 0
        }
        current = state.load(ordering: .acquiring)
      }
      seen = current >> 32
      while current >> 32 == seen, current & Self.closed == 0,
        (current & (Self.closed - 1)) / Self.oneJoined < wanted.load(ordering: .relaxed)
      {
        let (isJoined, original) = state.compareExchange(
          expected: current, desired: current + Self.oneJoined + 1, ordering: .acquiringAndReleasing)
        if isJoined {
          body?()
          state.subtract(1, ordering: .releasing)
          break
        }
        current = original
      }
    }
  }

  /// Until there is another loop than the one seen.
  private func sleep(_ seen: UInt64) {
    pthread_mutex_lock(mutex)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while state.load(ordering: .sequentiallyConsistent) >> 32 == seen { pthread_cond_wait(condition, mutex) }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
  }
}
