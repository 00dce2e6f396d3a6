import Foundation
import Support
import Testing

/// The page of `furc report` in a browser, where one is installed.
@Suite(.serialized) struct BrowserTests {
  private static let browser: String? = {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    for name in ["chromium", "chromium-browser", "google-chrome"] {
      for folder in folders where FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)") {
        return "\(folder)/\(name)"
      }
    }
    return nil
  }()

  /// The page after its scripts have run, and what the browser had to say.
  private func open(_ page: String, with browser: String) throws -> (dom: String, log: String) {
    let (dom, log) = (Files.path("dom.html"), Files.path("browser.log"))
    for path in [dom, log] { try FileIO.writeAtomically(path, "") }
    let process = Process()
    process.executableURL = URL(filePath: browser)
    process.arguments = [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr",
      "--user-data-dir=\(Files.path("browser"))", "--virtual-time-budget=3000", "--timeout=30000",
      "--window-size=1300,1800", "--dump-dom", "file://\(page)",
    ]
    process.standardOutput = try FileHandle(forWritingTo: URL(filePath: dom))
    process.standardError = try FileHandle(forWritingTo: URL(filePath: log))
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return (try FileIO.readText(dom), String(decoding: try FileIO.readBytes(log), as: UTF8.self))
  }

  @Test(arguments: [false, true]) func pageLoadsWithoutComplaint(_ hasHost: Bool) throws {
    guard let browser = Self.browser else {
      print("skipped: no chromium on the path, so the page is not opened")
      return
    }
    var binary = Files.binary
    if hasHost {
      binary = Files.path("browser-host.fur")
      let model = try FallbackTests.model()
      #expect(furc(["compile", model, "--target", "warboy", "-o", binary, "--no-verify"]).status == 0)
    }
    let page = Files.path("browser.html")
    let report = furc(["report", binary, "--json", "--html", page])
    #expect(report.status == 0, "\(report.messages)")
    let (dom, log) = try open(page, with: browser)
    #expect(!log.contains("CONSOLE"), "\(log)")
    #expect(dom.contains("data-ready=\"yes\""), "the script ran to its end")
    for key in ["cycles", "lower_bound_cycles"] {
      #expect(dom.contains("<data value=\"\(report.object[key] as? Int ?? -1)\">"), "\(key)")
    }
    let devices = report.object["devices"] as? [[String: Any]] ?? []
    let kernels = devices.reduce(0) { $0 + ($1["kernels"] as? [Any] ?? []).count }
    #expect(dom.components(separatedBy: "<tr data-device=").count == kernels + 1)
    // The script has filled in what is shown.
    #expect(dom.contains("cycles ("))
    let (used, complaints) = try open(try Self.probed(page), with: browser)
    #expect(!complaints.contains("CONSOLE"), "\(complaints)")
    #expect(used.contains("data-probed=\"yes\""), "everything that can be clicked was")
    #expect(used.contains("aria-sort=\"ascending\""))
    #expect(used.contains("<tr data-device=\"0\"") && used.contains("hidden=\"\""))
  }

  /// The same page with a script that uses everything on it.
  private static func probed(_ page: String) throws -> String {
    let script = """
      <script>
      document.querySelectorAll("button").forEach((button) => { button.click(); button.click(); });
      document.querySelectorAll("select").forEach((select) => {
        for (const option of select.options) {
          select.value = option.value;
          select.dispatchEvent(new Event("change"));
        }
      });
      document.querySelectorAll("canvas").forEach((canvas) => {
        const box = canvas.getBoundingClientRect();
        for (let step = 0; step < 400; step++) {
          const place = {clientX: box.left + step * 3, clientY: box.top + step % 20 * 13, bubbles: true};
          canvas.dispatchEvent(new PointerEvent("pointermove", place));
          if (step % 40 === 0) canvas.dispatchEvent(new MouseEvent("dblclick", place));
          if (step % 50 === 0) canvas.dispatchEvent(new WheelEvent("wheel", {...place, deltaY: 90, ctrlKey: true}));
        }
        for (const key of ["ArrowLeft", "ArrowRight", "+", "-", "0"]) {
          canvas.dispatchEvent(new KeyboardEvent("keydown", {key}));
        }
        canvas.dispatchEvent(new PointerEvent("pointerleave"));
      });
      document.querySelectorAll("table.sortable tbody tr").forEach((row) => row.cells[0].click());
      const search = document.getElementById("search");
      search.value = "no kernel is called this";
      search.dispatchEvent(new Event("input"));
      document.documentElement.dataset.probed = "yes";
      </script>
      </body>
      """
    let text = try FileIO.readText(page).replacingOccurrences(of: "</body>", with: script)
    return try Files.write("probed.html", Array(text.utf8))
  }
}
