import Furc
import Machine
import Support
import Testing

/// The section of a container that reports read.
@Suite(.serialized) struct LayersTests {
  private static let text = """
    node 0 "Conv" "conv \\221\\22"
    node 4 "Relu" ""
    device resident layer_cycles 90 macs 1000
    term mac 7
    term chain 80
    kernel 2 contract macs 1000 mac 1 vector 2 port 3 issue 48

    """

  @Test func layersComeBack() throws {
    let layers = try ProgramLayers(text: Self.text)
    #expect(layers.text == Self.text)
    try layers.verified(kernels: [3])
    #expect(layers.node(0)?.name == "conv \"1\"")
    #expect(layers.devices[0].binding?.name == "chain")
    #expect(layers.devices[0].kernel(2)?.bound.cycles == 51)
  }

  @Test func layersFitTheirPrograms() throws {
    let layers = try ProgramLayers(text: Self.text)
    #expect(fault(layers, [2]) != nil)
    #expect(fault(layers, []) != nil)
    var wrong = layers
    wrong.nodes.reverse()
    #expect(fault(wrong, [3]) != nil)
    wrong = layers
    wrong.devices[0].terms[0].cycles = -1
    #expect(fault(wrong, [3]) != nil)
    wrong = layers
    wrong.devices[0].kernels += wrong.devices[0].kernels
    #expect(fault(wrong, [3]) != nil)
  }

  private func fault(_ layers: ProgramLayers, _ kernels: [Int]) -> Diagnostic? {
    do {
      try layers.verified(kernels: kernels)
      return nil
    } catch { return error }
  }

  @Test func olderFilesRunAndReportLess() throws {
    let path = try file { $0.sections.removeAll { $0.name == "layers" } }
    #expect(furc(["run", path]).status == 0)
    let report = furc(["report", path, "--json"])
    #expect(report.status == 0, "\(report.messages)")
    #expect(report.object["cycles"] as? Int == Files.compiled.object["cycles"] as? Int)
    #expect(report.object["lower_bound_cycles"] is Int == false)
    let page = Files.path("older.html")
    let text = furc(["report", path, "--html", page])
    #expect(text.status == 0 && text.data.contains("not in this file"), "\(text.messages)")
    #expect(text.data.contains("contract"))
    #expect(try FileIO.readText(page).contains("an older furc"))
  }

  @Test(arguments: [
    "", "device", "device quickly layer_cycles 1 macs 1\n", "nonsense 1\n",
    "device resident layer_cycles 1 macs 1\nkernel 99999 map macs 0 mac 0 vector 0 port 0 issue 0\n",
    "device resident layer_cycles 1 macs 99999999999999999999\n", "\u{1}",
  ])
  func brokenLayersAreOneSentence(_ text: String) throws {
    let path = try file { container in
      for index in container.sections.indices where container.sections[index].name == "layers" {
        container.sections[index].bytes = Array(text.utf8)
      }
    }
    for verb in ["report", "run", "check", "inspect"] {
      let outcome = furc([verb, path])
      #expect(outcome.status == 65 && outcome.diagnostic?.contains("[F0803]") == true, "\(outcome.messages)")
    }
  }

  /// The digits binary with its container changed and sealed again.
  private func file(_ change: (inout Container) -> Void) throws -> String {
    var container = try Container(decoding: try FileIO.readBytes(Files.binary), name: "binary")
    change(&container)
    return try Files.write("changed.fur", container.encoded())
  }
}
