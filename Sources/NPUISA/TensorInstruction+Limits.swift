import KernelIR
import Machine
import Support
import Tensors

extension Rules {
  mutating func check(
    _ tensor: TensorInstruction, _ machine: SliceMachine, isMain: Bool, _ programs: [Program]
  ) {
    range("slice_count", tensor.sliceCount, 1, machine.slices)
    range("first_slice + slice_count", Int(tensor.firstSlice) + Int(tensor.sliceCount), 1, machine.slices)
    let shape = tensor.shape
    for (name, count) in [("nest", shape.nest), ("fetch", StreamShape.product(shape.fetches, shape.ring))] {
      require(count <= StreamShape.limit, "the \(name) has more than \(StreamShape.limit) packets")
    }
    loops(tensor, shape)
    fetch(tensor, machine)
    exchange(tensor)
    accumulate(tensor, machine, shape, isMain: isMain)
    reducer(tensor, shape, isMain: isMain)
    vector(tensor, machine, shape, isMain: isMain, programs)
    sink(tensor, machine, shape)
  }

  private mutating func loops(_ tensor: TensorInstruction, _ shape: StreamShape) {
    let isRegisterSink = if case .registerFile = tensor.sink { true } else { false }
    let usesRegisters = isRegisterSink || tensor.accumulate.kind == .contract
    let hasSecond = tensor.second != nil
    let commits = !isRegisterSink && tensor.accumulate.finish != .keep
    let registerOperands = tensor.registerOperands.count
    var reuses = false
    for (index, loop) in tensor.loops.enumerated() {
      let name = "loop \(index)"
      if loop.kind == .reuse { reuses = true }
      require(!reuses || loop.kind == .reuse, "\(name) of kind \(loop.kind) stands within a reuse loop")
      require(loop.kind == .time || loop.fetchStride == 0, "\(name) of kind \(loop.kind) has a fetch stride")
      require(
        !loop.isReduced || tensor.accumulate.kind != .none, "\(name) is reduced without an accumulation")
      require(
        usesRegisters || loop.registerStride == 0, "\(name) strides over a register file that is not used")
      require(hasSecond || loop.secondStride == 0, "\(name) strides over a second stream that is not read")
      require(commits || loop.commitStride == 0, "\(name) strides over a sink that it does not reach")
      require(
        loop.vectorStrides.count == registerOperands,
        "\(name) has \(loop.vectorStrides.count) vector strides for \(registerOperands) operands in registers"
      )
      require(
        !isRegisterSink || loop.kind != .reuse, "\(name) uses packets again on the way to the register file")
      let leaves = index == shape.leaving
      guard loop.isReduced || leaves else { continue }
      let outputs = [loop.secondStride, loop.commitStride] + loop.vectorStrides
      let what = leaves ? "left the nest" : "is reduced"
      require(outputs.allSatisfy { $0 == 0 }, "\(name) \(what) and has a stride behind it")
      require(
        !leaves || (loop.registerStride == 0 && !loop.isReduced), "\(name) left the nest and is used after")
    }
  }

  private mutating func fetch(_ tensor: TensorInstruction, _ machine: SliceMachine) {
    let fetch = tensor.fetch
    let isRegisterSink = if case .registerFile = tensor.sink { true } else { false }
    let isContract = tensor.accumulate.kind == .contract
    let elements = Int(fetch.packetElements)
    let bytes = elements * fetch.element.size
    require(fetch.element.fitsRegister, "fetch.element is \(fetch.element), which no register holds")
    require(
      [1, 2, 4, 8, 16, 32].contains(bytes), "a packet has \(bytes) bytes, allowed is 1, 2, 4, 8, 16 or 32")
    if isContract || isRegisterSink {
      require(
        bytes <= machine.packetBytes, "a packet has \(bytes) bytes, a lane takes \(machine.packetBytes)")
      require(
        machine.multiplies(fetch.element),
        "fetch.element is \(fetch.element), the tensor unit multiplies \(machine.contractionTypes.joined(separator: ", "))"
      )
      require(!fetch.isBroadcast, "a packet is broadcast on the way to a contraction or the register file")
      require(fetch.outside == nil, "a value stands for what is outside, where it must contribute nothing")
      require(fetch.table == nil, "a table is looked up on the way to a contraction or the register file")
    } else {
      range("packet_elements", elements, 1, 8)
      require(!fetch.isBroadcast || elements == 1, "a packet of \(elements) elements is broadcast")
    }
    if fetch.validLoop == 255 {
      require(fetch.validCount == 0, "valid_count is \(fetch.validCount) without a loop that counts")
    } else {
      let isTime =
        Int(fetch.validLoop) < tensor.loops.count && tensor.loops[Int(fetch.validLoop)].kind == .time
      require(isTime, "valid_loop is \(fetch.validLoop), which is no time loop")
    }
    if let values = fetch.element.integerRange, !fetch.element.isFloat {
      range("zero_point", fetch.zeroPoint, Int(values.lowerBound), Int(values.upperBound))
      require(fetch.table == nil || fetch.zeroPoint == 0, "a table entry has no zero point")
    } else {
      require(fetch.zeroPoint == 0, "zero_point is \(fetch.zeroPoint) for floats")
    }
    if let table = fetch.table {
      range("fetch.table", table, 0, machine.tableSlots - 1)
      require(
        fetch.element == .i8 || fetch.element == .u8,
        "fetch.element is \(fetch.element), keys of a table are i8 or u8")
    }
    require(fetch.outside == nil || !fetch.bounds.isEmpty, "fetch.outside without a bound")
    for bound in fetch.bounds { check(bound, tensor) }
  }

  private mutating func check(_ bound: TensorInstruction.Bound, _ tensor: TensorInstruction) {
    require(bound.low <= bound.high, "a bound from \(bound.low) to \(bound.high) is empty")
    require(
      bound.coefficients.count == tensor.loops.count,
      "a bound has \(bound.coefficients.count) coefficients for \(tensor.loops.count) loops")
    for (loop, coefficient) in zip(tensor.loops, bound.coefficients) where loop.kind != .time {
      require(coefficient == 0, "a bound moves with a loop of kind \(loop.kind)")
    }
  }

  private mutating func exchange(_ tensor: TensorInstruction) {
    let exchange = tensor.exchange
    let (outer, inner) = (Int(exchange.outer), Int(exchange.inner))
    for (name, size) in [("outer", outer), ("inner", inner)] {
      require(size > 0 && size & (size - 1) == 0, "exchange.\(name) is \(size), which is no power of two")
    }
    let count = Int(tensor.sliceCount)
    require(
      outer * inner > 0 && count % max(outer * inner, 1) == 0,
      "\(count) slices are no whole number of rings of \(outer * inner)")
    ring(.ring1, exchange.usesRing1 ? outer : nil, tensor)
    ring(.ring0, exchange.usesRing0 ? inner : nil, tensor)
    let isShift = exchange.kind == .shift || exchange.kind == .neighbours
    require(isShift || exchange.distance == 0, "exchange.distance without a shift or neighbours")
    let usesLoop = exchange.kind == .interTranspose || exchange.kind == .neighbours
    require(usesLoop || exchange.loop == 0, "exchange.loop without an interTranspose or neighbours")
    if isShift {
      range("exchange.distance", exchange.distance, 1 - outer * inner, outer * inner - 1)
      require(exchange.distance != 0 || outer * inner == 1, "a shift by 0 is a forward")
    }
    if usesLoop {
      let (loop, size) = (Int(exchange.loop), exchange.kind == .neighbours ? 2 : outer)
      let isTime = loop < tensor.loops.count && tensor.loops[loop].kind == .time
      require(isTime, "exchange.loop is \(loop), which is no time loop")
      if isTime {
        require(
          tensor.loops[loop].size == size, "exchange.loop has size \(tensor.loops[loop].size), not \(size)")
      }
    }
    if exchange.kind == .forward {
      require(outer == 1 && inner == 1, "forward has rings of \(outer) · \(inner)")
    }
  }

  /// One ring loop of the size of its digit where the kind has one; none where not. A digit of size 1 may
  /// do without.
  private mutating func ring(_ kind: TensorInstruction.Loop.Kind, _ size: Int?, _ tensor: TensorInstruction) {
    let sizes = tensor.loops.filter { $0.kind == kind }.map { Int($0.size) }
    guard let size else {
      return require(sizes.isEmpty, "\(tensor.exchange.kind) has no digit for a loop of kind \(kind)")
    }
    require(
      sizes == [size] || (size == 1 && sizes.isEmpty),
      "loops of kind \(kind) have sizes \(sizes), the digit has \(size)")
  }

  private mutating func accumulate(
    _ tensor: TensorInstruction, _ machine: SliceMachine, _ shape: StreamShape, isMain: Bool
  ) {
    let accumulate = tensor.accumulate
    let defaults = TensorInstruction.Accumulate()
    if accumulate.kind != .contract {
      require(
        accumulate.registerBase == 0 && accumulate.lanes == defaults.lanes && accumulate.treeDepth == 0
          && accumulate.laneOrder == defaults.laneOrder, "lanes and registers are set without a contraction")
    }
    guard accumulate.kind != .none else {
      require(accumulate == defaults, "accumulators are set without an accumulation")
      return
    }
    require(isMain, "sub accumulates")
    if accumulate.kind == .contract {
      require(
        [1, 2, 4, 8].contains(accumulate.lanes), "lanes are \(accumulate.lanes), allowed is 1, 2, 4 or 8")
      let packet = Int(tensor.fetch.packetElements)
      require(packet > 0 && packet & (packet - 1) == 0, "a packet of \(packet) elements is no power of two")
      range("tree_depth", accumulate.treeDepth, 0, max(packet, 1).trailingZeroBitCount)
      range("register_base", accumulate.registerBase, 0, machine.registerUnits - 1)
    }
    if accumulate.hasSixteenPartials {
      require(
        accumulate.kind == .sum && tensor.streamKind != .integer && accumulate.start != .load
          && accumulate.finish != .spill, "sixteen partials are for f32 sums that SRAM holds no cells of")
    }
    let isArgument = accumulate.kind == .argumentOfMaximum || accumulate.kind == .argumentOfMinimum
    require(
      !isArgument || (accumulate.start == .zero && accumulate.finish == .drain),
      "an argument is found by one instruction")
    range("accumulator cells", shape.cells, 1, machine.accumulators)
    if accumulate.start != .zero || accumulate.finish != .drain {
      let outside = shape.outermostReduced.map { reduced in shape.retained.contains { $0 < reduced } }
      require(
        !(outside ?? !shape.retained.isEmpty),
        "cells are kept, and a retained loop stands outside the reduced ones")
    }
    require(
      accumulate.start != .load || tensor.second.map { !$0.operand.isBroadcast } == true,
      "cells are loaded, and no second stream reads them")
  }

  private mutating func reducer(_ tensor: TensorInstruction, _ shape: StreamShape, isMain: Bool) {
    let reducer = tensor.reducer
    guard reducer.kind != .none else {
      return require(reducer == TensorInstruction.Reducer(), "a reducer is set without a kind")
    }
    require(isMain, "sub reduces over slices")
    require(tensor.accumulate.finish == .drain, "nothing drains to the reducer")
    let ring = Int(reducer.size) * Int(reducer.stride)
    require(
      ring > 0 && Int(tensor.sliceCount) % max(ring, 1) == 0,
      "\(tensor.sliceCount) slices are no whole number of reducer rings of \(ring)")
    guard reducer.output == .scatter else {
      require(reducer.repeats == 1 && !reducer.alternates, "parts of a reducer without a scatter")
      return require(reducer.loop == 0, "reducer.loop without a scatter")
    }
    require(
      reducer.size % max(reducer.repeats, 1) == 0,
      "\(reducer.size) slices are no whole number of parts for \(reducer.repeats)")
    let isRetained = shape.retained.contains(Int(reducer.loop))
    require(isRetained, "reducer.loop is \(reducer.loop), which is no retained loop")
    guard isRetained, reducer.size > 0 else { return }
    let size = tensor.loops[Int(reducer.loop)].size
    require(
      size % UInt32(reducer.parts) == 0, "a loop of size \(size) is scattered in \(reducer.parts) parts")
  }

  private mutating func vector(
    _ tensor: TensorInstruction, _ machine: SliceMachine, _ shape: StreamShape, isMain: Bool,
    _ programs: [Program]
  ) {
    let accumulate = tensor.accumulate
    var seconds = 0
    for operand in tensor.vector.operands {
      require(
        shape.drainedLanes > 1 || operand.laneStride == 0,
        "an operand's lane_stride without a sequential drain of lanes")
      guard case .second(let stream) = operand.source else { continue }
      seconds += 1
      require(
        accumulate.start == .load || stream.element.fitsRegister,
        "the second stream is of \(stream.element), which no register holds")
    }
    range("operands of the second stream", seconds, 0, isMain ? 1 : 0)
    guard let number = tensor.vector.program else {
      return require(
        tensor.vector.operands.count == (accumulate.start == .load ? seconds : 0),
        "operands without a program")
    }
    require(accumulate.finish == .drain, "nothing drains to the vector program")
    do throws(Diagnostic) {
      let kinds = try tensor.kinds(programs: programs)
      guard kinds != nil else { return }
      let program = programs[Int(number)]
      let cells = accumulate.start == .load ? tensor.second?.index : nil
      for id in program.steps.ids {
        if case .table(let slot, _) = program.steps[id] {
          range("table of a step", slot, 0, machine.tableSlots - 1)
        }
        if case .operand(let operand) = program.steps[id], operand == cells {
          broken("the program reads operand \(operand), which loads cells")
        }
      }
    } catch {
      require(false, error.message)
    }
  }

  private mutating func sink(_ tensor: TensorInstruction, _ machine: SliceMachine, _ shape: StreamShape) {
    let accumulate = tensor.accumulate
    if accumulate.finish == .keep {
      return require(tensor.sink == .commit(TensorInstruction.Commit()), "a sink that nothing reaches is set")
    }
    switch tensor.sink {
    case .commit(let commit): check(commit, tensor, shape)
    case .registerFile:
      require(
        accumulate.kind == .none && tensor.reducer.kind == .none && tensor.vector.program == nil,
        "the register file takes packets as they come from the switch")
    case .vectorRegisters, .tables:
      require(accumulate.finish == .drain, "cells are spilled to SRAM only")
      require(shape.flits == 1, "a step of \(shape.flits) flits goes to vector registers or tables")
      if case .tables = tensor.sink { require(machine.tableSlots > 0, "the machine has no tables") }
    }
  }

  private mutating func check(
    _ commit: TensorInstruction.Commit, _ tensor: TensorInstruction, _ shape: StreamShape
  ) {
    range("commit.elements", commit.elements, 1, shape.flitElements)
    require(
      [1, 2, 4, 8].contains(commit.transposeRows),
      "transpose_rows are \(commit.transposeRows), allowed is 1, 2, 4 or 8")
    require(commit.transposeRows > 1 || commit.columnStride == 0, "column_stride without a transpose")
    require(
      shape.drainedLanes > 1 || commit.laneStride == 0,
      "commit.lane_stride without a sequential drain of lanes")
    guard tensor.accumulate.finish == .drain else {
      return require(commit.transposeRows == 1, "cells are spilled as they are")
    }
    require(commit.element.fitsRegister, "commit.element is \(commit.element), which no register holds")
    if tensor.vector.program == nil, let kind = tensor.streamKind {
      require(
        (kind == .float) == commit.element.isFloat,
        "commit.element is \(commit.element), what arrives is \(kind.rawValue)")
    }
    guard commit.transposeRows > 1 else { return }
    let rows = Int(commit.transposeRows)
    let size = shape.retained.last.map { shape.outputSize(of: $0, in: tensor) } ?? 1
    require(
      shape.flits == 1 && size % rows == 0,
      "\(rows) rows are transposed of \(size) steps of \(shape.flits) flits along the innermost retained loop"
    )
  }
}

extension TensorInstruction.Exchange {
  /// Whether the source slice depends on a loop of kind ring1, of size `outer`.
  public var usesRing1: Bool {
    switch kind {
    case .broadcast1, .broadcast01, .interTranspose: true
    default: false
    }
  }

  /// Whether the source slice depends on a loop of kind ring0, of size `inner`.
  public var usesRing0: Bool {
    switch kind {
    case .broadcast01, .transposedBroadcast1: true
    default: false
    }
  }
}
