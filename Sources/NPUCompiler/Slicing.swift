import KernelIR
import Support

/// Ways to cut a kernel over slices, the widest first.
enum Slicing {
  /// At most `limit` geometries: products of divisors of up to three parallel axes, those that keep most slices busy,
  /// those that lie as an operand does already, and the uncut one.
  static func candidates(
    for kernel: Kernel, slices: Int, present: [[AxisID: Int]], limit: Int
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
    var chosen = present.filter { sorted.contains($0) }
    for choice in sorted where chosen.count < limit - 1 && !chosen.contains(choice) { chosen.append(choice) }
    if !chosen.contains([:]) { chosen.append([:]) }
    return chosen.map { choice in
      var geometry = Geometry(kernel)
      for axis in axes { if let count = choice[axis] { geometry.slice(axis, count: count) } }
      return geometry
    }
  }
}
