import Dispatch
import Glibc
import Synchronization

/// What Ctrl-C and a polite kill remove: files that are being written aside.
enum Interrupt {
  private static let outputs = Mutex<[String]>([])
  /// Written once, by `install`.
  nonisolated(unsafe) private static var sources: [any DispatchSourceSignal] = []

  /// The file that will be at `path` is being made.
  static func willWrite(_ path: String) { outputs.withLock { $0.append(path) } }

  /// From now on SIGINT and SIGTERM remove temporaries and end the process with 128 + signal.
  static func install() {
    // A queue of its own, served even while all others compute.
    let queue = DispatchQueue(label: "furc.interrupt")
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let handler = DispatchSource.makeSignalSource(signal: number, queue: queue)
      handler.setEventHandler {
        for path in outputs.withLock({ $0 }) { unlink("\(path).\(getpid()).tmp") }
        _exit(128 + number)
      }
      handler.resume()
      sources.append(handler)
    }
  }
}
