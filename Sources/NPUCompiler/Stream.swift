import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// One loop of a tensor instruction, before it has strides: indices `range` of an axis, `step` at a time.
struct NestLoop {
  var axis: AxisID
  /// Counted from the start of the geometry's range.
  var range: Range<Int>
  var step = 1
  var kind = TensorInstruction.Loop.Kind.time
  var isReduced = false
  /// Valid elements are counted along it.
  var isValidity = false
  /// Stays in the nest though it has one iteration.
  var isKept = false

  var size: Int { (range.count + step - 1) / step }
}

/// What the vector program reads besides its input.
struct VectorSource {
  enum Place {
    /// Words from `base` on; strides per axis.
    case registers(base: Int, words: Range<Int>, strides: [AxisID: Int])
    case second(Tile)
  }

  var place: Place
  /// The eight elements of a flit read one.
  var isBroadcast: Bool
}

/// All that the tensor instructions of one kernel have in common; a nest makes an instruction of it.
struct Stream {
  var geometry: Geometry
  /// The streamed operand.
  var main: Tile
  var mainMaps: [AffineMap] { main.operand.maps }
  /// The axis along which the elements of a packet lie, and how many.
  var packetAxis: AxisID?
  var packetElements = 1
  /// The packet is one element, repeated over a flit.
  var isBroadcast = false
  var zeroPoint = 0
  var table: Int?
  var outside: UInt32?
  var accumulate = TensorInstruction.Accumulate()
  var reducer = TensorInstruction.Reducer()
  /// The axis along which the elements of a flit lie at the end.
  var flitAxis: AxisID?
  var program: Program
  var sources: [VectorSource] = []
  var result: Tile
  var resultElement: ElementType
  var resultElements = 8
  /// Flits of a lane follow each other in the result, and in the vector registers, by eight elements.
  var flits = 1
  /// Along which the lanes of a sequential drain lie.
  var laneAxis: AxisID?
  /// Units of the register file from index to index (of a loop, not of an axis), and the units in use.
  var registerStrides: [AxisID: Int] = [:]
  var registerUnits: Range<Int>?
  /// Table slots in use.
  var tableSlots = 0..<0

  var tableWords: Range<Int>? {
    tableSlots.isEmpty ? nil : (256 * tableSlots.lowerBound)..<(256 * tableSlots.upperBound)
  }

  /// Whether the vector program reads SRAM, through the port that loads of the register files need too.
  var readsSecond: Bool {
    sources.contains { if case .second = $0.place { true } else { false } }
  }

  /// Whether the fetch must keep a coordinate inside. What blocks hold beyond the end of a parallel axis comes to nothing that
  /// anybody reads, and along the packets of a tiled contraction weights are zero there.
  func isBounded(_ map: AffineMap, extent: Int, packet: AxisID? = nil) -> Bool {
    guard geometry.leavesBounds(map, extent: extent) else { return false }
    let moving = map.terms.filter { geometry.kernel.axes[$0.axis].extent > 1 }
    let isMeant = map.interval(over: geometry.kernel.ranges).map {
      $0.lowerBound < 0 || $0.upperBound >= extent
    }
    return
      !(main.placement.isWhole && isMeant == false && moving.count == 1
      && (moving[0].axis == packet || geometry.kernel.axes[moving[0].axis].role == .parallel))
  }
}

extension ProgramCompiler {
  /// Emits the instructions of a nest: one, or as many as it takes to keep it at eight loops.
  mutating func emit(_ stream: Stream, _ nest: [NestLoop]) throws(Failure) {
    let loops = nest.filter { $0.size > 1 || $0.isValidity || $0.isKept }
    guard loops.count > 8 else { return try instruction(stream, nest) }
    // Retained loops outside all reduced ones come apart without a change of meaning.
    guard let index = nest.firstIndex(where: { $0.size > 1 && !$0.isValidity }), !nest[index].isReduced,
      !nest[..<index].contains(where: { $0.isReduced }), stream.accumulate.start == .zero,
      stream.accumulate.finish == .drain
    else { throw .doesNotFit("a nest of more than eight loops") }
    let outer = nest[index]
    for step in 0..<outer.size {
      var inner = nest
      let start = outer.range.lowerBound + step * outer.step
      inner[index].range = start..<min(start + outer.step, outer.range.upperBound)
      try emit(stream, inner)
    }
  }

  private mutating func instruction(_ stream: Stream, _ nest: [NestLoop]) throws(Failure) {
    var body = TensorInstruction()
    let slices = 0..<stream.geometry.sliceCount
    body.sliceCount = UInt16(slices.count)
    var accesses: [Access] = []

    // Where the first point of the nest lies in every memory.
    var fetchBase = stream.main.base
    var resultBase = stream.result.base
    var registerBase = Int(stream.accumulate.registerBase)
    for loop in nest {
      let start = loop.range.lowerBound
      fetchBase += start * stream.main.stride(loop.axis)
      resultBase += loop.isReduced ? 0 : start * stream.result.stride(loop.axis)
      registerBase += start / loop.step * (stream.registerStrides[loop.axis] ?? 0)
    }
    body.fetch.base = Int32(fetchBase)
    body.fetch.element = stream.main.operand.type.element
    body.fetch.packetElements = UInt8(stream.packetElements)
    body.fetch.zeroPoint = Int16(stream.zeroPoint)
    body.fetch.table = stream.table.map(UInt8.init)
    body.fetch.outside = stream.outside
    body.accumulate = stream.accumulate
    body.accumulate.registerBase = Int32(registerBase)
    body.fetch.isBroadcast = stream.isBroadcast

    let loops = nest.filter { $0.size > 1 || $0.isValidity || $0.isKept }
    if let index = loops.firstIndex(where: { $0.isValidity }) {
      body.fetch.validLoop = UInt8(index)
      body.fetch.validCount = UInt32(loops[index].range.count)
    }
    for (map, extent) in zip(stream.mainMaps, stream.main.operand.type.shape)
    where stream.isBounded(map, extent: extent) {
      body.fetch.bounds.append(bound(map, extent, stream, nest, loops))
    }
    guard body.fetch.bounds.count <= 2 else { throw .doesNotFit("more than two bounded coordinates") }

    body.loops = loops.map { loop in
      var entry = TensorInstruction.Loop()
      entry.size = UInt32(loop.size)
      entry.kind = loop.kind
      entry.isReduced = loop.isReduced
      entry.fetchStride = loop.kind == .time ? Int32(loop.step * stream.main.stride(loop.axis)) : 0
      entry.registerStride = Int32(stream.registerStrides[loop.axis] ?? 0)
      if !loop.isReduced { entry.commitStride = Int32(loop.step * stream.result.stride(loop.axis)) }
      return entry
    }
    accesses.append(.read(.sram, body.fetched(of: stream.main.bytes), slices: slices))
    if stream.accumulate.finish == .keep {
      // The sums stay: nothing comes to the vector program and the commit.
      for index in body.loops.indices { body.loops[index].commitStride = 0 }
      if let units = stream.registerUnits { accesses.append(.read(.registerFile, units)) }
      run.append(.tensor(body), .main, accesses)
      return
    }
    body.reducer = stream.reducer
    body.vector.program = stream.program.isIdentity ? nil : run.pool(stream.program)
    for source in stream.sources {
      body.vector.operands.append(operand(source, nest, loops, stream, &body, &accesses, slices))
    }

    var commit = TensorInstruction.Commit()
    commit.base = Int32(resultBase)
    commit.element = stream.resultElement
    commit.elements = UInt8(stream.resultElements)
    commit.flitStride = stream.flits > 1 ? Int32(8 * stream.resultElement.size) : 0
    commit.laneStride = Int32(stream.laneAxis.map(stream.result.stride) ?? 0)
    body.sink = .commit(commit)
    accesses.append(.write(.sram, stream.result.bytes, slices: slices))
    if let units = stream.registerUnits { accesses.append(.read(.registerFile, units)) }
    if let words = stream.tableWords { accesses.append(.read(.tables, words)) }
    if body.isMove { run.appendToEither(body, accesses) } else { run.append(.tensor(body), .main, accesses) }
  }

  private func bound(
    _ map: AffineMap, _ extent: Int, _ stream: Stream, _ nest: [NestLoop], _ loops: [NestLoop]
  ) -> TensorInstruction.Bound {
    var bound = TensorInstruction.Bound()
    var origin = stream.geometry.origin(map)
    for loop in nest { origin += loop.range.lowerBound * map.coefficient(of: loop.axis) }
    bound.origin = Int32(origin)
    bound.coefficients = loops.map {
      $0.kind == .time ? Int32($0.step * map.coefficient(of: $0.axis)) : 0
    }
    if let axis = stream.packetAxis { bound.elementCoefficient = Int32(map.coefficient(of: axis)) }
    for term in map.terms {
      guard let part = stream.geometry.parts[term.axis] else { continue }
      bound.divisor = UInt16(part.sliceStride)
      bound.modulus = UInt16(part.count)
      bound.step = Int32(term.coefficient * part.block)
    }
    bound.high = Int32(extent)
    return bound
  }

  private func operand(
    _ source: VectorSource, _ nest: [NestLoop], _ loops: [NestLoop], _ stream: Stream,
    _ body: inout TensorInstruction, _ accesses: inout [Access], _ slices: Range<Int>
  ) -> TensorInstruction.VectorOperand {
    switch source.place {
    case .registers(let base, let words, let strides):
      accesses.append(.read(.vectorRegisters, words))
      var first = base
      for loop in nest where !loop.isReduced { first += loop.range.lowerBound * (strides[loop.axis] ?? 0) }
      for (index, loop) in loops.enumerated() {
        let stride = loop.isReduced ? 0 : loop.step * (strides[loop.axis] ?? 0)
        body.loops[index].vectorStrides.append(Int32(stride))
      }
      var operand = TensorInstruction.VectorOperand(.registers(base: Int32(first)))
      operand.isBroadcast = source.isBroadcast
      operand.flitStride = stream.flits > 1 && !source.isBroadcast ? 8 : 0
      operand.laneStride = Int32(stream.laneAxis.flatMap { strides[$0] } ?? 0)
      return operand
    case .second(let tile):
      accesses.append(.read(.sram, tile.bytes, slices: slices))
      var first = tile.base
      for loop in nest where !loop.isReduced { first += loop.range.lowerBound * tile.stride(loop.axis) }
      for (index, loop) in loops.enumerated() {
        body.loops[index].secondStride = loop.isReduced ? 0 : Int32(loop.step * tile.stride(loop.axis))
      }
      var second = TensorInstruction.Second()
      second.base = Int32(first)
      second.element = tile.operand.type.element
      var operand = TensorInstruction.VectorOperand(.second(second))
      operand.isBroadcast = source.isBroadcast
      operand.flitStride = stream.flits > 1 && !source.isBroadcast ? Int32(8 * second.element.size) : 0
      operand.laneStride = Int32(stream.laneAxis.map(tile.stride) ?? 0)
      return operand
    }
  }
}
