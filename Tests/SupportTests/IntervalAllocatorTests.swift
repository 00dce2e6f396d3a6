import Support
import TestSupport
import Testing

struct IntervalAllocatorTests {
  /// Against a map of single bytes.
  @Test(arguments: Seed.all, [IntervalAllocator.Policy.firstFit, .bestFit])
  func allocationsAreDisjointAlignedAndComplete(seed: Seed, policy: IntervalAllocator.Policy) {
    var random = seed.random
    let capacity = 512
    var allocator = IntervalAllocator(capacity: capacity, policy: policy)
    var taken = [Bool](repeating: false, count: capacity)
    var live: [Range<Int>] = []
    for _ in 0..<4000 {
      if Bool.random(using: &random), let index = live.indices.randomElement(using: &random) {
        let interval = live.remove(at: index)
        allocator.free(interval.lowerBound)
        for byte in interval { taken[byte] = false }
      } else {
        let size = Int.random(in: 1...60, using: &random)
        let alignment = [1, 3, 8, 64].randomElement(using: &random) ?? 1
        let fits = stride(from: 0, through: capacity - size, by: alignment)
          .filter { start in !taken[start..<(start + size)].contains(true) }
        let offset = allocator.allocate(size, alignment: alignment)
        #expect((offset == nil) == fits.isEmpty)
        guard let offset else { continue }
        #expect(fits.contains(offset))
        if policy == .firstFit { #expect(offset == fits.first) }
        for byte in offset..<(offset + size) { taken[byte] = true }
        live.append(offset..<(offset + size))
      }
      #expect(allocator.freeBytes == taken.count { !$0 })
      #expect(allocator.gaps.allSatisfy { gap in !gap.isEmpty && !taken[gap].contains(true) })
    }
    for interval in live { allocator.free(interval.lowerBound) }
    #expect(allocator.gaps == [0..<capacity])
  }

  @Test func bestFitTakesTheSmallestGap() {
    var allocator = IntervalAllocator(capacity: 100, policy: .bestFit)
    #expect(allocator.reserve(40..<50) && allocator.reserve(70..<100))
    #expect(!allocator.reserve(45..<55) && !allocator.reserve(60..<101))
    #expect(allocator.allocate(15) == 50)
    #expect(allocator.allocate(41) == nil)
    #expect(allocator.allocate(40) == 0)
    allocator.free(70)
    #expect(allocator.allocate(16, alignment: 16) == 80)
    #expect(allocator.highWater == 100)
  }
}
