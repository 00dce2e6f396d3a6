import Foundation
import Machine
import NPUISA
import NPUInterpreter
import Support
import TargetFiles
import Tensors
import Testing

/// Programs of `Fidelity/` on the strict interpreter, against intervals that were read from the vendor's published
/// schedule of an MNIST network: the table of Docs/fidelity.md.
@Suite(.serialized) struct FidelityTests {
  struct Interval: CustomTestStringConvertible, Sendable {
    let file: String
    let context: Context
    /// Cycles.
    let published: Double
    /// How far off the machine may be, of what is published.
    let tolerance: Double

    var testDescription: String { file }
  }

  static let reached: [Interval] = [
    Interval(file: "gemv-50-flits", context: .main, published: 313.8, tolerance: 0.01),
    Interval(file: "gemv-16-flits", context: .main, published: 279.9, tolerance: 0.01),
    Interval(file: "transpose-8-flits", context: .main, published: 271.7, tolerance: 0.01),
    Interval(file: "inter-transpose-ring-8", context: .main, published: 343.5, tolerance: 0.01),
    Interval(file: "inter-transpose-ring-256", context: .main, published: 4869.5, tolerance: 0.01),
    Interval(file: "broadcast-ring-256", context: .main, published: 1032.3, tolerance: 0.01),
    Interval(file: "register-file-1600-bytes", context: .sub, published: 462.6, tolerance: 0.01),
    Interval(file: "register-file-512-bytes", context: .sub, published: 326.8, tolerance: 0.01),
    Interval(file: "vector-add-relu", context: .main, published: 283.1, tolerance: 0.02),
    Interval(file: "vector-add", context: .main, published: 281.2, tolerance: 0.02),
    Interval(file: "dma-32-rows-of-16-bytes", context: .dma(0), published: 611, tolerance: 0.01),
    Interval(file: "dma-16-partial-writes", context: .dma(0), published: 3576.2, tolerance: 0.01),
    Interval(file: "dma-32-bytes", context: .dma(0), published: 448, tolerance: 0.02),
  ]

  /// Those that the model does not reach, with the cycles that it takes instead.
  static let missed: [(file: String, published: Double, cycles: Double)] = [
    ("dma-16-rows-of-512-bytes", 572, 528), ("dma-256-rows-of-1600-bytes", 1661.8, 1068.31),
    ("dma-broadcast-1600-bytes", 5496.2, 2240),
  ]

  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fidelity")

  @Test(arguments: reached)
  func intervalIsAsPublished(interval: Interval) throws {
    let cycles = try measure(interval.file, interval.context)
    let difference = cycles / interval.published - 1
    print("\(interval.file): \(cycles) cycles, published \(interval.published), \(100 * difference) %")
    #expect(abs(difference) <= interval.tolerance, "\(cycles) cycles")
  }

  /// Holds the page to the model: a change that comes closer has to be told there.
  @Test(arguments: missed)
  func missedIntervalIsAsTold(file: String, published: Double, cycles: Double) throws {
    let found = try measure(file, .dma(0))
    print("\(file): \(found) cycles, published \(published), \(100 * (found / published - 1)) %")
    #expect(abs(found - cycles) < 0.01)
    #expect(abs(found / published - 1) > 0.02)
  }

  @Test func everyProgramIsMeasuredAndToldOf() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    let names = Set(Self.reached.map(\.file) + Self.missed.map(\.file))
    #expect(Set(files.filter { $0.hasSuffix(".npu") }) == Set(names.map { "\($0).npu" }))
    let page = try String(
      contentsOf: Self.folder.appending(path: "../../../Docs/fidelity.md").standardized, encoding: .utf8)
    for name in names { #expect(page.contains("`\(name)`"), "\(name)") }
  }

  /// The GEMVs compute what they should: 800 and 256 ones.
  @Test(arguments: [("gemv-50-flits", 0x4448 as UInt16), ("gemv-16-flits", 0x4380)])
  func contractionsAddUp(file: String, bits: UInt16) throws {
    let output = try #require(try run(file).outputs["y"])
    let halves = Array(output.bytes.bindMemory(to: UInt16.self))
    #expect(!halves.isEmpty && halves.allSatisfy { $0 == bits }, "\(halves.first ?? 0)")
  }

  /// The last instruction of the context, and what started with it in contexts of the same kind.
  private func measure(_ file: String, _ context: Context) throws -> Double {
    let result = try run(file)
    let entries = result.timeline
    let isDMA = context.index >= 2
    let own = try #require(
      entries.filter { $0.context == context.index }.max { $0.position < $1.position })
    let end = entries.filter { isDMA && $0.context >= 2 && $0.startTick == own.startTick }.map(\.endTick)
      .max()
    let ticks = (end ?? own.endTick) - own.startTick
    return Double(ticks) / Double(try machine().ticksPerCycle)
  }

  private func machine() throws -> SliceMachine {
    try TargetReader.read(path: Self.folder.appending(path: "rngd-4pe.yaml").path).machine
  }

  private func run(_ file: String) throws -> NPUInterpreter.RunResult {
    let text = try String(contentsOf: Self.folder.appending(path: "\(file).npu"), encoding: .utf8)
    var interpreter = try NPUInterpreter(try NPUProgram(text: text), on: try machine(), mode: .strict)
    let result = try interpreter.run(inputs: [:])
    #expect(result.findings.isEmpty, "\(result.findings)")
    return result
  }
}
