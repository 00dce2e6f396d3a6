import ArgumentParser
import Furc
import GraphIR
import KernelIR
import NPUCompiler
import NPUISA
import Support

struct CompileVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "compile", abstract: "Compiles an ONNX model for a target, and verifies the binary.")

  @Argument(help: "An ONNX model.")
  var model: String

  @OptionGroup var arguments: CompileArguments
  @OptionGroup var reading: ModelArguments

  @Option(name: .shortAndLong, help: "The binary; the model's name with .fur without it.")
  var output: String?

  @Option(help: "Print instead of the figures: graph, kernels, schedule or asm.")
  var emit: String?

  @Flag(help: "Write the binary without running it against the executor.")
  var noVerify = false

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { model }

  func validate() throws {
    guard let emit, !["graph", "kernels", "schedule", "asm"].contains(emit) else { return }
    throw ValidationError("--emit is '\(emit)', allowed are graph, kernels, schedule and asm")
  }

  func run(_ console: Console) throws {
    var (compilation, session) = try arguments.compile(model, reading, console)
    if let emit { return printStage(emit, compilation, console) }
    var verification: Verification?
    if !noVerify {
      let start = ContinuousClock.now
      let result = try session.verify(
        compilation, calibration: try arguments.options().quantization.calibration, .quick)
      compilation.seconds.verify = (ContinuousClock.now - start).inSeconds
      for failure in result.failures { console.report(failure, file: model) }
      guard result.passed else { throw ExitStatus.failed }
      verification = result
    }
    let path = output ?? "\(compilation.model.name).fur"
    Interrupt.willWrite(path)
    try FileIO.writeAtomically(path, compilation.bytes)
    let report = CompileReport(compilation, verification)
    if let warning = report.thermalWarning { console.report(warning, file: model) }
    if json {
      console.print(report.json)
    } else {
      for line in report.lines { console.print(line) }
    }
  }

  private func printStage(_ stage: String, _ compilation: Compilation, _ console: Console) {
    switch stage {
    case "graph": console.write(Array(compilation.canonical.text.utf8))
    case "kernels":
      for device in compilation.devices { console.write(Array(device.fused.text.utf8)) }
    case "schedule":
      console.print("main, sub, copies, streamed: cycles that the search counts")
      for (device, program) in zip(compilation.devices, compilation.compiled.devices) {
        for decision in device.decisions {
          let cycles = decision.cycles.map { String($0) }.joined(separator: " ")
          console.print("\(program.kernels[decision.kernel].name): \(cycles): \(decision.placement)")
        }
      }
    default:
      for program in compilation.compiled.devices { console.write(Array(program.text.utf8)) }
    }
  }
}
