extension DMAInstruction {
  /// What one side touches in SRAM, as a box: slices, and bytes within each. A stride is the nearest number of whole windows
  /// and a rest; where rests leave a window, the box is all of it. nil for DRAM.
  public func windows(ofSource: Bool, window: Int) -> (slices: Range<Int>, bytes: Range<Int>)? {
    let place = ofSource ? source : destination
    guard place.memory == .sram, place.base >= 0 else { return nil }
    var (firstSlice, lastSlice) = (Int(place.base) / window, Int(place.base) / window)
    var (first, end) = (Int(place.base) % window, Int(place.base) % window + Int(runBytes))
    for loop in loops {
      let stride = Int(ofSource ? loop.sourceStride : loop.destinationStride)
      let half = stride + window / 2
      let slices = half >= 0 ? half / window : -((window - 1 - half) / window)
      let within = stride - slices * window
      let steps = Int(loop.size) - 1
      firstSlice += min(slices * steps, 0)
      lastSlice += max(slices * steps, 0)
      first += min(within * steps, 0)
      end += max(within * steps, 0)
    }
    if first < 0 || end > window { (first, end) = (0, window) }
    return (firstSlice..<(max(lastSlice, firstSlice) + 1), first..<end)
  }
}
