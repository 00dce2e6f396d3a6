import GraphIR
import Quantization
import Support

/// What quantization did and what it costs, on the samples that choices were compared on.
public struct QuantizationReport: Sendable {
  /// What the report is of.
  public let result: Quantizer.Result

  /// - Parameter result: as `Session.quantized` or a compilation has it.
  public init(_ result: Quantizer.Result) { self.result = result }

  /// How many scales of values each method found, in a fixed order.
  public var methods: [(method: String, count: Int)] {
    var counts: [String: Int] = [:]
    for entry in result.scheme.entries where entry.quantization.axis == nil {
      counts[entry.method, default: 0] += 1
    }
    let known = ([.grid] + CalibrationMethod.candidates).map(\.description)
    let others = counts.keys.filter { !known.contains($0) }.sorted()
    return (known + others).compactMap { name in counts[name].map { (name, $0) } }
  }

  /// The keys of the object `quantization` in `furc compile --json`, in order.
  public var members: [JSON.Member] {
    let scheme = result.scheme
    return [
      .init("samples", .integer(result.sampleCount)),
      .init("methods", .object(methods.map { .init($0.method, .integer($0.count)) })),
      .init("equalized", .integer(scheme.equalizations.count)),
      .init("corrected", .integer(scheme.corrections.count)),
      .init(
        "sqnr_db",
        .object(result.sqnr.map { .init($0.output, .number($0.ratio.decibels, decimals: 2)) })),
      .init("kept", .array(scheme.kept.map { .string($0) })),
      .init("layers", .array(result.costs.map(\.json))),
    ]
  }

  /// Which nodes stay in f32, on one line, or nothing.
  public var kept: [String] {
    let kept = result.scheme.kept
    return kept.isEmpty ? [] : ["kept in f32    \(kept.count) nodes: \(kept.joined(separator: ", "))"]
  }

  /// The same for people.
  public var lines: [String] {
    let scheme = result.scheme
    var lines = [
      "samples        \(result.sampleCount)",
      "scales         " + methods.map { "\($0.count) by \($0.method)" }.joined(separator: ", "),
      "equalized      \(scheme.equalizations.count) values between layers",
      "corrected      \(scheme.corrections.count) biases",
    ]
    for (output, ratio) in result.sqnr {
      lines.append("sqnr           \(output): \(decibels(ratio.decibels))")
    }
    return lines + kept + result.costs.lines
  }
}

/// A ratio as text.
func decibels(_ value: Double) -> String {
  if value.isFinite { return "\(fixed(value, 2)) dB" }
  return value == .infinity ? "no difference" : "nothing but noise"
}

extension LayerCost {
  /// Signal per noise where this layer alone is quantized, in dB.
  public var decibels: Double {
    var ratio = SignalToNoise()
    ratio.add(signal: 1, noise: noise)
    return ratio.decibels
  }

  var json: JSON {
    .object([
      .init("node", .string(node)), .init("op", .string(op)),
      .init("alone_db", .number(decibels, decimals: 2)),
    ])
  }
}

extension [LayerCost] {
  /// The ranked list for people.
  var lines: [String] {
    guard !isEmpty else { return [] }
    let all = reduce(0) { $0 + $1.noise }
    return ["layers by what quantizing each alone costs at the outputs:"]
      + map { cost in
        let share = all > 0 ? cost.noise / all * 100 : 0
        return "  \(fixed(share, 1)) %  \(Furc.decibels(cost.decibels))  \(cost.op) '\(cost.node)'"
      }
  }
}
