import Support
import TestSupport
import Testing

private typealias Buffer = StaticAllocator.Buffer

/// What is wrong with the offsets, by the definition alone.
func faults(_ buffers: [StaticAllocator.Buffer], at offsets: [Int], capacity: Int) -> [String] {
  guard buffers.count == offsets.count else { return ["\(offsets.count) offsets"] }
  var faults: [String] = []
  for (index, (buffer, offset)) in zip(buffers, offsets).enumerated() {
    if let fixed = buffer.fixedOffset {
      if offset != fixed { faults.append("\(index) is not where it is fixed") }
    } else if offset % buffer.alignment != 0 {
      faults.append("\(index) is not aligned")
    }
    guard buffer.size > 0, buffer.start < buffer.end else { continue }
    if offset < 0 || offset + buffer.size > capacity { faults.append("\(index) is outside") }
    for other in 0..<index where buffers[other].size > 0 && buffers[other].start < buffers[other].end {
      let meets = max(buffer.start, buffers[other].start) < min(buffer.end, buffers[other].end)
      let top = min(offset + buffer.size, offsets[other] + buffers[other].size)
      if meets, max(offset, offsets[other]) < top { faults.append("\(index) lies on \(other)") }
    }
  }
  return faults
}

struct StaticAllocatorTests {
  @Test func nothingNeedsNothing() {
    #expect(StaticAllocator.solve([], capacity: 0).offsets == [])
    let empty = [Buffer(0..<4, size: 0), Buffer(3..<3, size: 9), Buffer(0..<1, size: 0, fixedOffset: 7)]
    #expect(StaticAllocator.solve(empty, capacity: 0).offsets == [0, 0, 7])
    let minimum = StaticAllocator.minimise(empty)
    #expect(minimum?.capacity == 0 && minimum?.isProved == true)
  }

  @Test func touchingLifetimesShareAPlace() {
    let buffers = [Buffer(0..<2, size: 10), Buffer(2..<4, size: 10), Buffer(4..<5, size: 10)]
    #expect(StaticAllocator.solve(buffers, capacity: 10).offsets == [0, 0, 0])
    #expect(StaticAllocator.solve(buffers, capacity: 9).outcome == .infeasible)
  }

  @Test func fixedBuffersStayAndOthersKeepAway() {
    let buffers = [
      Buffer(0..<9, size: 4, fixedOffset: 3), Buffer(0..<9, size: 3), Buffer(0..<9, size: 2),
      Buffer(0..<9, size: 1, fixedOffset: 9),
    ]
    let found = StaticAllocator.solve(buffers, capacity: 10)
    #expect(found.offsets == [3, 0, 7, 9])
    #expect(StaticAllocator.solve(buffers, capacity: 9).outcome == .infeasible)
    let meeting = [Buffer(0..<2, size: 4, fixedOffset: 0), Buffer(1..<3, size: 4, fixedOffset: 3)]
    #expect(StaticAllocator.solve(meeting, capacity: 100).outcome == .infeasible)
    #expect(StaticAllocator.minimise(meeting) == nil)
  }

  @Test func alignmentCostsRoom() {
    let buffers = [Buffer(0..<2, size: 3, alignment: 4), Buffer(0..<2, size: 3, alignment: 4)]
    #expect(StaticAllocator.solve(buffers, capacity: 6).outcome == .infeasible)
    let found = StaticAllocator.solve(buffers, capacity: 7)
    #expect(found.offsets.map { faults(buffers, at: $0, capacity: 7) } == [])
    // The short one fits below the aligned one only where sizes are not rounded for it.
    let mixed = [Buffer(0..<2, size: 3), Buffer(0..<2, size: 5, alignment: 3), Buffer(0..<2, size: 1)]
    #expect(StaticAllocator.minimise(mixed)?.capacity == 9)
  }

  @Test func searchMeetsTheLoad() {
    let buffers = [
      Buffer(0..<3, size: 4), Buffer(3..<9, size: 4), Buffer(0..<9, size: 4), Buffer(9..<21, size: 4),
      Buffer(0..<21, size: 4),
    ]
    let minimum = StaticAllocator.minimise(buffers)
    #expect(minimum?.capacity == 12 && minimum?.isProved == true)
    let only = StaticAllocator.searchOnly(buffers, capacity: 12, nodeLimit: 100)
    #expect(only.nodes > 0)
    #expect(only.offsets.map { faults(buffers, at: $0, capacity: 12) } == [])
  }

  @Test func givesUpAtTheNodeLimit() {
    let buffers = (0..<12).map { Buffer($0..<($0 + 5), size: 3 + $0 * 7 % 5) }
    let solution = StaticAllocator.searchOnly(buffers, capacity: 1000, nodeLimit: 3)
    #expect(solution.outcome == .gaveUp && solution.nodes == 3)
  }

  @Test(arguments: Seed.all)
  func agreesWithAllPackings(seed: Seed) {
    var random = seed.random
    var (searched, refuted) = (0, 0)
    for _ in 0..<200 {
      let buffers = randomBuffers(using: &random)
      var tried = TriedPackings(buffers)
      let least = (0...60).first { tried.exists(capacity: $0) }
      let minimum = StaticAllocator.minimise(buffers, nodeLimit: 1 << 20)
      #expect(minimum?.capacity == least, "\(buffers)")
      guard let minimum, let least else { continue }
      #expect(minimum.isProved, "\(buffers)")
      #expect(faults(buffers, at: minimum.offsets, capacity: least) == [], "\(buffers)")
      for capacity in [least, least + 1, least + 3] {
        let solution = StaticAllocator.searchOnly(buffers, capacity: capacity, nodeLimit: 1 << 20)
        #expect(
          solution.offsets.map { faults(buffers, at: $0, capacity: capacity) } == [], "\(capacity) \(buffers)"
        )
        searched += 1
      }
      guard least > 0 else { continue }
      let solution = StaticAllocator.searchOnly(buffers, capacity: least - 1, nodeLimit: 1 << 20)
      #expect(solution.outcome == .infeasible, "\(least - 1) \(buffers)")
      refuted += solution.nodes > 0 ? 1 : 0
    }
    #expect(searched > 200 && refuted > 0)
  }

  @Test func isDeterministic() {
    var random = SeededRandom(seed: 11)
    let buffers = (0..<60).map { _ in
      let start = Int.random(in: 0..<50, using: &random)
      let size = Int.random(in: 1..<40, using: &random)
      return Buffer(start..<(start + Int.random(in: 1..<12, using: &random)), size: size)
    }
    let first = StaticAllocator.minimise(buffers, nodeLimit: 2000)
    #expect(first == StaticAllocator.minimise(buffers, nodeLimit: 2000))
    #expect(first.map { faults(buffers, at: $0.offsets, capacity: $0.capacity) } == [])
  }

  private func randomBuffers(using random: inout SeededRandom) -> [Buffer] {
    let (hasFixed, hasAlignment) = (Bool.random(using: &random), Bool.random(using: &random))
    let factor = [1, 1, 2].randomElement(using: &random) ?? 1
    return (0..<Int.random(in: 1...5, using: &random)).map { _ in
      let start = Int.random(in: 0..<6, using: &random)
      var buffer = Buffer(
        start..<(start + Int.random(in: 0...4, using: &random)),
        size: factor * Int.random(in: 0...5, using: &random))
      if hasAlignment { buffer.alignment = [1, 2, 3, 4].randomElement(using: &random) ?? 1 }
      if hasFixed, Int.random(in: 0..<4, using: &random) == 0 {
        buffer.fixedOffset = Int.random(in: 0..<10, using: &random)
      }
      return buffer
    }
  }
}

/// Tries every offset of every buffer, fixed ones first.
private struct TriedPackings {
  let buffers: [Buffer]
  private var offsets: [Int] = []

  init(_ buffers: [Buffer]) {
    let material = buffers.filter { $0.size > 0 && $0.start < $0.end }
    self.buffers = material.filter { $0.fixedOffset != nil } + material.filter { $0.fixedOffset == nil }
  }

  mutating func exists(capacity: Int) -> Bool {
    let index = offsets.count
    guard index < buffers.count else { return true }
    let buffer = buffers[index]
    let candidates = buffer.fixedOffset.map { $0...$0 } ?? 0...max(capacity - buffer.size, 0)
    for offset in candidates where offset + buffer.size <= capacity {
      guard buffer.fixedOffset != nil || offset % buffer.alignment == 0 else { continue }
      let isFree = zip(buffers, offsets).allSatisfy { other, place in
        other.end <= buffer.start || buffer.end <= other.start
          || place + other.size <= offset || offset + buffer.size <= place
      }
      guard isFree else { continue }
      offsets.append(offset)
      defer { offsets.removeLast() }
      if exists(capacity: capacity) { return true }
    }
    return false
  }
}
