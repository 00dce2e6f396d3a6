import ArgumentParser
import Furc
import Support

struct ReportVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Says where the time, the bytes and the energy of a .fur go.",
    discussion: """
      Time does not depend on data, so that the file alone is enough. A kernel's cycles are its part of the run: \
      at every moment the first context that runs has it, main before sub before DMA. main, sub and dma are how \
      long the kernel holds each, side by side.
      """)

  @Argument(help: "A .fur file.")
  var file: String

  @Option(help: "How many kernels of each device program to list, the costliest first; all without it.")
  var top: Int?

  @Option(help: "Write the timeline for Chrome's trace viewer or Perfetto.")
  var trace: String?

  @Option(help: "Write one self-contained page: timeline, memory, kernels, bounds.")
  var html: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { file }

  func validate() throws {
    guard (top ?? 0) >= 0 else { throw ValidationError("--top is \(top ?? 0), allowed is 0 or more") }
  }

  func run(_ console: Console) throws {
    let bytes = try FileIO.readBytes(file)
    let compiled = try CompiledModel(decoding: bytes, name: "'\(file)'")
    let report = try ProgramReport(compiled, digest: .sha256(bytes))
    if let trace { try write(trace, report.trace.text + "\n") }
    if let html { try write(html, report.page) }
    if json {
      console.print(report.json)
    } else {
      for line in report.lines(top: top) { console.print(line) }
    }
  }

  private func write(_ path: String, _ text: String) throws {
    Interrupt.willWrite(path)
    try FileIO.writeAtomically(path, text)
  }
}
