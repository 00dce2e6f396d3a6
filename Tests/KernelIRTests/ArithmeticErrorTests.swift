import Foundation
import KernelIR
import Support
import TestSupport
import Testing

/// The stated error bounds of rules A12 to A20, against libm in f64.
struct ArithmeticErrorTests {
  struct Function: Sendable, CustomTestStringConvertible {
    let name: String
    let bound: Double
    let ours: @Sendable (Float) -> Float
    let exact: @Sendable (Double) -> Double
    let range: ClosedRange<Float>
    var testDescription: String { name }
  }

  static let functions: [Function] = [
    .init(name: "exp", bound: 1.02, ours: { Arithmetic.exp($0) }, exact: { exp($0) }, range: -104...89),
    .init(name: "log", bound: 0.95, ours: { Arithmetic.log($0) }, exact: { log($0) }, range: 0...4),
    .init(name: "tanh", bound: 1.34, ours: { Arithmetic.tanh($0) }, exact: { tanh($0) }, range: -10...10),
    .init(name: "erf", bound: 1.02, ours: { Arithmetic.erf($0) }, exact: { erf($0) }, range: -4...4),
    .init(
      name: "sigmoid", bound: 1.97, ours: { Arithmetic.sigmoid($0) }, exact: { 1 / (1 + exp(-$0)) },
      range: -104...20),
    .init(name: "sin", bound: 0.51, ours: { Arithmetic.sin($0) }, exact: { sin($0) }, range: -1e6...1e6),
    .init(name: "cos", bound: 0.51, ours: { Arithmetic.cos($0) }, exact: { cos($0) }, range: -100...100),
    .init(
      name: "rsqrt", bound: 1.5, ours: { Arithmetic.rsqrt($0) }, exact: { 1 / $0.squareRoot() }, range: 0...9),
  ]

  /// The distance in units of the last place of the exact result; infinity where one is NaN, or where the
  /// exact result lies so far beyond the range that the other must be infinite and is not.
  static func error(_ ours: Float, _ exact: Double) -> Double {
    if exact.isNaN || ours.isNaN { return exact.isNaN && ours.bitPattern == 0x7FC0_0000 ? 0 : .infinity }
    if exact.isInfinite { return Double(ours) == exact ? 0 : .infinity }
    let largest = Double(Float.greatestFiniteMagnitude)
    let value = ours.isInfinite ? (ours > 0 ? 0x1p128 : -0x1p128) : Double(ours)
    if exact.magnitude > 0x1p128 { return ours.isInfinite && (ours > 0) == (exact > 0) ? 0 : .infinity }
    let place = exact.magnitude > largest ? 0x1p104 : Double(Float(exact).ulp)
    return abs(value - exact) / place
  }

  @Test(arguments: functions) func errorsStayInBounds(_ function: Function) {
    var random = SeededRandom(seed: 3)
    var worst = (error: 0.0, at: Float(0))
    func check(_ x: Float) {
      let error = Self.error(function.ours(x), function.exact(Double(x)))
      if error > worst.error { worst = (error, x) }
    }
    for x in Samples.floats(1_000_000, &random) { check(x) }
    for _ in 0..<1_000_000 { check(Float.random(in: function.range, using: &random)) }
    #expect(worst.error <= function.bound, "\(function.name): \(worst)")
    // A bound that the samples come nowhere near would hold anything.
    #expect(worst.error > function.bound * 0.8)
  }

  @Test func edgesAreExact() {
    let nan = Float(bitPattern: 0xFFA5_5AA5)
    for function in Self.functions {
      #expect(function.ours(nan).bitPattern == 0x7FC0_0000, "\(function.name)")
    }
    #expect(Arithmetic.exp(0) == 1)
    #expect(Arithmetic.exp(.infinity) == .infinity)
    #expect(Arithmetic.exp(-.infinity).bitPattern == 0)
    #expect(Arithmetic.exp(88.72284) == .infinity && Arithmetic.exp(88.72283).isFinite)
    #expect(Arithmetic.exp(-103.2) == .leastNonzeroMagnitude)
    #expect(Arithmetic.exp(-87.5).isSubnormal)
    #expect(Arithmetic.log(0) == -.infinity && Arithmetic.log(-0.0) == -.infinity)
    #expect(Arithmetic.log(-1).bitPattern == 0x7FC0_0000)
    #expect(Arithmetic.log(-.infinity).bitPattern == 0x7FC0_0000)
    #expect(Arithmetic.log(1).bitPattern == 0 && Arithmetic.log(.infinity) == .infinity)
    #expect(Arithmetic.tanh(.infinity) == 1 && Arithmetic.tanh(-.infinity) == -1)
    #expect(Arithmetic.erf(.infinity) == 1 && Arithmetic.erf(-.infinity) == -1)
    #expect(Arithmetic.sigmoid(.infinity) == 1 && Arithmetic.sigmoid(-.infinity).bitPattern == 0)
    #expect(Arithmetic.sigmoid(0) == 0.5)
    #expect(Arithmetic.sin(.infinity).bitPattern == 0x7FC0_0000)
    #expect(Arithmetic.cos(-.infinity).bitPattern == 0x7FC0_0000)
    #expect(Arithmetic.rsqrt(0) == .infinity && Arithmetic.rsqrt(-0.0) == -.infinity)
    #expect(Arithmetic.rsqrt(.infinity) == 0 && Arithmetic.rsqrt(-1).bitPattern == 0x7FC0_0000)
    for odd in [Arithmetic.tanh, Arithmetic.erf, Arithmetic.sin] {
      #expect(odd(-0.0).bitPattern == 0x8000_0000 && odd(0).bitPattern == 0)
    }
  }

  @Test(arguments: Seed.all) func symmetriesHold(seed: Seed) {
    var random = seed.random
    for x in Samples.floats(300_000, &random) where !x.isNaN && x.isFinite {
      for odd in [Arithmetic.tanh, Arithmetic.erf, Arithmetic.sin] where odd(-x) != -odd(x) {
        Issue.record("an odd function at \(x)")
      }
      if Arithmetic.cos(-x) != Arithmetic.cos(x) { Issue.record("cos at \(x)") }
    }
  }

  /// Saturating functions never leave their range.
  @Test(arguments: Seed.all) func rangesHold(seed: Seed) {
    var random = seed.random
    for _ in 0..<300_000 {
      let x = Float.random(in: -120...120, using: &random)
      let outside =
        Arithmetic.tanh(x).magnitude > 1 || Arithmetic.erf(x).magnitude > 1 || Arithmetic.sin(x).magnitude > 1
        || Arithmetic.cos(x).magnitude > 1 || !(0...1).contains(Arithmetic.sigmoid(x))
        || Arithmetic.exp(x) < 0
      if outside { Issue.record("\(x)") }
    }
  }
}
