import CKernels
import KernelIR
import Support
import TestSupport
import Testing

/// The C functions give the bits of the Swift ones (rule A3).
struct ArithmeticTwinTests {
  static let count = 1_000_000

  struct UnaryPair: Sendable, CustomTestStringConvertible {
    let name: String
    let swift: @Sendable (Float) -> Float
    let c: @Sendable (Float) -> Float
    var testDescription: String { name }
  }

  static let unary: [UnaryPair] = [
    .init(name: "canonical", swift: { Arithmetic.canonical($0) }, c: { furc_canonical($0) }),
    .init(name: "absolute", swift: { Arithmetic.absolute($0) }, c: { furc_abs($0) }),
    .init(name: "negate", swift: { Arithmetic.negate($0) }, c: { furc_neg($0) }),
    .init(name: "sqrt", swift: { Arithmetic.sqrt($0) }, c: { furc_sqrt($0) }),
    .init(name: "rsqrt", swift: { Arithmetic.rsqrt($0) }, c: { furc_rsqrt($0) }),
    .init(name: "reciprocal", swift: { Arithmetic.reciprocal($0) }, c: { furc_reciprocal($0) }),
    .init(name: "floor", swift: { Arithmetic.floor($0) }, c: { furc_floor($0) }),
    .init(name: "ceil", swift: { Arithmetic.ceil($0) }, c: { furc_ceil($0) }),
    .init(name: "round", swift: { Arithmetic.roundHalfEven($0) }, c: { furc_round($0) }),
    .init(name: "exp", swift: { Arithmetic.exp($0) }, c: { furc_exp($0) }),
    .init(name: "log", swift: { Arithmetic.log($0) }, c: { furc_log($0) }),
    .init(name: "sigmoid", swift: { Arithmetic.sigmoid($0) }, c: { furc_sigmoid($0) }),
    .init(name: "tanh", swift: { Arithmetic.tanh($0) }, c: { furc_tanh($0) }),
    .init(name: "erf", swift: { Arithmetic.erf($0) }, c: { furc_erf($0) }),
    .init(name: "sin", swift: { Arithmetic.sin($0) }, c: { furc_sin($0) }),
    .init(name: "cos", swift: { Arithmetic.cos($0) }, c: { furc_cos($0) }),
    .init(
      name: "toInteger", swift: { Float(bitPattern: UInt32(bitPattern: Arithmetic.toInteger($0))) },
      c: { Float(bitPattern: UInt32(bitPattern: furc_to_integer($0))) }),
  ]

  @Test(arguments: unary) func unaryFunctionsAgree(_ pair: UnaryPair) {
    var random = SeededRandom(seed: 1)
    var inputs = Samples.floats(Self.count, &random)
    // As many again where the functions are neither saturated nor linear.
    inputs += (0..<Self.count).map { _ in Float.random(in: -110...110, using: &random) }
    let differing = inputs.filter { pair.swift($0).bitPattern != pair.c($0).bitPattern }
    let count = differing.count
    #expect(count == 0, "first at \(differing.first?.bitPattern ?? 0)")
    let noncanonical = inputs.filter { pair.swift($0).isNaN && pair.swift($0).bitPattern != 0x7FC0_0000 }
    let noncanonicalCount = pair.name == "toInteger" ? 0 : noncanonical.count
    #expect(noncanonicalCount == 0)
  }

  struct BinaryPair: Sendable, CustomTestStringConvertible {
    let name: String
    let swift: @Sendable (Float, Float) -> Float
    let c: @Sendable (Float, Float) -> Float
    var testDescription: String { name }
  }

  static let binary: [BinaryPair] = [
    .init(name: "add", swift: { Arithmetic.add($0, $1) }, c: { furc_add($0, $1) }),
    .init(name: "subtract", swift: { Arithmetic.subtract($0, $1) }, c: { furc_sub($0, $1) }),
    .init(name: "multiply", swift: { Arithmetic.multiply($0, $1) }, c: { furc_mul($0, $1) }),
    .init(name: "divide", swift: { Arithmetic.divide($0, $1) }, c: { furc_div($0, $1) }),
    .init(name: "maximum", swift: { Arithmetic.maximum($0, $1) }, c: { furc_maximum($0, $1) }),
    .init(name: "minimum", swift: { Arithmetic.minimum($0, $1) }, c: { furc_minimum($0, $1) }),
    .init(
      name: "clamp", swift: { Arithmetic.clamp($0, low: $1, high: 2) }, c: { furc_clamp($0, $1, 2) }),
    .init(name: "fma", swift: { Arithmetic.fma($0, $1, -$0) }, c: { furc_fma($0, $1, -$0) }),
    .init(
      name: "quantize",
      swift: {
        Float(
          bitPattern: UInt32(
            bitPattern: Arithmetic.quantize($0, scale: $1, zeroPoint: 7, low: -128, high: 127)))
      },
      c: { Float(bitPattern: UInt32(bitPattern: furc_quantize($0, $1, 7, -128, 127))) }),
    .init(
      name: "dequantize",
      swift: { Arithmetic.dequantize(Int32(bitPattern: $0.bitPattern), scale: $1, zeroPoint: -3) },
      c: { furc_dequantize(Int32(bitPattern: $0.bitPattern), $1, -3) }),
  ]

  @Test(arguments: binary) func binaryFunctionsAgree(_ pair: BinaryPair) {
    var random = SeededRandom(seed: 2)
    for a in Samples.floats {
      for b in Samples.floats where pair.swift(a, b).bitPattern != pair.c(a, b).bitPattern {
        Issue.record("\(pair.name)(\(a), \(b))")
      }
    }
    let left = Samples.floats(Self.count, &random)
    let right = Samples.floats(Self.count, &random).shuffled(using: &random)
    let differing = zip(left, right).filter { pair.swift($0, $1).bitPattern != pair.c($0, $1).bitPattern }
    let count = differing.count
    #expect(count == 0)
  }

  @Test(arguments: Seed.all) func integerFunctionsAgree(seed: Seed) {
    var random = seed.random
    let left = Samples.integers(Self.count, &random)
    let right = Samples.integers(Self.count, &random).shuffled(using: &random)
    var differing = 0
    for (a, b) in zip(left, right) {
      let swift: [8 of Int32] = [
        Arithmetic.add(a, b), Arithmetic.subtract(a, b), Arithmetic.multiply(a, b), Arithmetic.maximum(a, b),
        Arithmetic.minimum(a, b), Arithmetic.shiftLeft(a, b), Arithmetic.shiftRight(a, b),
        Arithmetic.absolute(a),
      ]
      let c: [8 of Int32] = [
        furc_add_i32(a, b), furc_sub_i32(a, b), furc_mul_i32(a, b), furc_max_i32(a, b),
        furc_min_i32(a, b), furc_shift_left_i32(a, b), furc_shift_right_i32(a, b), furc_abs_i32(a),
      ]
      for i in 0..<8 where swift[i] != c[i] { differing += 1 }
      if Arithmetic.negate(a) != furc_neg_i32(a) { differing += 1 }
      if Arithmetic.toFloat(a) != furc_to_float(a) { differing += 1 }
      let shift = Int32(UInt32(bitPattern: b) % 63)
      let multiplier = b & .max
      let swiftRequant = Arithmetic.requant(
        a, multiplier: multiplier, shift: shift, zeroPoint: a &* 3, low: -1_000_000, high: .max)
      if swiftRequant != furc_requant(a, multiplier, shift, a &* 3, -1_000_000, .max) { differing += 1 }
    }
    #expect(differing == 0)
  }

  @Test(arguments: [0, 1, 2, 15, 16, 17, 63, 64, 65, 79, 80, 81, 1000, 4097])
  func sumsAgree(count: Int) {
    var random = SeededRandom(seed: UInt64(count))
    for stride in 1...3 {
      let values = (0..<count * stride).map { _ in Float.random(in: -1...1, using: &random) }
      let picked = Swift.stride(from: 0, to: values.count, by: stride).map { values[$0] }
      let sum = values.withUnsafeBufferPointer { furc_sum($0.baseAddress, count, stride) }
      #expect(sum.bitPattern == Arithmetic.sum(picked).bitPattern)
    }
  }
}
