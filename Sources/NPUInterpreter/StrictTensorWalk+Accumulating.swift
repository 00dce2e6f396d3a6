import KernelIR
import Machine
import NPUISA
import Support
import Tensors

// Contraction and reduction.
extension StrictTensorWalk {
  mutating func accumulate(_ slice: Int, _ index: inout [Int]) throws(Diagnostic) {
    let accumulate = body.accumulate
    var stream: [UInt32] = []
    var outer = Odometer(plan.outer, plan.sizes)
    while outer.next(&index) {
      var cells = try startCells(slice, index)
      var inner = Odometer(plan.inner, plan.sizes)
      var packet: [Element] = []
      while inner.next(&index) {
        // Reuse loops stand innermost.
        if packet.isEmpty || reuses.allSatisfy({ index[$0] == 0 }) { packet = receive(slice, index) }
        let group = mixedRadix(groups, index)
        let step = mixedRadix(plan.reduced, index)
        if accumulate.kind == .contract {
          contract(packet, group, slice, index, &cells)
        } else {
          reduce(packet, group, step, &cells)
        }
        if slice == 0 { countStep() }
      }
      try finishCells(cells, slice, &index, &stream)
    }
    streams.append(stream)
  }

  private func mixedRadix(_ loops: [Int], _ index: [Int]) -> Int {
    loops.reduce(0) { $0 * plan.sizes[$1] + index[$1] }
  }

  private mutating func countStep() {
    if body.accumulate.kind == .contract {
      counts.contract += Self.steps(plan.packet * plan.elementSize, machine.packetBytes)
    } else {
      counts.contract += Self.steps(8, machine.vectorWaysReduce)
    }
  }

  private mutating func startCells(_ slice: Int, _ index: [Int]) throws(Diagnostic) -> [Int64] {
    let count = plan.shape.cells
    switch body.accumulate.start {
    case .zero: return Array(repeating: Cell.start(body.accumulate.kind, plan.isFloat), count: count)
    case .keep:
      return (0..<count).map { cell in
        strict.read(.cells, plan.first + slice, cell, 1, who)
        return state.cells(plan.first + slice)[cell]
      }
    case .load:
      var cells = [Int64](repeating: 0, count: count)
      guard let second = body.second else { return cells }
      var index = index
      var odometer = Odometer(groups, plan.sizes)
      while odometer.next(&index) {
        for (flit, element, cell) in cellsOfStep(mixedRadix(groups, index)) {
          var address = Int(second.stream.base) + 8 * element
          address += place(of: flit, second.operand.laneStride, second.operand.flitStride)
          for loop in plan.retained { address += index[loop] * Int(body.loops[loop].secondStride) }
          strict.read(.sram, plan.first + slice, address, 8, who)
          counters.sramReadBytes += 8
          cells[cell] = (state.sram(plan.first + slice) + address).loadUnaligned(as: Int64.self)
        }
        guard slice == 0 else { continue }
        for _ in 0..<plan.shape.flits {
          counts.second += Self.steps(8 * plan.shape.flitElements, machine.fetchSubBytesPerCycle)
        }
      }
      return cells
    }
  }

  /// Flit, element and cell of everything that one output step of a group drains.
  private func cellsOfStep(_ group: Int) -> [(flit: Int, element: Int, cell: Int)] {
    let base = group * plan.cellsPerGroup
    guard body.accumulate.kind == .contract else {
      return (0..<plan.width).map { (0, $0, (base + $0) * plan.partials) }
    }
    var list: [(flit: Int, element: Int, cell: Int)] = []
    for lane in 0..<plan.lanes {
      for column in 0..<plan.columns {
        let cell = base + lane * plan.columns + column
        if body.accumulate.laneOrder == .interleaved {
          list.append((column, lane, cell))
        } else {
          list.append((lane * ((plan.columns + 7) / 8) + column / 8, column % 8, cell))
        }
      }
    }
    return list
  }

  mutating func contract(
    _ packet: [Element], _ group: Int, _ slice: Int, _ index: [Int], _ cells: inout [Int64]
  ) {
    var unit = Int(body.accumulate.registerBase)
    for loop in plan.nest { unit += index[loop] * Int(body.loops[loop].registerStride) }
    let file = state.registers(plan.first + slice)
    let shift = Int(body.accumulate.treeDepth)
    for lane in 0..<plan.lanes {
      let word = (unit + lane) * state.wordsPerUnit
      let cell = (group * plan.lanes + lane) * plan.columns
      var e = 0
      while e < packet.count {
        guard !packet[e].isSkipped else {
          e += 1
          continue
        }
        let start = e
        while e < packet.count, !packet[e].isSkipped { e += 1 }
        strict.read(.registers, plan.first + slice, word + start, e - start, who)
        switch sum {
        case .integer:
          for i in start..<e {
            cells[cell + (i >> shift)] = Cell.add(cells[cell + (i >> shift)], packet[i].bits, file[word + i])
          }
        case .exact:
          for i in start..<e {
            cells[cell + (i >> shift)] = Cell.addExact(
              cells[cell + (i >> shift)], packet[i].bits, file[word + i])
          }
        case .chain:
          for i in start..<e {
            cells[cell + (i >> shift)] = Cell.addChain(
              cells[cell + (i >> shift)], packet[i].bits, file[word + i])
          }
        }
      }
      counters.multiplyAdds += plan.packet
    }
  }

  func reduce(_ packet: [Element], _ group: Int, _ step: Int, _ cells: inout [Int64]) {
    for e in 0..<plan.width where !packet[e].isSkipped {
      let partial = body.accumulate.hasSixteenPartials ? step % 16 : 0
      let cell = (group * plan.width + e) * plan.partials + partial
      cells[cell] = Cell.reduce(body.accumulate.kind, plan.isFloat, cells[cell], packet[e].bits, step)
    }
  }

  private mutating func finishCells(
    _ cells: [Int64], _ slice: Int, _ index: inout [Int], _ stream: inout [UInt32]
  ) throws(Diagnostic) {
    if body.accumulate.finish == .keep {
      for (cell, value) in cells.enumerated() { write(.cells, slice, cell, 1, UInt64(bitPattern: value)) }
      return
    }
    var odometer = Odometer(groups, plan.sizes)
    while odometer.next(&index) {
      var flits = [UInt32](repeating: 0, count: plan.shape.flits * 8)
      for (flit, element, cell) in cellsOfStep(mixedRadix(groups, index)) {
        if body.accumulate.finish == .spill {
          try spill(cells[cell], slice, index, flit, element)
        } else {
          flits[flit * 8 + element] = try drain(cells, cell)
        }
      }
      if body.accumulate.finish == .drain { stream += flits }
      guard slice == 0 else { continue }
      for _ in 0..<plan.shape.flits { counts.drain += 1 }
      guard body.accumulate.finish == .spill, case .commit(let commit) = body.sink else { continue }
      for _ in 0..<plan.shape.flits {
        counts.commit += Self.steps(8 * Int(commit.elements), machine.commitMainBytesPerCycle)
      }
    }
  }

  private mutating func spill(
    _ cell: Int64, _ slice: Int, _ index: [Int], _ flit: Int, _ element: Int
  ) throws(Diagnostic) {
    guard case .commit(let commit) = body.sink, element < Int(commit.elements) else { return }
    var address = Int(commit.base) + place(of: flit, commit.laneStride, commit.flitStride) + 8 * element
    for loop in plan.retained { address += index[loop] * Int(body.loops[loop].commitStride) }
    write(.sram, slice, address, 8, UInt64(bitPattern: cell))
  }

  func drain(_ cells: [Int64], _ cell: Int) throws(Diagnostic) -> UInt32 {
    if plan.partials == 16 { return Cell.drainPartials(cells[cell..<(cell + 16)]) }
    let isExact = body.accumulate.kind == .contract && plan.sum == .exact
    if let word = Cell.drain(cells[cell], body.accumulate.kind, plan.isFloat, isExact: isExact) {
      return word
    }
    throw Diagnostic(
      .accumulatorOverflow, at: .instruction(who.position),
      "instruction \(who.position) of \(Context(index: who.context)) drains the sum \(cells[cell])")
  }
}
