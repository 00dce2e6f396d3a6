import KernelIR
import Support
import Tensors

/// One method per form. Each sets the kernel's form, axes, operands, programs and element.
extension KernelGenerator {
  // MARK: contract

  mutating func contract() throws {
    let factors = factorTypes()
    kernel = Kernel(.contract, .i32)
    let isChain = Program.Kind(factors.0) == .float && factors.0.size > 1
    let maps = chance(50) ? product(splits: isChain) : convolution(splits: isChain)
    for (index, map) in [maps.0, maps.1].enumerated() {
      let element = index == 0 ? factors.0 : factors.1
      let isInteger = factors.0 == .i8 || factors.0 == .u8 || factors.0 == .i4
      let slides = index == 0 && kernel.axes(.window).count > 0 && chance(70)
      var pre = Program.identity
      var outside = Operand.Outside.never
      if isInteger, chance(index == 0 ? 70 : 20) {
        let zeroPoint = Int32(int(-8...7))
        pre = Program { $0.append(.subtract, $0.append(.input), $0.append(constant: zeroPoint)) }
        if slides { outside = chance(50) && element != .u8 ? .fill(UInt32(bitPattern: zeroPoint)) : .skip }
      } else if !isInteger, !element.isFloat {
        // Weights of eight bits beside float activations.
        let scale = Float.random(in: 0.01...1, using: &random)
        pre = Program {
          $0.append(.dequantize($0.append(.input), scale: $0.append(constant: scale), zeroPoint: 1))
        }
      }
      if slides, outside == .never { outside = chance(50) ? .skip : fill(element) }
      try append(element, map, outside: outside, pre: pre)
    }
    try contractionPost()
  }

  private mutating func factorTypes() -> (ElementType, ElementType) {
    if integerTarget { return (.i8, .i8) }
    return pick([
      (.i8, .i8), (.i8, .i8), (.u8, .i8), (.i8, .i4), (.f32, .f32), (.bf16, .bf16), (.f16, .f16),
      (.f32, .bf16), (.bf16, .i8), (.f8e4m3, .f8e4m3), (.f8e4m3, .f8e5m2), (.f8e5m2, .f8e5m2),
    ])
  }

  /// Batch, m, n and k axes in a random arrangement of each factor's dimensions.
  private mutating func product(splits: Bool) -> ([AffineMap], [AffineMap]) {
    let counts = (int(0...1), int(0...2), int(0...2), int(0...2))
    let extents = extents(counts.0 + counts.1 + counts.2 + counts.3, limit: splits ? 6_000 : 20_000)
    var rest = extents[...]
    func take(_ count: Int) -> [Int] {
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
    let batch = axes("b", take(counts.0))
    let m = axes("m", take(counts.1))
    let n = axes("n", take(counts.2))
    let innermost = take(counts.3)
    let split = splits && !innermost.isEmpty && chance(50)
    let block = split ? kernel.axis("s", pick([1, 2, 3, 8]), .split) : .none
    let k = axes("k", innermost, .reduce)
    var reduction = k.map { AffineMap.axis($0) }
    if split { reduction[0] = reduction[0] + .axis(block, times: innermost[0]) }
    var left = (batch + m).map { AffineMap.axis($0) } + reduction
    var right = (batch + n).map { AffineMap.axis($0) } + reduction
    if chance(30) { left.shuffle(using: &random) }
    if chance(30) { right.shuffle(using: &random) }
    return (left, right)
  }

  /// A convolution of one or two spatial dimensions: dense, depthwise, strided, dilated, or flipped as the
  /// phases of a transposed one are.
  private mutating func convolution(splits: Bool) -> ([AffineMap], [AffineMap]) {
    let dimensions = int(1...2)
    let isDepthwise = chance(30)
    let batch = kernel.axis("n", pick([1, 1, 2]))
    let channels = kernel.axis("co", pick([1, 2, 3, 8, 16, 17]))
    let out = axes("o", (0..<dimensions).map { _ in pick([1, 2, 3, 5, 8]) })
    let split = splits && !isDepthwise && chance(40)
    let block = split ? kernel.axis("s", pick([2, 3, 8]), .split) : .none
    let taps = axes("k", (0..<dimensions).map { _ in pick([1, 2, 3]) }, .window)
    let spatial = zip(out, taps).map { out, tap in
      AffineMap.axis(out, times: pick([1, 1, 2, 3])) + .axis(tap, times: pick([1, 1, 2, -1]))
    }
    let tapMaps = taps.map { AffineMap.axis($0) }
    if isDepthwise {
      return ([.axis(batch), .axis(channels)] + spatial, [.axis(channels)] + tapMaps)
    }
    let inputs = pick([1, 2, 3, 5])
    let input = kernel.axis("ci", inputs, .reduce)
    var depth = AffineMap.axis(input)
    if split { depth = depth + .axis(block, times: inputs) }
    let isChannelsLast = chance(30)
    return (
      isChannelsLast ? [.axis(batch)] + spatial + [depth] : [.axis(batch), depth] + spatial,
      [.axis(channels), depth] + tapMaps
    )
  }

  private mutating func contractionPost() throws {
    let parallel = kernel.axes(.parallel)
    let kind = kernel.inputKind ?? .float
    if chance(15) {
      kernel.element = kind == .integer ? .i32 : integerTarget ? .f32 : pick([.f32, .bf16, .f16, .f8e4m3])
      return
    }
    if kind == .integer, chance(50) {
      // The ordinary quantized layer: bias, requantization per channel, sometimes a residual sum.
      kernel.element = .i8
      var program = Program(steps: [], result: .none)
      var value = Value(register: program.append(.input), kind: .integer)
      let bias = try parameter(&program, .i32, .within(-10_000...10_000), parallel, 77)
      value.register = program.append(.add, value.register, bias)
      value = try requantize(&program, value, parallel)
      if chance(40) { value = try residual(&program, value, parallel) }
      program.result = value.register
      kernel.post = program
      return
    }
    kernel.element = pick(elements)
    try postProgram(input: kind, axes: parallel, steps: int(0...5))
  }

  /// quantize(dequantize(value) + dequantize(operand)).
  private mutating func residual(
    _ program: inout Program, _ value: Value, _ axes: [AxisID]
  ) throws -> Value {
    let scale = program.append(constant: Float.random(in: 0.01...1, using: &random))
    let left = program.append(.dequantize(value.register, scale: scale, zeroPoint: 3))
    let other = program.append(.operand(try append(.i8, axes.map { .axis($0) })))
    let right = program.append(.dequantize(other, scale: scale, zeroPoint: -2))
    let sum = program.append(.add, left, right)
    let step = Program.Step.quantize(sum, scale: scale, zeroPoint: 1, low: -128, high: 127)
    return Value(register: program.append(step), kind: .integer)
  }

  // MARK: map, reduce

  mutating func map() throws {
    kernel = Kernel(.map, pick(elements))
    let parallel = axes("i", extents(int(0...4), limit: 4_000))
    try postProgram(input: nil, axes: parallel, steps: int(0...8))
  }

  mutating func reduce() throws {
    let reduction = pick(Kernel.Reduction.allCases)
    kernel = Kernel(.reduce(reduction), .f32)
    let element = pick(elements)
    var maps: [AffineMap] = []
    var slides = false
    if chance(50) {
      slides = true
      maps = axes("c", extents(int(0...2), limit: 40)).map { .axis($0) }
      let dimensions = int(1...2)
      let out = axes("o", (0..<dimensions).map { _ in pick([1, 2, 3, 5]) })
      let taps = axes("k", (0..<dimensions).map { _ in pick([1, 2, 3, 9]) }, .window)
      maps += zip(out, taps).map { .axis($0, times: pick([1, 2, 3])) + .axis($1, times: pick([1, 1, 2])) }
    } else {
      let count = int(0...4)
      let extents = extents(count, limit: 8_000)
      for (index, extent) in extents.enumerated() {
        maps.append(.axis(kernel.axis("i\(index)", extent, chance(50) ? .parallel : .reduce)))
      }
      if chance(30) { maps.shuffle(using: &random) }
    }
    let outside: Operand.Outside = !slides || chance(40) ? .never : chance(60) ? .skip : fill(element)
    let pre = preProgram(element)
    try append(
      element, maps, outside: outside, pre: pre, values: element == .i32 ? .within(-9_999...9_999) : .any)
    let kind = kernel.inputKind ?? .float
    if chance(40) {
      kernel.element = kind == .integer ? .i32 : .f32
    } else {
      kernel.element = pick(elements)
      try postProgram(input: kind, axes: kernel.axes(.parallel), steps: int(0...3))
    }
  }

  // MARK: copies

  mutating func move() throws {
    kernel = Kernel(.move, pick(elements))
    let parallel = axes("i", extents(int(0...4), limit: 4_000))
    var boxes = [kernel.ranges]
    for _ in 0..<int(0...4) {
      // Cuts one box in two, sometimes leaving an empty part.
      guard !parallel.isEmpty else { break }
      let index = int(0...(boxes.count - 1))
      let dimension = int(0...(parallel.count - 1))
      let range = boxes[index][dimension]
      let cut = int(range.lowerBound...range.upperBound)
      var second = boxes[index]
      boxes[index][dimension] = range.lowerBound..<cut
      second[dimension] = cut..<range.upperBound
      boxes.append(second)
    }
    for box in boxes {
      let outside = chance(75) ? Operand.Outside.never : fill(kernel.element)
      try append(kernel.element, broadcast(over: parallel), outside: outside, box: box)
    }
  }

  mutating func gather() throws {
    let rank = int(1...3)
    let dimension = int(0...(rank - 1))
    kernel = Kernel(.gather(dimension: dimension), pick(elements))
    let shape = extents(rank + 1, limit: 4_000)
    // The index stands for `dimension`, sometimes as several axes or none.
    var maps: [AffineMap] = []
    var indexMaps: [AffineMap] = []
    for current in 0..<rank {
      if current == dimension {
        indexMaps = axes("j", Array(shape[rank...].prefix(int(0...1))) + (chance(20) ? [2] : [])).map {
          .axis($0)
        }
        maps.append(0)
      } else {
        let axis = kernel.axis("i\(current)", shape[current])
        maps.append(.axis(axis))
        if chance(15) { indexMaps.append(.axis(axis)) }
      }
    }
    try append(kernel.element, maps)
    let rows = pick([1, 2, 3, 17])
    resize(operand: 0, dimension: dimension, to: rows)
    arguments[0] = try tensor(kernel.operands[0].type, .any)
    try append(.i32, indexMaps, values: .within(-rows...(rows - 1)))
  }

  mutating func scatter() throws {
    let rank = int(1...3)
    let dimension = int(0...(rank - 1))
    kernel = Kernel(.scatter(dimension: dimension), pick(elements))
    let parallel = axes("i", extents(rank, limit: 2_000))
    let update = kernel.axis("u", pick([0, 1, 2, 3, 5]), .reduce)
    let rows = kernel.axes[parallel[dimension]].extent
    try append(kernel.element, parallel.map { .axis($0) })
    let others = parallel.filter { $0 != parallel[dimension] }
    let indexMaps = [AffineMap.axis(update)] + (chance(30) ? others.map { .axis($0) } : [])
    try append(.i32, indexMaps, values: .within(-rows...max(rows - 1, -rows)))
    var updateMaps = others.map { AffineMap.axis($0) }
    updateMaps.insert(.axis(update), at: dimension)
    try append(kernel.element, updateMaps)
  }

  /// Gives a dimension that the maps do not range over another extent.
  private mutating func resize(operand index: Int, dimension: Int, to extent: Int) {
    var shape = kernel.operands[index].type.shape
    shape[dimension] = extent
    kernel.operands[index].type = TensorType(kernel.operands[index].type.element, shape)
    kernel.operands[index].maps[dimension] = 0
  }
}
