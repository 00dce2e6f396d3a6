import GraphIR
import KernelIR
import Support
import Tensors

/// Linear resampling of a dimension by a whole factor: position f · i + r blends the same two neighbours of element i for all
/// i, in units of 1 / `unit`; at the ends, where one of them is outside, the other stands alone.
struct PhaseBlend {
  let factor: Int
  /// Of the first tap, from element i.
  let first: Int
  let unit: Int
  /// Per phase and tap, in units.
  let weights: [[Int]]
  /// Per position, what the sum of the taps inside is multiplied by, all in units of 1 / `share`.
  let shares: [Int]
  let share: Int

  /// - Parameter blends: per position the two elements and the weight of the second.
  /// - Returns: nil where positions have no such pattern, or weights are no multiples of 1/16.
  init?(_ blends: [(low: Int, high: Int, weight: Float)], extent: Int) {
    guard extent > 1, blends.count % extent == 0, blends.count > extent else { return nil }
    factor = blends.count / extent
    let middle = extent / 2
    func units(_ position: Int) -> [Int: Float] {
      let blend = blends[position]
      var taps = [blend.low: 1 - blend.weight]
      taps[blend.high, default: 0] += blend.weight
      return taps.filter { $0.value != 0 }
    }
    var phases: [[Int: Float]] = []
    for phase in 0..<factor {
      var taps: [Int: Float] = [:]
      for (element, weight) in units(middle * factor + phase) { taps[element - middle] = weight }
      phases.append(taps)
    }
    let offsets = phases.flatMap(\.keys)
    guard let low = offsets.min(), let high = offsets.max(), low >= -1, high <= 1 else { return nil }
    guard
      let unit = [1, 2, 4, 8, 16].first(where: { unit in
        phases.allSatisfy { $0.values.allSatisfy { ($0 * Float(unit)).rounded() == $0 * Float(unit) } }
      })
    else { return nil }
    first = low
    self.unit = unit
    weights = phases.map { taps in (low...high).map { Int((taps[$0] ?? 0) * Float(unit)) } }
    // What the taps inside weigh, per position: all, or where one is outside the other.
    var inside: [Int] = []
    for position in blends.indices {
      let (element, phase) = (position / factor, position % factor)
      let model = phases[phase].filter { (0..<extent).contains(element + $0.key) }
      let found = units(position)
      guard Set(model.keys.map { $0 + element }) == Set(found.keys),
        model.count == 1 || model.allSatisfy({ found[element + $0.key] == $0.value })
      else { return nil }
      inside.append(Int(model.values.reduce(0, +) * Float(unit)))
    }
    var share = 1
    for weight in Set(inside).sorted() { share = share * weight / Self.commonDivisor(share, weight) }
    guard share <= 1 << 20 else { return nil }
    self.share = share
    shares = inside.map { share / $0 }
  }

  private static func commonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : commonDivisor(b, a % b) }
}

extension LoweringContext {
  /// Linear resampling of 8-bit integers by whole factors as a contraction over the neighbours of an element, whose columns are
  /// the phases: exact sums, which integers per position make up for where a neighbour is outside. Nil where operand and
  /// result are not quantized to 8 bits with scales of their own (with one scale halves are common, which rule Q rounds as f32
  /// arithmetic has it), or where a dimension has no such pattern.
  mutating func integerBlend(
    _ blends: [Int: [(low: Int, high: Int, weight: Float)]]
  ) throws(Diagnostic) -> BufferID? {
    guard let integers = try SmallIntegers(self), !integers.hasOneScale, blends.count <= 2 else { return nil }
    let x = integers.x
    guard x.stored.shape.count == 4, blends.keys.allSatisfy({ $0 > 1 }) else { return nil }
    var phases: [Int: PhaseBlend] = [:]
    for (dimension, positions) in blends {
      guard let phase = PhaseBlend(positions, extent: x.stored.shape[dimension]) else { return nil }
      phases[dimension] = phase
    }
    var kernel = Kernel(.contract, x.stored.element)
    var maps: [AffineMap] = []
    var channel = AxisID.none
    var split: [(phase: PhaseBlend, place: AxisID, column: AxisID)] = []
    for (dimension, extent) in x.stored.shape.enumerated() {
      let axis = kernel.axis("d\(dimension)", extent)
      maps.append(.axis(axis))
      if dimension == 1 { channel = axis }
      if let phase = phases[dimension] {
        split.append((phase, axis, kernel.axis("r\(dimension)", phase.factor)))
      }
    }
    var weightMaps: [AffineMap] = [.axis(channel)] + split.map { .axis($0.column) }
    var weightShape = [x.stored.shape[1]] + split.map(\.phase.factor)
    for entry in split {
      guard let dimension = maps.firstIndex(of: .axis(entry.place)) else { return nil }
      let tap = kernel.axis("k\(dimension)", entry.phase.weights[0].count, .window)
      maps[dimension] = .axis(entry.place) + .axis(tap) + AffineMap(entry.phase.first)
      weightMaps.append(.axis(tap))
      weightShape.append(entry.phase.weights[0].count)
    }
    var values: [Int8] = []
    forEachCoordinate(of: weightShape) { place in
      var weight = 1
      for (index, entry) in split.enumerated() {
        weight *= entry.phase.weights[place[1 + index]][place[1 + split.count + index]]
      }
      values.append(Int8(clamping: weight))
    }
    // A sum is at most max|x - zx| times the weights inside, which the shares turn into `share`.
    guard split.reduce(1, { $0 * $1.phase.unit }) <= 127,
      x.largest * split.reduce(1, { $0 * $1.phase.share }) < Int(Int32.max)
    else { return nil }
    let weights = try Tensor(TensorType(.i8, weightShape), values)
    kernel.operands = [Operand(x.stored, maps, outside: .skip), Operand(weights.type, weightMaps)]
    integers.read(&kernel.operands[0])
    var buffers = [x.buffer, constant(weights)]
    var unit = 1.0
    for entry in split {
      let type = TensorType(.i32, [entry.phase.shares.count / entry.phase.factor, entry.phase.factor])
      buffers.append(constant(try Tensor(type, entry.phase.shares.map { Int32($0) })))
      kernel.operands.append(Operand(type, [.axis(entry.place), .axis(entry.column)]))
      unit *= Double(entry.phase.share)
    }
    try integers.finish(&kernel, scale: integers.ratio / unit) { program, sum in
      split.indices.reduce(sum) { program.append(.multiply, $0, program.append(.operand(2 + $1))) }
    }
    return view(storedKernel(kernel, buffers), results[0].stored.shape)
  }
}
