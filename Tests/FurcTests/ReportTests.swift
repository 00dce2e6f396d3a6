import Foundation
import Furc
import Machine
import NPUChecker
import NPUISA
import Support
import Testing

/// `furc report`: figures that agree with each other and with the machine, the same bytes every time.
@Suite(.serialized) struct ReportTests {
  private static let report = furc(["report", Files.binary, "--json"])

  @Test func figuresAreThoseOfCompileAndRun() {
    let object = Self.report.object
    #expect(Self.report.status == 0, "\(Self.report.messages)")
    for key in [
      "model", "target", "precision", "weights", "cycles", "load_cycles", "latency_us", "clock_hz",
      "lower_bound_cycles", "bound", "over_bound", "layer_bound_cycles", "macs", "mac_utilization",
      "sram_bytes", "sram_peak_bytes", "dram_read_bytes", "dram_write_bytes", "energy_uj", "host_nodes",
      "sha256",
    ] {
      let (mine, theirs) = (object[key] as? NSObject, Files.compiled.object[key] as? NSObject)
      #expect(mine != nil && mine == theirs, "\(key)")
    }
    let run = furc(["run", Files.binary, "--json"])
    #expect(object["cycles"] as? Int == run.object["cycles"] as? Int)
  }

  @Test func partsOfTheRunAddUp() throws {
    let device = try #require((Self.report.object["devices"] as? [[String: Any]])?.first)
    let kernels = device["kernels"] as? [[String: Any]] ?? []
    #expect(!kernels.isEmpty)
    func sum(_ key: String) -> Double { kernels.reduce(0) { $0 + ($1[key] as? Double ?? 0) } }
    let idle = device["idle_cycles"] as? Double ?? 0
    let cycles = Double(device["cycles"] as? Int ?? 0)
    // The run is rounded up to whole cycles, its parts to hundredths.
    #expect(abs(sum("cycles") + idle - cycles) < 1 + Double(kernels.count) / 100)
    let busy = device["busy_cycles"] as? [String: Double] ?? [:]
    #expect(abs(sum("main_cycles") - (busy["main"] ?? 0)) < 1)
    #expect(abs(sum("sub_cycles") - (busy["sub"] ?? 0)) < 1)
    #expect(kernels.reduce(0) { $0 + ($1["macs"] as? Int ?? 0) } == Self.report.object["macs"] as? Int)
    let shares = kernels.compactMap { $0["cycles"] as? Double }
    #expect(shares == shares.sorted(by: >))
    for kernel in kernels {
      let held = ["main_cycles", "sub_cycles", "dma_cycles"].reduce(0) { $0 + (kernel[$1] as? Double ?? 0) }
      #expect((kernel["cycles"] as? Double ?? 0) <= held + 0.1)
      if let bound = kernel["bound_cycles"] as? Int {
        #expect(Double(bound) <= held, "\(kernel["name"] ?? "")")
      }
      #expect((kernel["nodes"] as? [[String: Any]] ?? []).allSatisfy { $0["op"] as? String != "" })
    }
    let memory = device["memory"] as? [String: Any] ?? [:]
    let regions = memory["sram_regions"] as? [[String: Any]] ?? []
    #expect(!regions.isEmpty)
    var seen: [(start: Double, end: Double, bytes: Range<Int>)] = []
    for region in regions {
      let (start, end) = (region["start_cycle"] as? Double ?? 1, region["end_cycle"] as? Double ?? 0)
      #expect(start <= end)
      guard region["resident"] as? Bool == false, let offset = region["offset"] as? Int else { continue }
      let bytes = offset..<(offset + (region["bytes"] as? Int ?? 0))
      // One place holds one thing at a time.
      #expect(!seen.contains { $0.bytes.overlaps(bytes) && $0.start < end - 0.01 && start < $0.end - 0.01 })
      seen.append((start, end, bytes))
    }
  }

  @Test func equalFilesGiveEqualBytes() throws {
    var texts: [Set<String>] = [[], [], [], []]
    for round in 0..<2 {
      let (trace, page) = (Files.path("trace\(round).json"), Files.path("page\(round).html"))
      let text = furc(["report", Files.binary, "--trace", trace, "--html", page])
      #expect(text.status == 0, "\(text.messages)")
      texts[0].insert(text.data)
      texts[1].insert(furc(["report", Files.binary, "--json"]).data)
      texts[2].insert(try FileIO.readText(trace))
      texts[3].insert(try FileIO.readText(page))
    }
    #expect(texts.map(\.count) == [1, 1, 1, 1])
  }

  @Test func traceHoldsEveryContext() throws {
    let path = Files.path("trace.json")
    #expect(furc(["report", Files.binary, "--trace", path]).status == 0)
    let trace = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path)))
    let events = (trace as? [String: Any])?["traceEvents"] as? [[String: Any]] ?? []
    let names = events.filter { $0["name"] as? String == "thread_name" }
      .compactMap { ($0["args"] as? [String: Any])?["name"] as? String }
    #expect(Set(["main", "sub", "dma0"]).isSubset(of: names))
    let timed = events.filter { $0["ph"] as? String == "X" && $0["pid"] as? Int == 0 }
    let end = timed.map { ($0["ts"] as? Double ?? 0) + ($0["dur"] as? Double ?? 0) }.max() ?? 0
    let cycles = Double(Self.report.object["cycles"] as? Int ?? 0)
    let clock = Double(Self.report.object["clock_hz"] as? Int ?? 1)
    #expect(abs(end - cycles / clock * 1e6) < 0.01)
  }

  @Test func pageStandsAloneAndHoldsTheFigures() throws {
    let path = Files.path("page.html")
    #expect(furc(["report", Files.binary, "--html", path]).status == 0)
    let page = try FileIO.readText(path)
    #expect(page.utf8.count < 1 << 20)
    for part in ["http:", "https:", "src=", "@import", "url("] { #expect(!page.contains(part), "\(part)") }
    let object = Self.report.object
    for key in ["cycles", "lower_bound_cycles", "load_cycles"] {
      #expect(page.contains("<data value=\"\(object[key] as? Int ?? -1)\">"), "\(key)")
    }
    #expect(
      page.contains("id=\"weights\">resident</b>"))
    #expect(page.contains("\(object["bound"] as? String ?? "?") binds"))
  }

  /// A program from a file may be anything that its format allows.
  @Test func wrongProgramsAreReportedOrRefused() throws {
    let container = try Container(decoding: try FileIO.readBytes(Files.binary), name: "binary")
    let program = try CompiledModel.load(Files.binary).devices[0]
    var random = SeededRandom(seed: 11)
    var reported = 0
    for _ in 0..<250 {
      guard let mutant = Mutant.draw(from: program, using: &random) else { continue }
      var changed = container
      for index in changed.sections.indices where changed.sections[index].name == "device.0" {
        changed.sections[index].bytes = mutant.program.encoded()
      }
      do {
        let model = try CompiledModel(decoding: changed.encoded(), name: "mutant")
        let report = try ProgramReport(model, digest: .sha256([UInt8]()))
        #expect(!report.lines().isEmpty && !report.page.isEmpty && !report.trace.text.isEmpty)
        #expect(report.json["cycles"] != nil)
        reported += 1
      } catch {
        #expect(error.kind.exitStatus == 65, "\(mutant.path): \(error)")
      }
    }
    #expect(reported > 50)
  }

  @Test func manyBarsBecomeFew() throws {
    let report = try ProgramReport(CompiledModel.load(Files.binary), digest: .sha256([UInt8]()))
    let (whole, few) = (report.page(bars: 40_000), report.page(bars: 6))
    #expect(!whole.contains("drawn as one") && few.contains("drawn as one"))
    #expect(few.utf8.count < whole.utf8.count)
  }

  @Test func textListsKernelsByCost() {
    let text = furc(["report", Files.binary, "--top", "2"])
    #expect(text.status == 0)
    #expect(
      text.data.contains("cycles         \(Self.report.object["cycles"] as? Int ?? -1) (resident weights)"))
    #expect(text.data.contains("kernels more"))
    #expect(text.data.contains("conversion"))
  }

  @Test func hostSegmentsHaveTheirReason() throws {
    let (binary, page) = (Files.path("report-host.fur"), Files.path("report-host.html"))
    let compile = furc([
      "compile", try FallbackTests.model(), "--target", "warboy", "-o", binary, "--no-verify",
    ])
    #expect(compile.status == 0, "\(compile.messages)")
    let report = furc(["report", binary, "--json", "--html", page])
    #expect(report.status == 0, "\(report.messages)")
    let nodes = report.object["host_nodes"] as? [[String: Any]] ?? []
    let reason = try #require(nodes.first?["reason"] as? String)
    #expect(try FileIO.readText(page).contains(reason.replacingOccurrences(of: "'", with: "&#39;")))
    #expect(furc(["report", binary]).data.contains(reason))
    let steps = report.object["host_steps"] as? [[String: Any]] ?? []
    #expect(steps.contains { $0["kind"] as? String == "host" && $0["elements"] as? Int ?? 0 > 0 })
  }

  @Test func outputsThatCannotBeWrittenSaySo() {
    let nowhere = Files.path("no/such/folder/x")
    for option in ["--trace", "--html"] {
      let outcome = furc(["report", Files.binary, option, nowhere])
      #expect(outcome.status == 74 && outcome.diagnostic?.contains("[F0104]") == true)
    }
    #expect(furc(["report", Files.path("none.fur")]).status == 66)
    #expect(furc(["report", Files.digits]).status == 65)
    #expect(furc(["report", Files.binary, "--top", "-1"]).status == 64)
  }
}
