import KernelIR
import Support

/// The rows of a matrix product in blocks, and within a block by the taps that are valid for them.
struct ContractRows: Sendable {
  /// The taps of some rows: offsets into the streamed operand and numbers of packed taps.
  struct TapList: Sendable {
    var offsets: [Int64] = []
    var indices: [Int64] = []
    /// Of every tap whether it is in the list.
    var valid: [UInt8] = []
    /// The list's positions where the indices of the split axis start, and the end.
    var splits: [Int] = []
  }

  struct Group: Sendable {
    let list: Int
    /// Positions in `offsets`, `results` and `places`.
    let rows: Range<Int>
  }

  struct Block: Sendable {
    let rows: Range<Int>
    let groups: Range<Int>
  }

  private(set) var lists: [TapList] = []
  private(set) var groups: [Group] = []
  private(set) var blocks: [Block] = []
  /// Into the streamed operand and the result, in elements, without the offset of the slice.
  private(set) var offsets: [Int64] = []
  private(set) var results: [Int64] = []
  /// The row within its block.
  private(set) var places: [Int64] = []

  /// Every list `times` times over, for depthwise kernels that read taps with several weights.
  mutating func repeatTaps(_ times: Int) {
    guard times > 1 else { return }
    for index in lists.indices {
      let (offsets, valid) = (lists[index].offsets, lists[index].valid)
      lists[index].offsets = (0..<times).flatMap { _ in offsets }
      lists[index].valid = (0..<times).flatMap { _ in valid }
    }
  }

  /// The forms of rows and taps: address in the streamed operand, in the result, then coordinates.
  struct Forms {
    let rows: Loops
    let taps: Loops
    let extents: [Int]
    /// Taps per index of the split axis.
    let tapsPerSplit: Int
  }

  init(_ forms: Forms, blockRows: Int) {
    var tapOffsets: [Int64] = []
    var tapCoordinates: [[Int]] = []
    var walker = Walker(forms.taps)
    for _ in 0..<forms.taps.count {
      tapOffsets.append(Int64(walker.values[0]))
      tapCoordinates.append(Array(walker.values[2...]))
      walker.advance(by: 1)
    }
    let dimensions = forms.extents.indices
    let lowest = dimensions.map { dimension in tapCoordinates.map { $0[dimension] }.min() ?? 0 }
    let highest = dimensions.map { dimension in tapCoordinates.map { $0[dimension] }.max() ?? 0 }
    func list(_ isValid: (Int) -> Bool) -> TapList {
      var list = TapList()
      for tap in tapOffsets.indices {
        if tap % forms.tapsPerSplit == 0 { list.splits.append(list.offsets.count) }
        list.valid.append(isValid(tap) ? 1 : 0)
        guard isValid(tap) else { continue }
        list.offsets.append(tapOffsets[tap])
        list.indices.append(Int64(tap))
      }
      list.splits.append(list.offsets.count)
      return list
    }
    lists.append(list { _ in true })
    var known: [[Bool]: Int] = [:]

    let count = forms.rows.count
    var rows = Walker(forms.rows)
    var ofRow = [Int](repeating: 0, count: blockRows)
    var start = 0
    while start < count {
      let end = min(start + blockRows, count)
      var blockOffsets: [Int64] = []
      var blockResults: [Int64] = []
      var used: [Int] = []
      for row in start..<end {
        let values = rows.values
        blockOffsets.append(Int64(values[0]))
        blockResults.append(Int64(values[1]))
        let isInterior = dimensions.allSatisfy {
          values[2 + $0] + lowest[$0] >= 0 && values[2 + $0] + highest[$0] < forms.extents[$0]
        }
        var number = 0
        if !isInterior {
          let key = tapCoordinates.map { tap in
            dimensions.allSatisfy { (0..<forms.extents[$0]).contains(values[2 + $0] + tap[$0]) }
          }
          if let old = known[key] {
            number = old
          } else {
            number = lists.count
            known[key] = number
            lists.append(list { key[$0] })
          }
        }
        ofRow[row - start] = number
        if !used.contains(number) { used.append(number) }
        rows.advance(by: 1)
      }
      let firstGroup = groups.count
      for number in used {
        let first = offsets.count
        for place in 0..<(end - start) where ofRow[place] == number {
          offsets.append(blockOffsets[place])
          results.append(blockResults[place])
          places.append(Int64(place))
        }
        groups.append(Group(list: number, rows: first..<offsets.count))
      }
      blocks.append(Block(rows: start..<end, groups: firstGroup..<groups.count))
      start = end
    }
  }
}
