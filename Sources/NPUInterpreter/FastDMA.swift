import Machine
import NPUISA
import Support

extension DMAPlan {
  /// Source and destination of every run. - Throws: `addressRange`, `indexOutOfRange`.
  private func runs(
    _ state: MachineState, _ visit: (UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> Void
  ) throws(Diagnostic) {
    let rows = try rows(state)
    try forEachRun(rows) { (source, destination) throws(Diagnostic) in
      visit(
        try state.address(body.source.memory, source, runBytes),
        try state.address(body.destination.memory, destination, runBytes))
    }
  }

  var bytes: Int { runs * runBytes }

  /// Copies straight from memory to memory. - Precondition: they are different ones.
  func copy(_ state: MachineState) throws(Diagnostic) {
    try runs(state) { $1.copyMemory(from: $0, byteCount: runBytes) }
  }

  /// Collects all runs, one behind the other.
  func read(_ state: MachineState, into staged: Bytes) throws(Diagnostic) {
    var offset = 0
    try runs(state) { (source, _) in
      (staged.base + offset).copyMemory(from: source, byteCount: runBytes)
      offset += runBytes
    }
  }

  /// Where the runs land. - Throws: as `read`.
  func destinations(_ state: MachineState) throws(Diagnostic) -> [UnsafeMutableRawPointer] {
    var list: [UnsafeMutableRawPointer] = []
    list.reserveCapacity(runs)
    try runs(state) { list.append($1) }
    return list
  }

  /// What DRAM serves for the descriptor, in order: per run its source, then its destination.
  func granules(on machine: SliceMachine) -> [Activity.Granules] {
    let granule = max(machine.dramGranuleBytes, 1)
    let ticks = Int64(machine.dramGranuleTicks)
    func count(_ bytes: Int) -> Int { (bytes + granule - 1) / granule }
    var list: [Activity.Granules] = []
    if let index = body.index, index.list.memory == .dram {
      list.append(.init(count: count(4 * (sizes.first ?? 1)), ticks: ticks))
    }
    let perRun = [body.source, body.destination].count { $0.memory == .dram } * count(runBytes)
    let isPartial = body.destination.memory == .dram && runBytes % granule != 0
    guard isPartial, machine.dramPartialWriteTicks != 0 else {
      list.append(.init(count: perRun * runs, ticks: ticks))
      return list
    }
    for _ in 0..<runs {
      list.append(.init(count: perRun - 1, ticks: ticks))
      list.append(.init(count: 1, ticks: ticks + Int64(machine.dramPartialWriteTicks)))
    }
    return list
  }
}
