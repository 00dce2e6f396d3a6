import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// A tensor instruction that has been found sound: what no walk over its loops could survive (a loop that does
/// not exist, cells or addresses beyond a memory) has been refused, so that walks need not look again.
struct TensorPlan: Sendable {
  let body: TensorInstruction
  let shape: StreamShape
  let isMain: Bool
  let slices: Int
  let sizes: [Int]
  /// Sizes behind the reducer's scatter.
  let outputSizes: [Int]
  /// Loops that drive the fetch, outermost first.
  let time: [Int]
  /// Loops after the switch, outermost first.
  let nest: [Int]
  /// Retained loops outside the outermost reduced one; all retained ones if none is reduced.
  let outer: [Int]
  /// The rest of the nest.
  let inner: [Int]
  let retained: [Int]
  let reduced: [Int]
  let packet: Int
  /// Elements that a packet has behind the adapter.
  let width: Int
  let program: Program?
  let kinds: ProgramKinds?
  /// Strides of each operand by loop, in words or bytes.
  let operandStrides: [[Int]]
  /// Whether the elements from the fetch are f32.
  let isFloat: Bool
  /// Whether the elements that the vector engine receives are f32.
  let isInputFloat: Bool
  /// Whether the elements that the sink stores are f32.
  let isOutputFloat: Bool
  /// Whether every element that the fetch could name lies in the SRAM.
  let fetchStaysInside: Bool

  var first: Int { Int(body.firstSlice) }
  var columns: Int { shape.columns }
  var lanes: Int { Int(body.accumulate.lanes) }
  var usesCells: Bool { body.accumulate.kind != .none }
  var elementSize: Int { body.fetch.element.size }

  /// Cells of one group, without partial sums.
  var cellsPerGroup: Int { body.accumulate.kind == .contract ? lanes * columns : width }
  var partials: Int { body.accumulate.hasSixteenPartials ? 16 : 1 }

  /// How a contraction adds.
  enum Sum { case integer, exact, chain }
  var sum: Sum { !isFloat ? .integer : body.fetch.element.size == 1 ? .exact : .chain }

  init(
    _ body: TensorInstruction, context: Context, on machine: SliceMachine, programs: [Program]
  ) throws(Diagnostic) {
    self.body = body
    let broken = Instruction(.tensor(body)).check(on: machine, context: context, programs: programs)
    if let first = broken.first { throw first }
    guard body.accumulate.kind != .contract || body.fetch.element != .f8e5m2 else {
      throw Diagnostic(.invalidProgram, "sums of E5M2 products are wider than a cell")
    }
    shape = body.shape
    isMain = context == .main
    slices = Int(body.sliceCount)
    sizes = body.loops.map { Int($0.size) }
    let leaving = shape.leaving
    time = body.loops.indices.filter { body.loops[$0].kind == .time }
    nest = body.loops.indices.filter { $0 != leaving }
    retained = shape.retained
    reduced = nest.filter { body.loops[$0].isReduced }
    let split = shape.outermostReduced ?? body.loops.count
    outer = nest.filter { $0 < split }
    inner = nest.filter { $0 >= split }
    packet = Int(body.fetch.packetElements)
    width = body.fetch.isBroadcast ? 8 : packet
    isFloat = body.fetch.element.isFloat && body.fetch.table == nil
    var outputSizes = sizes
    if shape.scatter > 1 { outputSizes[Int(body.reducer.loop)] /= shape.scatter }
    self.outputSizes = outputSizes
    kinds = try body.kinds(programs: programs)
    program = body.vector.program.map { programs[Int($0)] }
    let streamKind = body.streamKind ?? kinds?.input ?? body.sinkKind ?? .integer
    isInputFloat = streamKind == .float
    isOutputFloat = (kinds?.result ?? streamKind) == .float
    if let sinkKind = body.sinkKind, (sinkKind == .float) != isOutputFloat {
      throw Diagnostic(.invalidProgram, "the commit stores another kind than the stream has")
    }
    var register = 0
    operandStrides = body.vector.operands.map { operand in
      switch operand.source {
      case .second: return body.loops.map { Int($0.secondStride) }
      case .registers:
        register += 1
        return body.loops.map { register <= $0.vectorStrides.count ? Int($0.vectorStrides[register - 1]) : 0 }
      }
    }
    let walks = body.loops.filter { $0.kind == .time }.map {
      (size: Int($0.size), stride: Int($0.fetchStride))
    }
    let fetched = Self.span(Int(body.fetch.base), walks)
    fetchStaysInside =
      fetched.lowerBound >= 0
      && fetched.upperBound + packet * body.fetch.element.size <= machine.sramBytesPerSlice
    try checkAddresses(machine)
  }

  /// The least and the greatest of base + Σ idx · stride.
  static func span(_ base: Int, _ loops: [(size: Int, stride: Int)]) -> ClosedRange<Int> {
    var (low, high) = (base, base)
    for loop in loops {
      let reach = (loop.size - 1) * loop.stride
      if reach < 0 { low += reach } else { high += reach }
    }
    return low...high
  }
}

// Addresses that do not depend on data.
extension TensorPlan {
  private func check(
    _ what: String, _ base: Int, _ loops: [Int], _ strides: [Int], extra: [(size: Int, stride: Int)],
    bytes: Int, of limit: Int, output: Bool = true
  ) throws(Diagnostic) {
    let sizes = output ? outputSizes : self.sizes
    let span = Self.span(base, loops.map { (sizes[$0], strides[$0]) } + extra)
    guard span.lowerBound >= 0, span.upperBound + bytes <= limit else {
      throw Diagnostic(
        .addressRange, "\(what) reaches \(span.lowerBound) ..< \(span.upperBound + bytes) of \(limit)")
    }
  }

  /// Refuses what writes more than its memory holds, some of it twice for certain: so that what waits for its
  /// landing has a bound.
  private func checkRoom(_ machine: SliceMachine, units: Int) throws(Diagnostic) {
    // At most 2^40 steps of a few hundred bytes: nothing overflows.
    let flits = shape.outputFlits
    let (count, limit): (Int, Int) =
      switch body.sink {
      case .commit(let commit):
        (
          flits * Int(commit.elements) * (body.accumulate.finish == .spill ? 8 : commit.element.size),
          machine.sramBytesPerSlice
        )
      case .registerFile: (shape.nest, units)
      case .vectorRegisters: (flits * shape.flitElements, machine.vectorRegisterBytes / 4)
      case .tables: (flits * shape.flitElements, machine.tableSlots * 256)
      }
    guard count <= limit else {
      throw Diagnostic(.forbiddenWrite, "\(count) entries are written to a memory of \(limit)")
    }
  }

  private func checkAddresses(_ machine: SliceMachine) throws(Diagnostic) {
    let loops = body.loops
    let units = machine.registerFileBytes / machine.packetBytes
    if body.accumulate.kind == .contract {
      try check(
        "the register file operand", Int(body.accumulate.registerBase), nest,
        loops.map { Int($0.registerStride) }, extra: [], bytes: lanes, of: units, output: false)
    }
    for (index, operand) in body.vector.operands.enumerated() {
      let flits = shape.flitLoops(operand)
      let elements = operand.isBroadcast ? 1 : shape.flitElements
      switch operand.source {
      case .registers(let base):
        try check(
          "vector operand \(index)", Int(base), retained, operandStrides[index], extra: flits,
          bytes: elements, of: machine.vectorRegisterBytes / 4)
      case .second(let second):
        let isLoad = body.accumulate.start == .load
        try check(
          "the second stream", Int(second.base), retained, operandStrides[index], extra: flits,
          bytes: isLoad ? 8 * shape.flitElements : elements * second.element.size,
          of: machine.sramBytesPerSlice, output: !isLoad)
      }
    }
    guard body.accumulate.finish != .keep else { return }
    try checkRoom(machine, units: units)
    let strides = loops.map { Int($0.commitStride) }
    switch body.sink {
    case .commit(let commit):
      if body.accumulate.finish == .spill {
        try check(
          "the spill", Int(commit.base), retained, strides, extra: shape.flitLoops(commit),
          bytes: 8 * shape.flitElements, of: machine.sramBytesPerSlice)
      } else if commit.transposeRows > 1 {
        let rows = Int(commit.transposeRows)
        var sizes = retained.map { (outputSizes[$0], strides[$0]) }
        if let last = sizes.indices.last {
          let stride = sizes[last].1 * rows
          sizes[last] = (sizes[last].0 / rows, stride)
        }
        sizes.append((min(Int(commit.elements), shape.flitElements), Int(commit.columnStride)))
        try check(
          "the commit", Int(commit.base), [], [], extra: sizes, bytes: rows * commit.element.size,
          of: machine.sramBytesPerSlice)
      } else {
        try check(
          "the commit", Int(commit.base), retained, strides, extra: shape.flitLoops(commit),
          bytes: min(Int(commit.elements), shape.flitElements) * commit.element.size,
          of: machine.sramBytesPerSlice)
      }
    case .registerFile(let base):
      try check(
        "the register file load", Int(base), nest, loops.map { Int($0.registerStride) }, extra: [], bytes: 1,
        of: units)
    case .vectorRegisters(let base):
      try check(
        "the load of vector registers", Int(base), retained, strides, extra: [], bytes: shape.flitElements,
        of: machine.vectorRegisterBytes / 4)
    case .tables(let base):
      try check(
        "the load of tables", Int(base), retained, strides, extra: [], bytes: shape.flitElements,
        of: machine.tableSlots * 256)
    }
  }
}

extension TensorPlan {
  /// The slice (counted from the first) whose packet slice `j` receives, and the index of the loop that leaves
  /// the nest, for the indices of the nest.
  func source(of j: Int, _ index: [Int]) -> (slice: Int, leaving: Int) {
    let exchange = body.exchange
    let (outer, inner) = (Int(exchange.outer), Int(exchange.inner))
    func ring(_ kind: TensorInstruction.Loop.Kind) -> Int {
      var digit = 0
      for (number, loop) in body.loops.enumerated() where loop.kind == kind {
        digit = digit * Int(loop.size) + index[number]
      }
      return digit
    }
    guard exchange.kind != .forward else { return (j, 0) }
    let ringSize = outer * inner
    let (j2, j1, j0) = (j / ringSize, j / inner % outer, j % inner)
    switch exchange.kind {
    case .forward: return (j, 0)
    case .broadcast1: return ((j2 * outer + ring(.ring1)) * inner + j0, 0)
    case .broadcast01: return ((j2 * outer + ring(.ring1)) * inner + ring(.ring0), 0)
    case .transpose:
      let (a, b) = (j / outer % inner, j % outer)
      return ((j2 * outer + b) * inner + a, 0)
    case .transposedBroadcast1: return ((j2 * outer + j % outer) * inner + ring(.ring0), 0)
    case .interTranspose: return ((j2 * outer + ring(.ring1)) * inner + j0, j1)
    case .shift, .neighbours:
      let isBack = exchange.kind == .neighbours && index[Int(exchange.loop)] == 1
      let distance = isBack ? -Int(exchange.distance) : Int(exchange.distance)
      let place = (j % ringSize - distance) % ringSize
      return (j2 * ringSize + (place + ringSize) % ringSize, 0)
    }
  }
}
