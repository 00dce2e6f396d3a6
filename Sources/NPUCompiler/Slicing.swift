import KernelIR
import Support

/// Ways to cut a kernel over slices, the widest first.
enum Slicing {
  /// At most `limit` geometries: products of divisors of up to three parallel axes, those that keep most slices busy,
  /// and the uncut one.
  static func candidates(
    for kernel: Kernel, slices: Int, limit: Int
  ) -> [Geometry] {
    let axes = kernel.axes(.parallel).filter { kernel.axes[$0].extent > 1 }
    var choices: [[AxisID: Int]] = [[:]]
    for axis in axes {
      let divisors = (2...max(slices, 2)).filter { kernel.axes[axis].extent % $0 == 0 && $0 <= slices }
      for choice in choices where choice.count < 3 {
        let used = choice.values.reduce(1, *)
        for divisor in divisors where used * divisor <= slices {
          var next = choice
          next[axis] = divisor
          choices.append(next)
        }
      }
    }
    func width(_ choice: [AxisID: Int]) -> Int { choice.values.reduce(1, *) }
    func key(_ choice: [AxisID: Int]) -> [Int] {
      // Wide first; then few cuts; then outer axes.
      [-width(choice), choice.count] + axes.map { -(choice[$0] ?? 1) }
    }
    let sorted = choices.sorted { key($0).lexicographicallyPrecedes(key($1)) }
    var chosen = Array(sorted.prefix(max(limit - 1, 0)))
    if !chosen.contains([:]) { chosen.append([:]) }
    return chosen.map { choice in
      var geometry = Geometry(kernel)
      for axis in axes { if let count = choice[axis] { geometry.slice(axis, count: count) } }
      return geometry
    }
  }
}
