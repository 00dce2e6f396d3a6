import Machine
import NPUISA
import Support
import Tensors

/// What a run takes from the host's call to its return: the device's cycles, and the rest from the target's rates.
public struct Latency: Hashable, Sendable {
  /// Launches of device programs.
  public let launches: Int
  /// Over the link, both ways.
  public let linkBytes: Int
  /// Results of conversions and host segments.
  public let hostElements: Int
  /// Of all device steps.
  public let cycles: Int64
  private let machine: SliceMachine

  init(_ model: CompiledModel, cycles: Int64) {
    self.cycles = cycles
    machine = model.target.machine
    let outline = model.outline
    var (bytes, elements) = (0, 0)
    for step in outline.steps {
      let outputs = step.outputs.compactMap { outline.type(of: $0) }
      let inputs = step.inputs.compactMap { outline.type(of: $0) }
      switch step.kind {
      case .device: bytes += (inputs + outputs).reduce(0) { $0 + ((try? $1.byteCount().bytes) ?? 0) }
      case .conversion, .host: elements += outputs.reduce(0) { $0 + ((try? $1.elementCount()) ?? 0) }
      }
    }
    launches = model.devices.count
    linkBytes = bytes
    hostElements = elements
  }

  /// Starting the device steps.
  public var launchMicroseconds: Double { machine.launchMicroseconds(launches) }
  /// Moving inputs and results between host and device.
  public var linkMicroseconds: Double { machine.linkMicroseconds(bytes: linkBytes) }
  /// Conversions and host segments.
  public var hostMicroseconds: Double { machine.hostMicroseconds(elements: hostElements) }
  /// The cycles, at the machine's clock.
  public var deviceMicroseconds: Double { Double(cycles) / Double(machine.clockHz) * 1e6 }

  /// The sum: no part overlaps another.
  public var microseconds: Double {
    launchMicroseconds + linkMicroseconds + hostMicroseconds + deviceMicroseconds
  }

  /// The parts by name.
  var json: JSON {
    .object([
      .init("device_us", .number(deviceMicroseconds, decimals: 3)),
      .init("launch_us", .number(launchMicroseconds, decimals: 3)), .init("launches", .integer(launches)),
      .init("link_us", .number(linkMicroseconds, decimals: 3)), .init("link_bytes", .integer(linkBytes)),
      .init("host_us", .number(hostMicroseconds, decimals: 3)),
      .init("host_elements", .integer(hostElements)), .init("total_us", .number(microseconds, decimals: 3)),
    ])
  }
}

extension SliceMachine {
  func launchMicroseconds(_ launches: Int) -> Double { Double(launches) * Double(launchNanoseconds) * 1e-3 }
  func linkMicroseconds(bytes: Int) -> Double { Double(bytes) / Double(linkBytesPerSecond) * 1e6 }
  func hostMicroseconds(elements: Int) -> Double { Double(elements) / Double(hostElementsPerSecond) * 1e6 }
}
