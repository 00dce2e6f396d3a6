import KernelIR
import Support
import Tensors
import TestSupport
import Testing

/// The footprint holds every element that the points of a box read, and its ends are reached where a
/// coordinate never leaves the bounds.
@Test(arguments: Seed.all, RandomKernel.Form.allCases)
func footprintsHoldWhatIsRead(seed: Seed, form: RandomKernel.Form) throws {
  var random = seed.random
  for _ in 0..<60 {
    let kernel = try RandomKernel.make(form: form, using: &random).kernel
    let box = kernel.ranges.map { range -> Range<Int> in
      let ends = [
        Int.random(in: 0...range.upperBound, using: &random),
        Int.random(in: 0...range.upperBound, using: &random),
      ]
      return (ends.min() ?? 0)..<(ends.max() ?? 0)
    }
    let points = box.reduce(1) { $0 * $1.count }
    guard points <= 2000 else { continue }
    for (index, operand) in kernel.operands.enumerated() {
      let footprint = kernel.footprint(of: index, over: box)
      var visited = form == .move ? zip(box, operand.box).map { $0.clamped(to: $1) } : box
      // What is read once per element of the result is read however often the reduction runs.
      if index >= kernel.formOperandCount || (form == .scatter && index == 0) {
        for axis in kernel.reductionAxes { visited[axis.index] = 0..<1 }
      }
      var lows = [Int?](repeating: nil, count: operand.maps.count)
      var highs = lows
      var leaves = false
      forEachPoint(visited) { point in
        let coordinates = operand.maps.map { $0.value(at: point) }
        let isInside = zip(coordinates, operand.type.shape).allSatisfy { (0..<$1).contains($0) }
        leaves = leaves || !isInside
        for (dimension, coordinate) in coordinates.enumerated() {
          if isInside, !footprint[dimension].contains(coordinate), form != .gather {
            Issue.record("operand \(index) reads \(coordinates) outside \(footprint) over \(box): \(kernel)")
          }
          lows[dimension] = min(lows[dimension] ?? coordinate, coordinate)
          highs[dimension] = max(highs[dimension] ?? coordinate, coordinate)
        }
      }
      try #require(kernel.leavesBounds(index, over: form == .move ? visited : box) == leaves)
      guard form != .gather, !footprint.contains(where: \.isEmpty) else { continue }
      for (dimension, range) in footprint.enumerated() {
        let extent = operand.type.shape[dimension]
        #expect(range.lowerBound == lows[dimension].map { max($0, 0) })
        #expect(range.upperBound == highs[dimension].map { min($0 + 1, extent) })
      }
    }
  }
}

private func forEachPoint(_ box: [Range<Int>], _ body: ([Int]) -> Void) {
  guard !box.contains(where: \.isEmpty) else { return }
  var point = box.map(\.lowerBound)
  while true {
    body(point)
    var axis = box.count - 1
    while axis >= 0 {
      point[axis] += 1
      if point[axis] < box[axis].upperBound { break }
      point[axis] = box[axis].lowerBound
      axis -= 1
    }
    if axis < 0 { return }
  }
}

private func convolution() -> Kernel {
  var kernel = Kernel(.contract, .i8)
  let (n, co, oh) = (kernel.axis("n", 1), kernel.axis("co", 4), kernel.axis("oh", 8))
  let (kh, ci) = (kernel.axis("kh", 3, .window), kernel.axis("ci", 2, .reduce))
  kernel.operands = [
    Operand(
      TensorType(.i8, [1, 2, 8]), [.axis(n), .axis(ci), .axis(oh) + .axis(kh) + -1], outside: .fill(3),
      pre: centred(at: 3)),
    Operand(TensorType(.i8, [4, 2, 3]), [.axis(co), .axis(ci), .axis(kh)]),
    Operand(TensorType(.i32, [4]), [.axis(co)]), Operand(TensorType(.f32, []), []),
    Operand(TensorType(.i32, [1, 4, 8]), [.axis(n), .axis(co), .axis(oh)]),
  ]
  return kernel
}

@Test func convolutionIsClassified() {
  let kernel = convolution()
  let ids = Array(kernel.axes.ids)
  #expect(
    kernel.contractionAxes
      == ContractionAxes(batch: [], m: [ids[0], ids[2]], n: [ids[1]], k: [ids[3], ids[4]]))
  #expect(kernel.macs == 1 * 4 * 8 * 3 * 2)
  #expect(kernel.elements == 32)
  #expect(kernel.zeroPoint(ofOperand: 0) == 3)
  #expect(kernel.zeroPoint(ofOperand: 1) == 0)
  #expect(kernel.zeroPoint(ofOperand: 3) == nil)
  #expect(kernel.footprint(of: 0, over: [0..<1, 0..<4, 2..<4, 0..<3, 0..<2]) == [0..<1, 0..<2, 1..<5])
  #expect(kernel.footprint(of: 0, over: [0..<1, 0..<4, 0..<2, 0..<3, 0..<2]) == [0..<1, 0..<2, 0..<3])
  let vectors = kernel.vectorsAlongAxes()
  #expect(vectors.map(\.operand) == [2, 3])
  #expect(vectors.map(\.axis) == [ids[1], nil])
  #expect(kernel.vectorsAlongAxes { $0 == 3 }.map(\.operand) == [3])
}

@Test func zeroPointsAreRecognised() {
  var kernel = convolution()
  func zeroPoint(_ build: (inout Program) -> Register) -> Int32? {
    kernel.operands[0].pre = Program(build)
    return kernel.zeroPoint(ofOperand: 0)
  }
  #expect(zeroPoint { $0.append(.add, $0.append(constant: Int32(5)), $0.append(.input)) } == -5)
  #expect(
    zeroPoint {
      $0.append(.dequantize($0.append(.input), scale: $0.append(constant: Float(1)), zeroPoint: 9))
    } == 9)
  #expect(zeroPoint { $0.append(.subtract, $0.append(constant: Int32(5)), $0.append(.input)) } == nil)
  #expect(zeroPoint { $0.append(.negate, $0.append(.input)) } == nil)
}

@Test func mapsSubstituteAxes() throws {
  let map = try AffineMap(text: "2*i0 - 3*i1 + 4")
  let substituted = map.substituting {
    $0.rawValue == 0 ? .axis($0) + 5 : .axis(AxisID(rawValue: 7), times: 2) + -1
  }
  #expect(substituted.text == "2*i0 - 6*i7 + 17")
  #expect(map.interval(over: [0..<3, 1..<3])?.description == "-2...5")
  #expect(map.interval(over: [0..<3, 1..<1]) == nil)
}
