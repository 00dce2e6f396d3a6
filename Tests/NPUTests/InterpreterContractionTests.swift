import KernelIR
import Machine
import NPUISA
import NPUInterpreter
import Support
import Tensors
import Testing

/// Contractions by hand.
struct InterpreterContractionTests {
  typealias Loop = TensorInstruction.Loop

  /// Units 8 k + l hold packet k of lane l; in memory lane after lane.
  static func loadWeights(
    _ bench: inout Bench, lanes: Int, packets: Int, bytes: Int, _ element: ElementType, at base: Int
  ) {
    bench.main {
      $0.loops = [
        Loop(lanes, fetch: packets * bytes, register: 1), Loop(packets, fetch: bytes, register: 8),
      ]
      $0.fetch.base = Int32(base)
      $0.fetch.element = element
      $0.fetch.packetElements = UInt8(bytes / element.size)
      $0.sink = .registerFile(base: 0)
    }
  }

  /// 3 packets of 8 elements against weights of 4 lanes; the loop over packets is reduced.
  @Test func addsProductsOfIntegers() throws {
    var bench = try Bench()
    let x = (0..<24).map { Int8($0 * 5 % 17 - 8) }
    let w = (0..<96).map { Int8($0 * 7 % 23 - 11) }
    bench.put(x, at: 0)
    bench.put(w, at: 64)
    Self.loadWeights(&bench, lanes: 4, packets: 3, bytes: 8, .i8, at: 64)
    bench.main {
      $0.loops = [Loop(3, reduced: true, fetch: 8, register: 8)]
      $0.fetch.packetElements = 8
      $0.fetch.zeroPoint = 3
      $0.accumulate.kind = .contract
      $0.accumulate.lanes = 4
      $0.accumulate.treeDepth = 3
      $0.sink = .commit(.init(at: 512, .i32, 4))
    }
    try bench.take("y", TensorType(.i32, [4]), at: 512)
    let expected = (0..<4).map { lane in
      (0..<24).reduce(Int32(0)) { $0 + (Int32(x[$1]) - 3) * Int32(w[lane * 24 + $1]) }
    }
    #expect(try bench.checked().outputs["y"]?.elements(as: Int32.self) == expected)
  }

  /// The same sum in two halves, kept in the cells, and spilled and loaded again.
  @Test(arguments: [true, false]) func carriesCells(_ keeps: Bool) throws {
    var bench = try Bench()
    let x = (0..<16).map { Int8($0 * 11 % 19 - 9) }
    let w = (0..<32).map { Int8($0 * 5 % 13 - 6) }
    bench.put(x, at: 0)
    bench.put(w, at: 64)
    Self.loadWeights(&bench, lanes: 2, packets: 2, bytes: 8, .i8, at: 64)
    func half(_ second: Bool) -> (inout TensorInstruction) -> Void {
      { tensor in
        tensor.loops = [Loop(1, reduced: true, fetch: 0, register: 0)]
        tensor.fetch.base = second ? 8 : 0
        tensor.fetch.packetElements = 8
        tensor.accumulate.kind = .contract
        tensor.accumulate.registerBase = second ? 8 : 0
        tensor.accumulate.lanes = 2
        tensor.accumulate.treeDepth = 3
        tensor.sink = .commit(.init(at: 512, .i32, 2))
      }
    }
    bench.main {
      half(false)(&$0)
      $0.accumulate.finish = keeps ? .keep : .spill
      $0.sink = keeps ? .commit(.init()) : .commit(.init(at: 256, .i8, 2))
    }
    bench.main {
      half(true)(&$0)
      $0.accumulate.start = keeps ? .keep : .load
      if !keeps {
        var cells = TensorInstruction.Second()
        cells.base = 256
        $0.vector.operands = [TensorInstruction.VectorOperand(.second(cells))]
      }
    }
    try bench.take("y", TensorType(.i32, [2]), at: 512)
    let expected = (0..<2).map { lane in
      (0..<16).reduce(Int32(0)) { $0 + Int32(x[$1]) * Int32(w[lane * 16 + $1]) }
    }
    #expect(try bench.checked().outputs["y"]?.elements(as: Int32.self) == expected)
  }

  /// Tree depth 0: every element of a packet is a channel of its own, taps are reduced.
  @Test func keepsChannelsApart() throws {
    var bench = try Bench()
    let x = (0..<24).map { Int8($0 - 12) }
    let w = (0..<24).map { Int8($0 * 3 % 7 - 3) }
    bench.put(x, at: 0)
    bench.put(w, at: 64)
    Self.loadWeights(&bench, lanes: 1, packets: 3, bytes: 8, .i8, at: 64)
    bench.main {
      $0.loops = [Loop(3, reduced: true, fetch: 8, register: 8)]
      $0.fetch.packetElements = 8
      $0.accumulate.kind = .contract
      $0.accumulate.lanes = 1
      $0.accumulate.laneOrder = .sequential
      $0.sink = .commit(.init(at: 512, .i16, 8))
    }
    try bench.take("y", TensorType(.i16, [8]), at: 512)
    let expected = (0..<8).map { c in
      (0..<3).reduce(Int16(0)) { $0 + Int16(x[$1 * 8 + c]) * Int16(w[$1 * 8 + c]) }
    }
    #expect(try bench.checked().outputs["y"]?.elements(as: Int16.self) == expected)
  }

  /// Lanes may hold a window moved on: neighbouring pixels come out of one walk over what they read, `lane` bytes apart. A vector
  /// operand may move with the lanes too.
  @Test func keepsNeighboursOnLanes() throws {
    var bench = try Bench()
    let x = (0..<32).map { Int8($0 * 5 % 23 - 11) }
    let taps = (0..<24).map { Int8($0 * 3 % 7 - 3) }
    // Input pixel i is tap i - lane of the pixel that a lane makes.
    var w = [Int8](repeating: 0, count: 64)
    for lane in 0..<2 {
      for tap in 0..<3 {
        for c in 0..<8 { w[lane * 32 + (tap + lane) * 8 + c] = taps[tap * 8 + c] }
      }
    }
    bench.put(x, at: 0)
    bench.put(w, at: 64)
    bench.put([Int32(100), 200], at: 256)
    Self.loadWeights(&bench, lanes: 2, packets: 4, bytes: 8, .i8, at: 64)
    bench.program.programs = [
      Program { $0.append(.add, $0.append(.input), $0.append(.operand(0))) }
    ]
    bench.main {
      $0.loops = [Loop(4, reduced: true, fetch: 8, register: 8)]
      $0.fetch.packetElements = 8
      $0.accumulate.kind = .contract
      $0.accumulate.lanes = 2
      $0.accumulate.laneOrder = .sequential
      $0.vector.program = 0
      var second = TensorInstruction.Second()
      second.base = 256
      second.element = .i32
      var operand = TensorInstruction.VectorOperand(.second(second))
      operand.isBroadcast = true
      operand.laneStride = 4
      $0.vector.operands = [operand]
      $0.sink = .commit(.init(at: 512, .i16, 8, lane: 16))
    }
    try bench.take("y", TensorType(.i16, [2, 8]), at: 512)
    var expected: [Int16] = []
    for lane in 0..<2 {
      for c in 0..<8 {
        var sum = Int16(100 * (lane + 1))
        for tap in 0..<3 { sum += Int16(x[(lane + tap) * 8 + c]) * Int16(taps[tap * 8 + c]) }
        expected.append(sum)
      }
    }
    #expect(try bench.checked().outputs["y"]?.elements(as: Int16.self) == expected)
  }

  /// One chain of fused multiply-adds per lane, in the order of the loops.
  @Test func chainsBFloat16() throws {
    var bench = try Bench()
    let x = (0..<8).map { Float($0 * 37 % 11) / 8 - 0.5 }
    let w = (0..<16).map { Float($0 * 29 % 13) / 16 - 0.25 }
    bench.put(x.map { BFloat16.encode($0) }, at: 0)
    bench.put(w.map { BFloat16.encode($0) }, at: 64)
    Self.loadWeights(&bench, lanes: 2, packets: 2, bytes: 8, .bf16, at: 64)
    bench.main {
      $0.loops = [Loop(2, reduced: true, fetch: 8, register: 8)]
      $0.fetch.element = .bf16
      $0.fetch.packetElements = 4
      $0.accumulate.kind = .contract
      $0.accumulate.lanes = 2
      $0.accumulate.treeDepth = 2
      $0.sink = .commit(.init(at: 512, .f32, 2))
    }
    try bench.take("y", TensorType(.f32, [2]), at: 512)
    let expected = (0..<2).map { lane in
      (0..<8).reduce(Float(0)) { $0.addingProduct(x[$1], w[lane * 8 + $1]) }
    }
    #expect(try bench.checked().outputs["y"]?.elements(as: Float.self) == expected)
  }

  /// 448 · 448 + 2^-9 · 2^-9 - 448 · 448 is 2^-18: no bit of the sum is lost.
  @Test func addsFP8Exactly() throws {
    var bench = try Bench()
    bench.put([0x7E, 0x01, 0x7E, 0] as [UInt8], at: 0)
    bench.put([0x7E, 0x01, 0xFE, 0] as [UInt8], at: 64)
    bench.main {
      $0.loops = [Loop(1)]
      $0.fetch.base = 64
      $0.fetch.element = .f8e4m3
      $0.fetch.packetElements = 4
      $0.sink = .registerFile(base: 0)
    }
    bench.main {
      $0.loops = [Loop(1, reduced: true)]
      $0.fetch.element = .f8e4m3
      $0.fetch.packetElements = 4
      $0.accumulate.kind = .contract
      $0.accumulate.lanes = 1
      $0.accumulate.treeDepth = 2
      $0.sink = .commit(.init(at: 512, .f32, 1))
    }
    try bench.take("y", TensorType(.f32, [1]), at: 512)
    #expect(try bench.checked().outputs["y"]?.elements(as: Float.self) == [0x1p-18])
  }

  /// Four slices hold a quarter of the input channels each; sums go to the slice whose part of the loop they are.
  /// Which part of the eight steps each of four slices goes on with, if any.
  private static let outputs: [(reducer: TensorInstruction.Reducer, parts: [Range<Int>?])] = {
    func reducer(
      _ output: TensorInstruction.Reducer.Output, repeats: UInt16 = 1, alternates: Bool = false
    ) -> TensorInstruction.Reducer {
      var reducer = TensorInstruction.Reducer()
      reducer.kind = .sum
      reducer.size = 4
      reducer.output = output
      reducer.repeats = repeats
      reducer.alternates = alternates
      return reducer
    }
    return [
      (reducer(.all), [0..<8, 0..<8, 0..<8, 0..<8]),
      (reducer(.one), [0..<8, nil, nil, nil]),
      (reducer(.scatter), [0..<2, 2..<4, 4..<6, 6..<8]),
      (reducer(.scatter, alternates: true), [0..<2, 2..<4, 4..<6, 6..<8]),
      (reducer(.scatter, repeats: 2), [0..<4, 0..<4, 4..<8, 4..<8]),
      (reducer(.scatter, repeats: 2, alternates: true), [0..<4, 4..<8, 0..<4, 4..<8]),
      (reducer(.scatter, repeats: 4), [0..<8, 0..<8, 0..<8, 0..<8]),
    ]
  }()

  @Test(arguments: outputs.indices)
  func addsOverSlices(_ number: Int) throws {
    let (reducer, parts) = Self.outputs[number]
    var bench = try Bench()
    var sums = [Int32](repeating: 0, count: 8)
    for slice in 0..<4 {
      let x = (0..<64).map { Int8(($0 * 7 + slice * 5) % 31 - 15) }
      let w = (0..<8).map { Int8(($0 * 3 + slice) % 9 - 4) }
      bench.put(x, slice: slice, at: 0)
      bench.put(w, slice: slice, at: 64)
      for step in 0..<8 {
        sums[step] += (0..<8).reduce(0) { $0 + Int32(x[step * 8 + $1]) * Int32(w[$1]) }
      }
    }
    bench.main {
      $0.sliceCount = 4
      $0.loops = [Loop(1)]
      $0.fetch.base = 64
      $0.fetch.packetElements = 8
      $0.sink = .registerFile(base: 0)
    }
    bench.main {
      $0.sliceCount = 4
      $0.loops = [Loop(8, fetch: 8, commit: 4)]
      $0.fetch.packetElements = 8
      $0.accumulate.kind = .contract
      $0.accumulate.lanes = 1
      $0.accumulate.treeDepth = 3
      $0.reducer = reducer
      $0.sink = .commit(.init(at: 512, .i32, 1))
    }
    for (slice, part) in parts.enumerated() {
      guard let part else { continue }
      try bench.take("y\(slice)", TensorType(.i32, [part.count]), slice: slice, at: 512)
    }
    let result = try bench.checked()
    for (slice, part) in parts.enumerated() {
      guard let part else { continue }
      #expect(result.outputs["y\(slice)"]?.elements(as: Int32.self) == Array(sums[part]))
    }
  }

  @Test func refusesSumsBeyond32Bits() throws {
    var bench = try Bench()
    bench.put([Int8](repeating: 127, count: 8), at: 0)
    bench.put([Int8](repeating: 127, count: 8), at: 64)
    bench.main {
      $0.loops = [Loop(1)]
      $0.fetch.base = 64
      $0.fetch.packetElements = 8
      $0.sink = .registerFile(base: 0)
    }
    bench.main {
      $0.loops = [Loop(20000, reduced: true)]
      $0.fetch.packetElements = 8
      $0.accumulate.kind = .contract
      $0.accumulate.lanes = 1
      $0.accumulate.treeDepth = 3
      $0.sink = .commit(.init(at: 512, .i32, 1))
    }
    for mode in [NPUInterpreter.Mode.strict, .fast] {
      #expect { try bench.run(mode) } throws: { ($0 as? Diagnostic)?.kind == .accumulatorOverflow }
    }
  }
}

extension TensorInstruction.Commit {
  init(
    at base: Int, _ element: ElementType, _ elements: Int, flit: Int = 0, rows: Int = 1, column: Int = 0,
    lane: Int = 0
  ) {
    self.init()
    self.base = Int32(base)
    self.element = element
    self.elements = UInt8(elements)
    flitStride = Int32(flit)
    transposeRows = UInt8(rows)
    columnStride = Int32(column)
    laneStride = Int32(lane)
  }
}
