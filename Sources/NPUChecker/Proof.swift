import Machine
import NPUISA
import Support
import Tensors

/// The proof on its way: the state of all memories, slices that are treated alike sharing one.
struct Proof {
  let program: NPUProgram
  let machine: SliceMachine
  var findings: [Diagnostic] = []
  private let tables: ProgramTables
  /// By class of slices and space; class 0 also holds DRAM.
  private var maps: [[MemoryMap]]
  /// The class of every slice.
  private let classes: [Int]
  private let footprints: [NPUChecker.Phase: [[Footprint]]]
  private let expanded: [NPUChecker.Phase: Result<Code, Diagnostic>]
  /// What the accumulators of a class hold for an instruction that keeps them.
  private var kept: [Cells?]
  private var order = Order(Code(engines: 1))
  private var phase = NPUChecker.Phase.load
  private var events: [Order.Event] = []
  private var instructions: [Instruction] = []
  private var seen = Set<String>()

  /// Cells that one instruction leaves and another takes up.
  private struct Cells: Equatable {
    let cells: Int
    let kind: TensorInstruction.Accumulate.Kind
    let isFloat: Bool
    let isSmallFloat: Bool
    let hasSixteenPartials: Bool
  }

  init(_ program: NPUProgram, _ machine: SliceMachine) {
    self.program = program
    self.machine = machine
    tables = ProgramTables(program)
    var expanded: [NPUChecker.Phase: Result<Code, Diagnostic>] = [:]
    var footprints: [NPUChecker.Phase: [[Footprint]]] = [:]
    let tables = tables
    for phase in NPUChecker.Phase.allCases {
      let code = phase == .load ? program.load : program.run
      let result = Result { () throws(Diagnostic) in try code.expanded() }
      expanded[phase] = result
      guard case .success(let lists) = result else { continue }
      footprints[phase] = lists.contexts.map { list in
        list.map { instruction in
          switch instruction.body {
          case .tensor(let tensor): Footprint(tensor, machine, programs: tables)
          case .dma(let dma): Footprint(dma, machine)
          case .control: Footprint()
          }
        }
      }
    }
    self.expanded = expanded
    self.footprints = footprints
    classes = Self.classes(machine.slices, NPUChecker.Phase.allCases.compactMap { footprints[$0] })
    let count = (classes.max() ?? 0) + 1
    maps = Array(repeating: Array(repeating: MemoryMap(), count: Space.allCases.count), count: count)
    kept = Array(repeating: nil, count: count)
    for image in program.images {
      let start = Int(image.address)
      var state = MemoryMap.State()
      state.writer = MemoryMap.Writer.image
      maps[0][Space.dram.rawValue].set(start..<(start + image.bytes.count), state)
    }
  }

  /// Slices that every access treats alike have one number, in the order of their first slices.
  private static func classes(_ slices: Int, _ phases: [[[Footprint]]]) -> [Int] {
    var classes = [Int](repeating: 0, count: slices)
    var count = 1
    var isMember = [Bool](repeating: false, count: slices)
    for contexts in phases {
      for list in contexts {
        for footprint in list {
          for members in [footprint.slices] + footprint.accesses.map(\.slices)
          where !members.isEmpty && members.count < slices {
            guard count < slices else { return classes }
            for slice in members { isMember[slice] = true }
            // Members of a class of which not all are members get a new class.
            var fresh: [Int: Int] = [:]
            var whole = [Bool](repeating: true, count: count)
            for slice in classes.indices where !isMember[slice] { whole[classes[slice]] = false }
            for slice in members where !whole[classes[slice]] {
              if fresh[classes[slice]] == nil {
                fresh[classes[slice]] = count
                count += 1
              }
              classes[slice] = fresh[classes[slice]] ?? 0
            }
            for slice in members { isMember[slice] = false }
          }
        }
      }
    }
    return classes
  }

  private mutating func report(_ kind: Diagnostic.Kind, _ event: Order.Event, _ message: String) {
    guard findings.count < NPUChecker.limit,
      seen.insert("\(phase) \(kind.code) \(event.context) \(event.position)").inserted
    else { return }
    findings.append(NPUChecker.located(Diagnostic(kind, message), phase, event))
  }

  /// - Throws: what is wrong with the loops of the code.
  mutating func run(_ code: Code, _ phase: NPUChecker.Phase) throws(Diagnostic) {
    guard let result = expanded[phase], let footprints = footprints[phase] else {
      if case .failure(let error)? = expanded[phase] { throw error }
      return
    }
    let lists = try result.get().contexts
    self.phase = phase
    order = Order(try result.get())
    for finding in order.findings {
      report(finding.diagnostic.kind, finding.event, finding.diagnostic.message)
    }
    guard order.findings.isEmpty else { return }
    enter(phase)
    events = order.sequence
    instructions = events.map { lists[$0.context][$0.position] }
    for number in events.indices {
      let event = events[number]
      let footprint = footprints[event.context][event.position]
      for finding in footprint.findings { report(finding.kind, event, finding.message) }
      step(Int32(number), event, footprint)
    }
    if phase == .run { checkOutputs() }
  }

  /// The load program starts with the images; a run with what it left, and the inputs.
  private mutating func enter(_ phase: NPUChecker.Phase) {
    kept = kept.map { _ in nil }
    guard phase == .run else { return }
    for index in maps.indices {
      for space in Space.allCases {
        guard space == .dram || space == .sram else {
          maps[index][space.rawValue] = MemoryMap()
          continue
        }
        maps[index][space.rawValue].updateAll { state in
          if state.writer >= 0 { state.writer = MemoryMap.Writer.load }
          state.readers = []
        }
      }
    }
    var state = MemoryMap.State()
    state.writer = MemoryMap.Writer.input
    for port in program.inputs {
      guard let count = try? port.type.byteCount().bytes else { continue }
      maps[0][Space.dram.rawValue].set(Int(port.address)..<(Int(port.address) + count), state)
    }
  }

  private mutating func step(_ number: Int32, _ event: Order.Event, _ footprint: Footprint) {
    for access in footprint.accesses {
      guard isInside(access, event) else { return }
    }
    var written: [Access] = []
    for access in footprint.accesses where access.kind == .read { read(access, number, event) }
    if case .tensor(let tensor) = instructions[Int(number)].body { accumulate(tensor, event) }
    for access in footprint.accesses where access.kind != .read {
      if access.places.namesTwice {
        report(.forbiddenWrite, event, "\(access.name) writes a \(access.space.name) twice")
      }
      for other in footprint.accesses where other.kind == .read && other.space == access.space {
        guard let place = other.places.common(with: access.places),
          access.space == .dram || other.slices.contains(where: access.slices.contains)
        else { continue }
        report(
          .forbiddenWrite, event,
          "\(access.name) writes \(access.space.name) \(place), which \(other.name) reads")
      }
      written.append(access)
    }
    for access in written { write(access, number, event) }
  }

  /// C2.
  private mutating func isInside(_ access: Access, _ event: Order.Event) -> Bool {
    let limit = access.space.limit(machine, dramBytes: Int(program.dramBytes))
    let hull = access.places.hull
    guard hull.lowerBound < 0 || hull.upperBound > limit else { return true }
    report(
      .addressRange, event,
      "\(access.name) touches \(access.space.name)s \(hull.lowerBound) ..< \(hull.upperBound) of \(limit)")
    return false
  }

  /// The classes of an access, ascending.
  private func classes(of access: Access) -> [Int] {
    guard access.space != .dram else { return [0] }
    var members: [Int] = []
    var has = [Bool](repeating: false, count: maps.count)
    for slice in access.slices where !has[classes[slice]] {
      has[classes[slice]] = true
      members.append(classes[slice])
    }
    return members
  }

  private func place(_ access: Access, _ index: Int, _ place: Int) -> String {
    guard access.space != .dram else { return "\(access.space.name) \(place)" }
    let slice = access.slices.first { classes[$0] == index } ?? 0
    return "\(access.space.name) \(place) of slice \(slice)"
  }

  private func name(_ number: Int32) -> String {
    let event = events[Int(number)]
    return "\(Context(index: event.context).name) \(event.position)"
  }

  /// C4 and C5 of a read.
  private mutating func read(_ access: Access, _ number: Int32, _ event: Order.Event) {
    for index in classes(of: access) {
      var undefined: Int?
      var unordered: (writer: Int32, place: Int)?
      var foreign: (writer: Int32, place: Int)?
      let (order, events, instructions) = (order, events, instructions)
      for interval in access.places.list {
        maps[index][access.space.rawValue].update(interval) { state, place in
          if state.writer == MemoryMap.Writer.nobody { undefined = undefined ?? place }
          if state.writer >= 0 {
            if !order.precedes(events[Int(state.writer)], event) {
              unordered = unordered ?? (state.writer, place)
            } else if access.space == .registerFile,
              !Self.multiplies(instructions[Int(state.writer)], instructions[Int(number)])
            {
              foreign = foreign ?? (state.writer, place)
            }
          }
          state.readers.removeAll { events[Int($0)].context == event.context }
          state.readers.append(number)
          state.readers.sort()
        }
      }
      if let undefined {
        report(
          .undefinedRead, event,
          "\(access.name) reads \(self.place(access, index, undefined)), which nothing has written")
      }
      if let unordered {
        report(
          .unorderedAccess, event,
          "\(access.name) reads \(self.place(access, index, unordered.place)) in no order with \(name(unordered.writer)), which writes it"
        )
      }
      if let foreign {
        report(
          .invalidProgram, event,
          "\(access.name) reads \(self.place(access, index, foreign.place)) as another type than \(name(foreign.writer)) has written"
        )
      }
    }
  }

  /// Whether a contraction may take what a sink has put into the register file.
  private static func multiplies(_ writer: Instruction, _ reader: Instruction) -> Bool {
    guard case .tensor(let from) = writer.body, case .tensor(let to) = reader.body else { return true }
    return from.fetch.element == to.fetch.element || !(from.fetch.element.isFloat || to.fetch.element.isFloat)
  }

  /// C4 and C6 of a write.
  private mutating func write(_ access: Access, _ number: Int32, _ event: Order.Event) {
    for index in classes(of: access) {
      var fixed: (what: String, place: Int)?
      var unordered: (other: Int32, place: Int, reads: Bool)?
      let (order, events) = (order, events)
      for interval in access.places.list {
        maps[index][access.space.rawValue].visit(interval) { state, place in
          if state.writer == MemoryMap.Writer.image { fixed = fixed ?? ("an image", place) }
          if state.writer == MemoryMap.Writer.load, !state.readers.isEmpty {
            fixed = fixed ?? ("what the load program placed and the run reads", place)
          }
          if state.writer >= 0, !order.precedes(events[Int(state.writer)], event) {
            unordered = unordered ?? (state.writer, place, false)
          }
          for reader in state.readers
          where reader != number && !order.precedes(events[Int(reader)], event) {
            unordered = unordered ?? (reader, place, true)
          }
        }
      }
      if let fixed {
        report(
          .forbiddenWrite, event,
          "\(access.name) overwrites \(fixed.what) at \(self.place(access, index, fixed.place))")
      }
      if let unordered {
        report(
          .unorderedAccess, event,
          "\(access.name) writes \(self.place(access, index, unordered.place)) in no order with \(name(unordered.other)), which \(unordered.reads ? "reads" : "writes") it"
        )
      }
      var state = MemoryMap.State()
      state.writer = number
      for interval in access.places.list {
        if access.kind == .write {
          maps[index][access.space.rawValue].set(interval, state)
        } else {
          // What was undefined may still be.
          maps[index][access.space.rawValue].update(interval) { old, _ in
            if old.writer != MemoryMap.Writer.nobody { old = state }
          }
        }
      }
    }
  }

  /// Cells are main's alone, so that its list orders them; what matters is that kept ones are there and alike.
  private mutating func accumulate(_ tensor: TensorInstruction, _ event: Order.Event) {
    let accumulate = tensor.accumulate
    guard accumulate.kind != .none else { return }
    let element = tensor.fetch.element
    let cells = Cells(
      cells: tensor.shape.cells, kind: accumulate.kind, isFloat: element.isFloat && tensor.fetch.table == nil,
      isSmallFloat: element.isFloat && element.size == 1 && tensor.fetch.table == nil,
      hasSixteenPartials: accumulate.hasSixteenPartials)
    let first = Int(tensor.firstSlice)
    var done = [Bool](repeating: false, count: maps.count)
    for slice in first..<(first + Int(tensor.sliceCount)) where !done[classes[slice]] {
      let index = classes[slice]
      done[index] = true
      if accumulate.start == .keep, kept[index] != cells {
        let found = kept[index].map { "\($0.cells) cells of \($0.kind)" } ?? "nothing"
        report(
          .undefinedRead, event, "keeps \(cells.cells) cells of \(cells.kind), slice \(slice) holds \(found)")
      }
      kept[index] = accumulate.finish == .keep ? cells : nil
    }
  }

  /// C7.
  private mutating func checkOutputs() {
    for port in program.outputs {
      guard let count = try? port.type.byteCount().bytes else { continue }
      var missing: Int?
      maps[0][Space.dram.rawValue].visit(Int(port.address)..<(Int(port.address) + count)) { state, place in
        if state.writer == MemoryMap.Writer.nobody { missing = missing ?? place }
      }
      guard let missing else { continue }
      findings.append(
        Diagnostic(
          .missingOutput,
          "output '\(port.name)': nothing writes its byte \(missing - Int(port.address)) of \(count)"))
    }
  }
}
