import KernelIR
import Machine
import Support
import Tensors

extension TensorInstruction {
  /// A legal instruction of any shape, with all addresses inside the memories of `machine` and no place written
  /// twice: for property tests and fuzzers. Its vector program is appended to `programs`.
  public static func random(
    using random: inout SeededRandom, on machine: SliceMachine, context: Context = .main,
    programs: inout [Program]
  ) -> TensorInstruction {
    while true {
      var pool = programs
      var draft = Draft(machine, isMain: context == .main)
      let tensor = draft.draw(&random, &pool)
      guard draft.fits,
        Instruction(.tensor(tensor)).check(on: machine, context: context, programs: pool).isEmpty
      else { continue }
      programs = pool
      return tensor
    }
  }
}

/// An instruction on its way. Parts are drawn so that most results are legal; the rest is drawn again.
private struct Draft {
  let machine: SliceMachine
  let isMain: Bool
  var tensor = TensorInstruction()
  var commit = TensorInstruction.Commit()
  var outputKind = WordKind.integer
  /// False once something did not fit a memory.
  var fits = true

  typealias Digit = (size: Int, set: (inout Draft, Int) -> Void)

  init(_ machine: SliceMachine, isMain: Bool) {
    self.machine = machine
    self.isMain = isMain
  }

  mutating func draw(_ random: inout SeededRandom, _ programs: inout [Program]) -> TensorInstruction {
    drawKind(&random)
    drawSlicesAndLoops(&random)
    drawAccumulate(&random)
    drawReducer(&random)
    drawVector(&random, &programs)
    drawFetchAddresses(&random)
    drawBounds(&random)
    drawSink(&random)
    drawOperands(&random)
    return tensor
  }

  private var isRegisterSink: Bool { if case .registerFile = tensor.sink { true } else { false } }

  private mutating func drawKind(_ random: inout SeededRandom) {
    typealias Kind = TensorInstruction.Accumulate.Kind
    let kinds: [Kind] = [.none, .none, .contract, .contract] + Kind.allCases.dropFirst(2)
    tensor.accumulate.kind = isMain ? kinds.pick(&random) : .none
    if tensor.accumulate.kind == .none, random.chance(3) { tensor.sink = .registerFile(base: 0) }
    let isPacket = isRegisterSink || tensor.accumulate.kind == .contract
    let elements = ElementType.allCases.filter { isPacket ? machine.multiplies($0) : $0.fitsRegister }
    tensor.fetch.element = elements.pick(&random)
    let size = tensor.fetch.element.size
    let widest = isPacket ? machine.packetBytes : 32
    let counts = [1, 2, 4, 8, 16, 32].filter { $0 * size <= min(widest, 32) && (isPacket || $0 <= 8) }
    tensor.fetch.packetElements = UInt8(counts.pick(&random))
    if !isPacket, tensor.fetch.packetElements == 1, random.chance(2) { tensor.fetch.isBroadcast = true }
    if let values = tensor.fetch.element.integerRange {
      let low = max(values.lowerBound, -128)
      let zeroPoint = Int16(Int32.random(in: low...min(values.upperBound, 127), using: &random))
      if random.chance(2) { tensor.fetch.zeroPoint = zeroPoint }
    }
    let isKey = tensor.fetch.element == .i8 || tensor.fetch.element == .u8
    if !isPacket, isKey, machine.tableSlots > 0, random.chance(4) {
      tensor.fetch.table = UInt8.random(in: 0..<UInt8(machine.tableSlots), using: &random)
      tensor.fetch.zeroPoint = 0
    }
  }

  private mutating func drawSlicesAndLoops(_ random: inout SeededRandom) {
    let digits = machine.slices.trailingZeroBitCount
    let bits = Int.random(in: 0...digits, using: &random)
    tensor.sliceCount = UInt16(1 << bits)
    tensor.firstSlice = UInt16(Int.random(in: 0...(machine.slices - 1 << bits), using: &random))
    typealias Loop = TensorInstruction.Loop
    var loops: [Loop] = []
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      loops.append(Loop(size: Int.random(in: 1...4, using: &random), .time))
    }
    tensor.exchange.kind =
      random.chance(2) ? .forward : TensorInstruction.Exchange.Kind.allCases.pick(&random)
    let exchange = tensor.exchange
    if exchange.kind != .forward {
      let outer = Int.random(in: 0...bits, using: &random)
      tensor.exchange.outer = UInt16(1 << outer)
      tensor.exchange.inner = UInt16(1 << Int.random(in: 0...(bits - outer), using: &random))
      let ring = Int(tensor.exchange.outer) * Int(tensor.exchange.inner)
      if exchange.kind == .shift || exchange.kind == .neighbours {
        tensor.exchange.distance = Int16(Int.random(in: 1 - ring...ring - 1, using: &random))
      }
      if tensor.exchange.usesRing1 {
        loops.insert(
          Loop(size: Int(tensor.exchange.outer), .ring1), at: Int.random(in: 0...loops.count, using: &random))
      }
      if tensor.exchange.usesRing0 {
        loops.insert(
          Loop(size: Int(tensor.exchange.inner), .ring0), at: Int.random(in: 0...loops.count, using: &random))
      }
      if exchange.kind == .interTranspose || exchange.kind == .neighbours {
        let place = Int.random(in: 0...loops.count, using: &random)
        let size = exchange.kind == .neighbours ? 2 : Int(tensor.exchange.outer)
        loops.insert(Loop(size: size, .time), at: place)
        tensor.exchange.loop = UInt8(place)
      }
    }
    if !isRegisterSink {
      for _ in 0..<Int.random(in: 0...2, using: &random) {
        loops.append(Loop(size: Int.random(in: 1...3, using: &random), .reuse))
      }
    }
    tensor.loops = loops
  }

  private var staying: [Int] {
    let leaving = tensor.shape.leaving
    return tensor.loops.indices.filter { $0 != leaving }
  }

  private mutating func drawAccumulate(_ random: inout SeededRandom) {
    guard tensor.accumulate.kind != .none else { return }
    for index in staying where random.chance(2) { tensor.loops[index].isReduced = true }
    if tensor.accumulate.kind == .contract {
      tensor.accumulate.lanes = UInt8([1, 2, 4, 8].pick(&random))
      let depth = Int(tensor.fetch.packetElements).trailingZeroBitCount
      tensor.accumulate.treeDepth = UInt8(
        random.chance(2) ? depth : Int.random(in: 0...depth, using: &random))
      tensor.accumulate.laneOrder = TensorInstruction.Accumulate.LaneOrder.allCases.pick(&random)
    }
    if tensor.accumulate.kind == .sum, tensor.streamKind == .float, random.chance(2) {
      tensor.accumulate.hasSixteenPartials = true
    }
    let isArgument = [.argumentOfMaximum, .argumentOfMinimum].contains(tensor.accumulate.kind)
    guard !isArgument, random.chance(3) else { return }
    if let first = staying.first { tensor.loops[first].isReduced = true }
    tensor.accumulate.start = TensorInstruction.Accumulate.Start.allCases.pick(&random)
    tensor.accumulate.finish = TensorInstruction.Accumulate.Finish.allCases.pick(&random)
  }

  private mutating func drawReducer(_ random: inout SeededRandom) {
    guard isMain, !isRegisterSink, tensor.accumulate.finish == .drain, random.chance(4) else { return }
    let bits = Int(tensor.sliceCount).trailingZeroBitCount
    let size = Int.random(in: 0...bits, using: &random)
    let kinds = TensorInstruction.Reducer.Kind.allCases.dropFirst()
    tensor.reducer.kind = Array(kinds).pick(&random)
    tensor.reducer.size = UInt16(1 << size)
    tensor.reducer.stride = UInt16(1 << Int.random(in: 0...(bits - size), using: &random))
    tensor.reducer.output = TensorInstruction.Reducer.Output.allCases.pick(&random)
    guard tensor.reducer.output == .scatter else { return }
    // Only loops that may have any size: of a ring it is given.
    let loops = tensor.shape.retained.filter { [.time, .reuse].contains(tensor.loops[$0].kind) }
    guard !loops.isEmpty else {
      tensor.reducer.output = .all
      return
    }
    let loop = loops.pick(&random)
    tensor.reducer.loop = UInt8(loop)
    tensor.reducer.repeats = UInt16(1 << Int.random(in: 0...size, using: &random))
    tensor.reducer.alternates = random.chance(2)
    tensor.loops[loop].size *= UInt32(tensor.reducer.parts)
  }

  private mutating func drawVector(_ random: inout SeededRandom, _ programs: inout [Program]) {
    let accumulate = tensor.accumulate
    if accumulate.start == .load {
      var cells = TensorInstruction.VectorOperand(.second(TensorInstruction.Second()))
      cells.flitStride = Int32(8 * tensor.shape.flitElements)
      if tensor.shape.drainedLanes > 1 {
        cells.laneStride = cells.flitStride * Int32(tensor.shape.flitsPerLane)
      }
      tensor.vector.operands.append(cells)
    }
    outputKind = tensor.streamKind ?? .integer
    guard accumulate.finish == .drain, !isRegisterSink, random.chance(2) else { return }
    outputKind = random.chance(2) ? .integer : .float
    tensor.vector.program = UInt16(programs.count)
    if random.chance(2) {
      tensor.vector.operands.append(TensorInstruction.VectorOperand(.registers(base: 0)))
    }
    if isMain, accumulate.start != .load, random.chance(2) {
      var stream = TensorInstruction.Second()
      stream.element = ElementType.allCases.filter(\.fitsRegister).pick(&random)
      tensor.vector.operands.append(TensorInstruction.VectorOperand(.second(stream)))
    }
    for index in tensor.vector.operands.indices where accumulate.start != .load || index > 0 {
      tensor.vector.operands[index].isBroadcast = random.chance(2)
      tensor.vector.operands[index].flitStride = Int32.random(in: 0...8, using: &random)
      guard tensor.shape.drainedLanes > 1 else { continue }
      tensor.vector.operands[index].laneStride = Int32.random(in: 0...16, using: &random)
    }
    programs.append(program(&random))
  }

  /// Strides and a base so that all addresses lie in 0 ..< count. Returns the base.
  private mutating func place(
    _ extent: Int, in count: Int, sizes: [Int], _ random: inout SeededRandom,
    set: (inout Draft, Int, Int) -> Void
  ) -> Int {
    var (low, high) = (0, extent)
    for (index, size) in sizes.enumerated() where size > 1 {
      let room = max((count - (high - low)) / (4 * size), 0)
      let stride = Int.random(in: -min(room, 64)...min(room, 64), using: &random)
      set(&self, index, stride)
      if stride < 0 { low += stride * (size - 1) } else { high += stride * (size - 1) }
    }
    guard high - low <= count else {
      fits = false
      return 0
    }
    return Int.random(in: -low...(count - high), using: &random)
  }

  private mutating func drawFetchAddresses(_ random: inout SeededRandom) {
    let bytes = Int(tensor.fetch.packetElements) * tensor.fetch.element.size
    let sizes = tensor.loops.map { $0.kind == .time ? Int($0.size) : 1 }
    let base = place(bytes, in: machine.sramBytesPerSlice, sizes: sizes, &random) {
      $0.tensor.loops[$1].fetchStride = Int32($2)
    }
    tensor.fetch.base = Int32(base)
  }

  private mutating func drawBounds(_ random: inout SeededRandom) {
    let times = tensor.loops.indices.filter { tensor.loops[$0].kind == .time }
    if random.chance(4), let loop = times.randomElement(using: &random) {
      let most = Int(tensor.loops[loop].size) * Int(tensor.fetch.packetElements)
      tensor.fetch.validLoop = UInt8(loop)
      tensor.fetch.validCount = UInt32(Int.random(in: 0...most + 1, using: &random))
    }
    guard random.chance(3) else { return }
    for _ in 0..<Int.random(in: 1...2, using: &random) {
      var bound = TensorInstruction.Bound()
      bound.origin = Int32.random(in: -2...2, using: &random)
      bound.coefficients = tensor.loops.map {
        $0.kind == .time ? Int32.random(in: -1...2, using: &random) : 0
      }
      bound.elementCoefficient = Int32.random(in: 0...1, using: &random)
      bound.divisor = UInt16.random(in: 1...4, using: &random)
      bound.modulus = UInt16.random(in: 1...4, using: &random)
      bound.step = Int32.random(in: -2...2, using: &random)
      bound.low = Int32.random(in: -1...1, using: &random)
      bound.high = bound.low + Int32.random(in: 0...6, using: &random)
      tensor.fetch.bounds.append(bound)
    }
    if !isRegisterSink, tensor.accumulate.kind != .contract, random.chance(2) {
      let isFloat = tensor.streamKind == .float || (tensor.streamKind == nil && random.chance(2))
      tensor.fetch.outside = isFloat ? Float(-1.5).bitPattern : UInt32(bitPattern: -128)
    }
  }

  /// Strides that give every output its own place, and the room that they take: mixed radix in a random order.
  private mutating func places(
    _ unit: Int, _ digits: [Digit], _ random: inout SeededRandom
  ) -> Int {
    var room = unit
    for digit in digits.shuffled(using: &random) where digit.size > 1 {
      digit.set(&self, room)
      room *= digit.size
    }
    return room
  }

  private func base(_ room: Int, in count: Int, _ random: inout SeededRandom) -> Int? {
    room <= count ? Int.random(in: 0...(count - room), using: &random) : nil
  }

  private mutating func drawSink(_ random: inout SeededRandom) {
    let shape = tensor.shape
    guard tensor.accumulate.finish != .keep else { return }
    var digits: [Digit] = []
    if isRegisterSink {
      for index in staying {
        digits.append((Int(tensor.loops[index].size), { $0.tensor.loops[index].registerStride = Int32($1) }))
      }
      let units = places(1, digits, &random)
      guard let base = base(units, in: machine.registerUnits, &random) else { return fits = false }
      tensor.sink = .registerFile(base: Int32(base))
      return
    }
    let isSpill = tensor.accumulate.finish == .spill
    if !isSpill, shape.flits == 1, random.chance(5) {
      let isTable = machine.tableSlots > 0 && random.chance(2)
      for index in shape.retained {
        digits.append(
          (shape.outputSize(of: index, in: tensor), { $0.tensor.loops[index].commitStride = Int32($1) }))
      }
      let words = places(shape.flitElements, digits, &random)
      guard let base = base(words, in: isTable ? machine.tableWords : machine.vectorWords, &random) else {
        return fits = false
      }
      tensor.sink = isTable ? .tables(base: Int32(base)) : .vectorRegisters(base: Int32(base))
      return
    }
    drawCommit(shape, isSpill: isSpill, &random)
  }

  private mutating func drawCommit(_ shape: StreamShape, isSpill: Bool, _ random: inout SeededRandom) {
    commit.elements = UInt8(Int.random(in: 1...shape.flitElements, using: &random))
    if !isSpill {
      let isFloat = outputKind == .float
      commit.element = ElementType.allCases.filter { $0.fitsRegister && $0.isFloat == isFloat }.pick(&random)
    }
    let size = isSpill ? 8 : commit.element.size
    var digits: [Digit] = []
    let innermost = shape.retained.last
    let rows = [2, 4, 8].pick(&random)
    let last = innermost.map { shape.outputSize(of: $0, in: tensor) } ?? 1
    let transposes = !isSpill && shape.flits == 1 && last % rows == 0 && random.chance(2)
    for index in shape.retained where !transposes || index != innermost {
      digits.append(
        (shape.outputSize(of: index, in: tensor), { $0.tensor.loops[index].commitStride = Int32($1) }))
    }
    if transposes, let innermost {
      commit.transposeRows = UInt8(rows)
      // The stride counts single steps, of which `rows` leave together.
      digits.append((last / rows, { $0.tensor.loops[innermost].commitStride = Int32($1 / rows) }))
      digits.append((Int(commit.elements), { $0.commit.columnStride = Int32($1) }))
    } else {
      if shape.drainedLanes > 1 {
        digits.append((shape.drainedLanes, { $0.commit.laneStride = Int32($1) }))
      }
      digits.append((shape.flitsPerLane, { $0.commit.flitStride = Int32($1) }))
    }
    let room = places((transposes ? rows : Int(commit.elements)) * size, digits, &random)
    guard let base = base(room, in: machine.sramBytesPerSlice, &random) else { return fits = false }
    commit.base = Int32(base)
    tensor.sink = .commit(commit)
  }

  private mutating func drawOperands(_ random: inout SeededRandom) {
    let shape = tensor.shape
    let all = tensor.loops.map { Int($0.size) }
    if tensor.accumulate.kind == .contract {
      let sizes = all.indices.map { $0 == shape.leaving ? 1 : all[$0] }
      let base = place(Int(tensor.accumulate.lanes), in: machine.registerUnits, sizes: sizes, &random) {
        $0.tensor.loops[$1].registerStride = Int32($2)
      }
      tensor.accumulate.registerBase = Int32(base)
    }
    let sizes = all.indices.map { shape.retained.contains($0) ? shape.outputSize(of: $0, in: tensor) : 1 }
    let registers = tensor.registerOperands
    for index in tensor.loops.indices { tensor.loops[index].vectorStrides = registers.map { _ in 0 } }
    for (slot, number) in registers.enumerated() {
      let extent = shape.flitLoops(tensor.vector.operands[number]).reduce(8) { $0 + ($1.0 - 1) * $1.1 }
      let base = place(extent, in: machine.vectorWords, sizes: sizes, &random) {
        $0.tensor.loops[$1].vectorStrides[slot] = Int32($2)
      }
      tensor.vector.operands[number].source = .registers(base: Int32(base))
    }
    guard let second = tensor.second else { return }
    let extent =
      shape.flitLoops(second.operand).reduce(0) { $0 + ($1.0 - 1) * $1.1 }
      + 8 * (tensor.accumulate.start == .load ? 8 : second.stream.element.size)
    let steps =
      tensor.accumulate.start == .load ? all.indices.map { shape.retained.contains($0) ? all[$0] : 1 } : sizes
    let base = place(extent, in: machine.sramBytesPerSlice, sizes: steps, &random) {
      $0.tensor.loops[$1].secondStride = Int32($2)
    }
    var stream = second.stream
    stream.base = Int32(base)
    tensor.vector.operands[second.index].source = .second(stream)
  }

  /// A well-typed program that reads the input and every operand but loaded cells.
  private func program(_ random: inout SeededRandom) -> Program {
    var values: [WordKind: [Register]] = [.integer: [], .float: []]
    return Program { program in
      func add(_ register: Register, _ kind: WordKind) { values[kind, default: []].append(register) }
      func any(_ kind: WordKind, _ program: inout Program, _ random: inout SeededRandom) -> Register {
        if let register = values[kind]?.randomElement(using: &random) { return register }
        return kind == .integer
          ? program.append(constant: Int32.random(in: -9...9, using: &random))
          : program.append(constant: Float(Int.random(in: -9...9, using: &random)) / 4)
      }
      // What carries no kind of its own gets one from the constant that it meets.
      func anchor(_ register: Register, _ kind: WordKind, _ program: inout Program) -> Register {
        let zero = kind == .integer ? program.append(constant: Int32(1)) : program.append(constant: Float(1))
        return program.append(.add, register, zero)
      }
      let kinds: [WordKind] = [.integer, .float]
      let input = program.append(.input)
      if let kind = tensor.streamKind {
        add(input, kind)
      } else {
        let kind = kinds.pick(&random)
        add(anchor(input, kind, &program), kind)
      }
      for (index, operand) in tensor.vector.operands.enumerated() {
        switch operand.source {
        case .second(let stream):
          if tensor.accumulate.start == .load { continue }
          add(program.append(.operand(index)), stream.element.isFloat ? .float : .integer)
        case .registers:
          let kind = kinds.pick(&random)
          add(anchor(program.append(.operand(index)), kind, &program), kind)
        }
      }
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        let kind = kinds.pick(&random)
        let (a, b) = (any(kind, &program, &random), any(kind, &program, &random))
        if kind == .integer {
          switch Int.random(in: 0..<5, using: &random) {
          case 0:
            add(
              program.append(
                [Program.Binary.add, .subtract, .multiply, .maximum, .less].pick(&random), a, b), kind)
          case 1: add(program.append(.toFloat, a), .float)
          case 2:
            let shift = program.append(constant: Int32.random(in: 0...40, using: &random))
            add(
              program.append(.requant(a, multiplier: b, shift: shift, zeroPoint: 3, low: -128, high: 127)),
              kind)
          case 3 where machine.tableSlots > 0:
            let entry = program.append(.table(Int.random(in: 0..<machine.tableSlots, using: &random), a))
            add(anchor(entry, kind, &program), kind)
          default: add(program.append(.select(a, b, a)), kind)
          }
        } else {
          switch Int.random(in: 0..<5, using: &random) {
          case 0:
            add(program.append([Program.Binary.add, .multiply, .divide, .minimum].pick(&random), a, b), kind)
          case 1: add(program.append(.toInteger, a), .integer)
          case 2: add(program.append([Program.Unary.exp, .tanh, .negate, .sigmoid].pick(&random), a), kind)
          case 3: add(program.append(.fma(a, b, a)), kind)
          default: add(program.append(.quantize(a, scale: b, zeroPoint: -1, low: -128, high: 127)), .integer)
          }
        }
      }
      if let result = values[outputKind]?.last { return result }
      return outputKind == .float
        ? program.append(.toFloat, any(.integer, &program, &random))
        : program.append(.toInteger, any(.float, &program, &random))
    }
  }
}

extension Array {
  /// - Precondition: not empty.
  fileprivate func pick(_ random: inout SeededRandom) -> Element {
    self[Int.random(in: indices, using: &random)]
  }
}

extension SeededRandom {
  /// True once in `count` times.
  fileprivate mutating func chance(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
}

extension TensorInstruction.Loop {
  fileprivate init(size: Int, _ kind: Kind) {
    self.init()
    self.size = UInt32(size)
    self.kind = kind
  }
}

extension DMAInstruction {
  /// A legal descriptor without an index list, inside the memories of `machine` and the first `dramBytes` of DRAM,
  /// that writes no byte twice.
  public static func random(
    using random: inout SeededRandom, on machine: SliceMachine, dramBytes: Int
  ) -> DMAInstruction {
    while true {
      let kinds: [Memory] = [.dram, .sram]
      var dma = DMAInstruction(
        from: Place(kinds.pick(&random), 0), to: Place(kinds.pick(&random), 0),
        run: UInt32([1, 3, 4, 8, 16, 33, 64].pick(&random)))
      // One loop may walk over slices, the others stay inside one.
      let sliceLoop = Int.random(in: 0..<4, using: &random)
      var room = Int(dma.runBytes)
      var reach = room
      var slices = 1
      for index in 0..<Int.random(in: 0...3, using: &random) {
        let isSlices =
          index == sliceLoop && slices == 1 && (dma.source.memory == .sram || dma.destination.memory == .sram)
        let size =
          isSlices
          ? Int.random(in: 1...machine.slices, using: &random) : Int.random(in: 1...5, using: &random)
        var loop = Loop(UInt32(size), source: 0, destination: 0)
        let source = Int.random(in: 0...64, using: &random)
        if isSlices {
          slices = size
          loop.sourceStride = Int64(dma.source.memory == .sram ? machine.sramWindowBytes : source)
          loop.destinationStride = Int64(dma.destination.memory == .sram ? machine.sramWindowBytes : room)
          if dma.destination.memory == .dram { room *= size }
          if dma.source.memory == .dram { reach += source * (size - 1) }
        } else {
          loop.sourceStride = Int64(source)
          loop.destinationStride = Int64(room)
          reach += source * (size - 1)
          room *= size
        }
        dma.loops.insert(loop, at: Int.random(in: 0...dma.loops.count, using: &random))
      }
      func base(_ memory: Memory, _ extent: Int) -> Int? {
        let limit = memory == .dram ? dramBytes : machine.sramBytesPerSlice
        guard extent <= limit else { return nil }
        let inside = Int.random(in: 0...(limit - extent), using: &random)
        guard memory == .sram else { return inside }
        return inside + machine.sramWindowBytes
          * Int.random(in: 0...(machine.slices - slices), using: &random)
      }
      guard let source = base(dma.source.memory, reach), let destination = base(dma.destination.memory, room)
      else { continue }
      dma.source.base = Int64(source)
      dma.destination.base = Int64(destination)
      // Overlap of what is read and written has no meaning.
      let overlaps =
        dma.source.memory == dma.destination.memory
        && source % machine.sramWindowBytes < destination % machine.sramWindowBytes + room
        && destination % machine.sramWindowBytes < source % machine.sramWindowBytes + reach
      guard
        !overlaps
          || dma.source.memory == .dram && (source + reach <= destination || destination + room <= source)
      else { continue }
      return dma
    }
  }
}
