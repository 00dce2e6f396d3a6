import Machine
import NPUISA
import NPUInterpreter

extension ProgramReport {
  /// The timelines in the format of Chrome's trace viewer: a process per phase of a device program, a thread per
  /// context, times in microseconds.
  public var trace: JSON {
    var events: [JSON] = []
    for device in devices {
      for phase in device.phases {
        let process = 2 * device.number + (phase.isLoad ? 1 : 0)
        events.append(Self.name("process_name", "device \(device.number) \(phase.name)", process, 0))
        for context in phase.timing.instructions.indices {
          events.append(
            Self.name("thread_name", Context(index: context).label, process, context))
        }
        for entry in phase.timing.timeline where entry.endTick > entry.startTick {
          events.append(event(entry, phase.timing, device, process))
        }
      }
    }
    return .object([.init("displayTimeUnit", .string("ns")), .init("traceEvents", .array(events))])
  }

  private static func name(_ kind: String, _ name: String, _ process: Int, _ thread: Int) -> JSON {
    .object([
      .init("name", .string(kind)), .init("ph", .string("M")), .init("pid", .integer(process)),
      .init("tid", .integer(thread)), .init("args", .object([.init("name", .string(name))])),
    ])
  }

  private func event(
    _ entry: TimelineEntry, _ timing: ProgramTiming, _ device: DeviceReport, _ process: Int
  ) -> JSON {
    let instruction = timing.instruction(entry)
    let entries = device.program.kernels
    let kernel = Int(instruction.kernel)
    let name =
      kernel < entries.count && !entries[kernel].name.isEmpty ? entries[kernel].name : "kernel \(kernel)"
    var arguments: [JSON.Member] = [
      .init("kernel", .integer(kernel)), .init("position", .integer(entry.position)),
      .init("cycles", .number(machine.exactCycles(entry.endTick - entry.startTick), decimals: 2)),
    ]
    if case .tensor(let stages, _) = instruction.duration(
      on: machine, context: Context(index: entry.context), programs: device.program.programs)
    {
      arguments += stages.named.map { .init($0.name, .integer($0.cycles)) }
    }
    return .object([
      .init("name", .string(name)), .init("cat", .string(instruction.work)), .init("ph", .string("X")),
      .init("ts", .number(machine.microseconds(entry.startTick), decimals: 6)),
      .init("dur", .number(machine.microseconds(entry.endTick - entry.startTick), decimals: 6)),
      .init("pid", .integer(process)), .init("tid", .integer(entry.context)),
      .init("args", .object(arguments)),
    ])
  }
}

extension DeviceReport {
  /// The load program, where there is one, and the run.
  struct Phase {
    let name: String
    let isLoad: Bool
    let timing: ProgramTiming
  }

  var phases: [Phase] {
    let run = Phase(name: "run", isLoad: false, timing: run)
    return (load.map { [Phase(name: "load", isLoad: true, timing: $0)] } ?? []) + [run]
  }
}

extension Stages {
  /// Those that take time, by name, in the order of the tensor unit.
  fileprivate var named: [(name: String, cycles: Int)] {
    ([("issue", issue)] + concurrent + [("latency", latency)]).filter { $0.cycles > 0 }
  }
}

extension Instruction {
  /// What kind of work it is, in a word.
  var work: String {
    switch body {
    case .dma(let copy):
      switch (copy.source.memory, copy.destination.memory) {
      case (.dram, .sram): return "dram to sram"
      case (.sram, .dram): return "sram to dram"
      case (.sram, .sram): return "sram to sram"
      case (.dram, .dram): return "dram to dram"
      }
    case .control(.barrier): return "barrier"
    case .control: return "wait"
    case .tensor(let tensor):
      switch tensor.sink {
      case .registerFile: return "load registers"
      case .vectorRegisters: return "load vector registers"
      case .tables: return "load tables"
      case .commit: break
      }
      switch tensor.accumulate.kind {
      case .contract: return "contract"
      case .none: return "map"
      default: return "reduce"
      }
    }
  }
}
