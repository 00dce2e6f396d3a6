import Foundation
import KernelIR
import Machine
import NPUChecker
import NPUISA
import Support
import TargetFiles
import Tensors
import TestSupport
import Testing

private let tiny = Result { try Targets.builtin("tiny-npu").machine }

/// Copies the input through SRAM and adds weights that the load program has placed; two engines, and main with
/// vector registers, register file and accumulators in use.
private let clean = """
  npu_program 1
  dram_bytes 4096
  load_ticks 0
  run_ticks 0
  program [input, operand 0, add r0 r1] -> r2
  input {name="x" type=i8[64]}
  output {name="y" type=i8[64] address=64}
  image 256 {
    000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f
  }
  load
  main:
  sub:
  dma0:
    dma from=dram@256 to=sram@512 run=64
  dma1:
  run
  main:
    tensor loops=[{size=8 fetch=8 commit=8}] fetch={base=512 packet=8} sink=vectorRegisters 0
    tensor waits=[dma0>=1] loops=[{size=8 fetch=8 commit=8 vector=[8]}] fetch={packet=8} vector={program=0 operands=[{source=registers 0}]} sink=commit {base=64}
  sub:
    tensor waits=[dma0>=1] loops=[{size=8 fetch=8 register=1}] fetch={packet=8} sink=registerFile 0
  dma0:
    dma from=dram@0 to=sram@0 run=64
    dma waits=[main>=2] from=sram@64 to=dram@64 run=64
  dma1:
  """

private func check(_ text: String) throws -> [Diagnostic] {
  NPUChecker.check(try NPUProgram(text: text), on: try tiny.get())
}

@Test func cleanProgramPasses() throws {
  #expect(try check(clean) == [])
}

/// Name, what is replaced, by what, the kind of the finding and what it says.
private let violations: [(String, String, String, Diagnostic.Kind, String)] = [
  (
    "C1 field", "run=64\ndma1:\nrun", "run=5000\ndma1:\nrun", .fieldRange,
    "load dma0 0: body.run is 5000"
  ),
  ("C1 program", "vector={program=0", "vector={program=1", .invalidProgram, "the pool has 1"),
  ("C1 contexts", "dma1:\nrun\n", "run\n", .invalidProgram, "code for 3 contexts"),
  (
    "C1 type", "sink=commit {base=64}", "sink=commit {base=64 element=bf16}", .invalidProgram,
    "run main 1: the result must be f32"
  ),
  (
    "C2 fetch", "fetch={packet=8} vector", "fetch={base=4080 packet=8} vector", .addressRange,
    "SRAM bytes 4080 ..< 4144 of 4096"
  ),
  (
    "C2 negative", "{size=8 fetch=8 register=1}", "{size=8 fetch=-8 register=1}", .addressRange,
    "SRAM bytes -56 ..< 8"
  ),
  (
    "C2 registers", "registerFile 0", "registerFile 121", .addressRange,
    "register file units 121 ..< 129 of 128"
  ),
  (
    "C2 words", "vectorRegisters 0", "vectorRegisters 65", .addressRange, "vector registers 65 ..< 129 of 128"
  ),
  ("C2 slice", "to=sram@0", "to=sram@16384", .addressRange, "reaches slice 4 of 4"),
  ("C2 between slices", "to=sram@0", "to=sram@4090", .addressRange, "of 4096"),
  ("C2 dram", "to=dram@64", "to=dram@4090", .addressRange, "DRAM bytes 4090 ..< 4154 of 4096"),
  ("C2 port", "address=64}", "address=4090}", .addressRange, "port 'y'"),
  ("C2 memory", "dram_bytes 4096", "dram_bytes 409600000", .addressRange, "the machine has"),
  (
    "C3 count", "waits=[main>=2]", "waits=[main>=3]", .neverReached,
    "waits for 3 instructions of main, which has 2"
  ),
  ("C3 deadlock", "dma from=dram@0", "dma waits=[main>=2] from=dram@0", .neverReached, "never starts"),
  (
    "C3 barrier", "sub:\n  tensor", "sub:\n  barrier\n  tensor", .neverReached,
    "different numbers of barriers"
  ),
  (
    "C4 read", "tensor waits=[dma0>=1] loops=[{size=8 fetch=8 commit", "tensor loops=[{size=8 fetch=8 commit",
    .unorderedAccess, "dma0 0: the destination writes SRAM byte 0 of slice 0 in no order with main 1"
  ),
  (
    "C4 lowered", "waits=[main>=2]", "waits=[main>=1]", .unorderedAccess,
    "SRAM byte 64 of slice 0 in no order with"
  ),
  (
    "C4 write", "to=dram@64 run=64\ndma1:",
    "to=dram@64 run=64\ndma1:\n  dma from=dram@256 to=dram@100 run=8", .unorderedAccess,
    "writes DRAM byte 100"
  ),
  (
    "C4 after read", "to=dram@64 run=64\ndma1:",
    "to=dram@64 run=64\ndma1:\n  dma waits=[main>=1, dma0>=1] from=dram@256 to=sram@8 run=8",
    .unorderedAccess, "SRAM byte 8 of slice 0"
  ),
  (
    "C5 sram", "from=sram@64", "from=sram@2064", .undefinedRead,
    "SRAM byte 2064 of slice 0, which nothing has written"
  ),
  ("C5 words", "vectorRegisters 0", "vectorRegisters 1", .undefinedRead, "vector register 0 of slice 0"),
  ("C5 dram", "from=dram@0", "from=dram@1000", .undefinedRead, "DRAM byte 1000"),
  (
    "C5 slice", "sink=commit {base=64}\n",
    "sink=commit {base=64}\n  tensor first_slice=1 loops=[{size=8 fetch=8 commit=8}] fetch={packet=8} sink=vectorRegisters 0\n",
    .undefinedRead, "of slice 1"
  ),
  (
    "C5 cells", "sink=commit {base=64}\n",
    "sink=commit {base=64}\n  tensor loops=[{size=2 fetch=8 reduced=true}] fetch={packet=8} accumulate={kind=sum start=keep} sink=commit {base=256 element=i32}\n",
    .undefinedRead, "keeps 8 cells of sum, slice 0 holds nothing"
  ),
  (
    "C6 twice", "fetch=8 commit=8 vector", "fetch=8 commit=7 vector", .forbiddenWrite,
    "the commit writes a SRAM byte twice"
  ),
  (
    "C6 twice by runs", "from=sram@64 to=dram@64 run=64", "from=sram@64 to=dram@64 run=64 loops=[{size=2}]",
    .forbiddenWrite, "writes a DRAM byte twice"
  ),
  ("C6 in place", "sink=commit {base=64}", "sink=commit {base=56}", .forbiddenWrite, "which the fetch reads"),
  (
    "C6 image", "to=dram@64 run=64\ndma1:",
    "to=dram@64 run=64\n  dma from=dram@0 to=dram@256 run=4\ndma1:", .forbiddenWrite,
    "overwrites an image at DRAM byte 256"
  ),
  (
    "C6 resident", "sink=commit {base=64}\n",
    "sink=commit {base=64}\n  tensor fetch={packet=8} sink=commit {base=512}\n", .forbiddenWrite,
    "what the load program placed and the run reads at SRAM byte 512"
  ),
  ("C6 overlap", "image 256", "image 60", .forbiddenWrite, "port 'x' and image 0 overlap"),
  ("C7 output", "to=dram@64 run=64", "to=dram@64 run=60", .missingOutput, "nothing writes its byte 60 of 64"),
]

@Test(arguments: violations.indices)
func everyRuleFinds(index: Int) throws {
  let (name, old, new, kind, message) = violations[index]
  let text = clean.replacing(old, with: new)
  #expect(text != clean, "\(name)")
  let found = try check(text)
  #expect(found.contains { $0.kind == kind && $0.message.contains(message) }, "\(name): \(found)")
}

@Test func barriersOrder() throws {
  let racing = clean.replacing("waits=[dma0>=1] ", with: "").replacing("waits=[main>=2] ", with: "")
  #expect(try check(racing).isEmpty == false)
  // Main starts after the first barrier, engine 0 goes on after the second.
  var text = racing.replacing("run\nmain:\n", with: "run\nmain:\n  barrier\n")
  text = text.replacing("sink=commit {base=64}\n", with: "sink=commit {base=64}\n  barrier\n")
  text = text.replacing("sub:\n  tensor", with: "sub:\n  barrier\n  barrier\n  tensor")
  text = text.replacing(
    "run=64\n  dma from=sram@64", with: "run=64\n  barrier\n  barrier\n  dma from=sram@64")
  #expect(try check(text) == [])
}

@Test func loopsAreExpanded() throws {
  let text = clean.replacing(
    "  dma from=dram@0 to=sram@0 run=64\n",
    with: "  loop count=8 source_step=8 destination_step=8\n  dma from=dram@0 to=sram@0 run=8\n"
  ).replacing("dma0>=1", with: "dma0>=8")
  #expect(try check(text) == [])
  #expect(try check(text.replacing("dma0>=8", with: "dma0>=7")).contains { $0.kind == .unorderedAccess })
  #expect(try check(text.replacing("count=8", with: "count=7")).contains { $0.kind == .neverReached })
}

@Test func indexedRowsAreAllTouched() throws {
  let gather =
    "  dma from=dram@64 to=sram@1024 run=4 loops=[{size=2 from=16 to=4}] index={list=dram@0 rows=4}\n"
  let text = clean.replacing("to=dram@64 run=64\ndma1:", with: "to=dram@64 run=64\n\(gather)  dma1:")
  #expect(try check(text) == [])
  #expect(
    try check(text.replacing("rows=4", with: "rows=5")).contains { $0.message.contains("DRAM byte 128") })
  #expect(try check(text.replacing("list=dram@0", with: "list=dram@60")) == [])
  #expect(
    try check(text.replacing("list=dram@0", with: "list=dram@124")).contains { $0.kind == .undefinedRead })
  // What a scatter may leave out stays undefined.
  let scatter = gather.replacing("index={", with: "index={side=scatter ").replacing("to=4}", with: "to=64}")
  let scattered = clean.replacing(
    "to=dram@64 run=64\ndma1:",
    with: "to=dram@64 run=64\n\(scatter)    dma from=sram@1024 to=dram@2048 run=4\ndma1:")
  #expect(try check(scattered).contains { $0.message.contains("may write one of them twice") })
  let single = scattered.replacing("loops=[{size=2 ", with: "loops=[{size=1 ")
  #expect(try check(single).contains { $0.message.contains("SRAM byte 1024 of slice 0, which nothing") })
}

@Test func maskedBytesAreNotRead() throws {
  // Packets 7 and 8 of ten are within the input's 64 bytes only in part or not at all.
  let masked = clean.replacing(
    "loops=[{size=8 fetch=8 commit=8 vector=[8]}] fetch={packet=8}",
    with:
      "loops=[{size=9 fetch=8 commit=8 vector=[7]}] fetch={base=-4 packet=8 bounds=[{coefficients=[8] element=1 low=4 high=68}]}"
  ).replacing("sink=commit {base=64}", with: "sink=commit {base=80}")
    .replacing("from=sram@64 to", with: "from=sram@80 to")
  #expect(try check(masked) == [])
  #expect(
    try check(masked.replacing("high=68", with: "high=69")).contains { $0.message.contains("SRAM byte 64") })
  #expect(try check(masked.replacing("low=4", with: "low=3")).contains { $0.kind == .addressRange })
}

/// The footprints against loops that visit every element of every packet.
@Test(arguments: Seed.all)
func footprintsAreExact(seed: Seed) throws {
  var random = seed.random
  let machine = try tiny.get()
  for _ in 0..<300 {
    var program = NPUProgram(engines: 2)
    let context: Context = Int.random(in: 0..<4, using: &random) == 0 ? .sub : .main
    let tensor = TensorInstruction.random(
      using: &random, on: machine, context: context, programs: &program.programs)
    let touches = NPUChecker.touches(of: Instruction(.tensor(tensor)), on: machine, in: program)
    for slice in Int(tensor.firstSlice)..<Int(tensor.firstSlice + tensor.sliceCount) {
      let read = touches.filter { $0.memory == .sram && !$0.isWrite && $0.slice == slice }
      var expected = fetched(tensor, slice)
      if tensor.second != nil { expected.formUnion(secondStream(tensor, slice)) }
      #expect(Set(read.flatMap { $0.places.flatMap { $0 } }) == expected, "\(tensor)")
    }
    let dma = DMAInstruction.random(using: &random, on: machine, dramBytes: 4096)
    let copied = NPUChecker.touches(of: Instruction(.dma(dma)), on: machine, in: program)
    for isWrite in [false, true] {
      var flat = Set<Int>()
      for touch in copied where touch.isWrite == isWrite {
        flat.formUnion(touch.places.flatMap { $0 }.map { $0 + touch.slice * machine.sramWindowBytes })
      }
      #expect(flat == runs(dma, isWrite), "\(dma)")
    }
  }
}

private func forEach(_ sizes: [Int], _ body: ([Int]) -> Void) {
  var index = [Int](repeating: 0, count: sizes.count)
  guard sizes.allSatisfy({ $0 > 0 }) else { return }
  while true {
    body(index)
    var axis = sizes.count - 1
    while axis >= 0 {
      index[axis] += 1
      if index[axis] < sizes[axis] { break }
      index[axis] = 0
      axis -= 1
    }
    if axis < 0 { return }
  }
}

private func fetched(_ tensor: TensorInstruction, _ slice: Int) -> Set<Int> {
  let fetch = tensor.fetch
  let j = slice - Int(tensor.firstSlice)
  var bytes = Set<Int>()
  forEach(tensor.loops.map { $0.kind == .time ? Int($0.size) : 1 }) { index in
    for e in 0..<Int(fetch.packetElements) {
      var isRead = true
      if fetch.validLoop != 255 {
        isRead = Int(fetch.validCount) - index[Int(fetch.validLoop)] * Int(fetch.packetElements) > e
      }
      for bound in fetch.bounds {
        var value = Int(bound.origin) + e * Int(bound.elementCoefficient)
        for (i, c) in zip(index, bound.coefficients) { value += i * Int(c) }
        value += j / Int(bound.divisor) % Int(bound.modulus) * Int(bound.step)
        isRead = isRead && value >= Int(bound.low) && value < Int(bound.high)
      }
      guard isRead else { continue }
      var address = Int(fetch.base) + e * fetch.element.size
      for (i, loop) in zip(index, tensor.loops) { address += i * Int(loop.fetchStride) }
      bytes.formUnion(address..<(address + fetch.element.size))
    }
  }
  return bytes
}

private func secondStream(_ tensor: TensorInstruction, _ slice: Int) -> Set<Int> {
  guard let second = tensor.second else { return [] }
  let shape = tensor.shape
  let isLoad = tensor.accumulate.start == .load
  let reducer = tensor.reducer
  let digit = (slice - Int(tensor.firstSlice)) / Int(reducer.stride) % Int(reducer.size)
  if !isLoad, reducer.kind != .none, reducer.output == .one, digit != 0 { return [] }
  var bytes = Set<Int>()
  let sizes = shape.retained.map {
    isLoad ? Int(tensor.loops[$0].size) : shape.outputSize(of: $0, in: tensor)
  }
  forEach(sizes) { index in
    for flit in 0..<shape.flits {
      for e in 0..<shape.flitElements {
        let size = isLoad ? 8 : second.stream.element.size
        let (lane, inner) = (flit / shape.flitsPerLane, flit % shape.flitsPerLane)
        var address = Int(second.stream.base) + lane * Int(second.operand.laneStride)
        address += inner * Int(second.operand.flitStride)
        for (i, loop) in zip(index, shape.retained) { address += i * Int(tensor.loops[loop].secondStride) }
        if !second.operand.isBroadcast { address += e * size }
        bytes.formUnion(address..<(address + size))
      }
    }
  }
  return bytes
}

private func runs(_ dma: DMAInstruction, _ isWrite: Bool) -> Set<Int> {
  var bytes = Set<Int>()
  forEach(dma.loops.map { Int($0.size) }) { index in
    var address = Int(isWrite ? dma.destination.base : dma.source.base)
    for (i, loop) in zip(index, dma.loops) {
      address += i * Int(isWrite ? loop.destinationStride : loop.sourceStride)
    }
    bytes.formUnion(address..<(address + Int(dma.runBytes)))
  }
  return bytes
}

/// Whatever a mutant is, the checker answers; and no wait of the clean program is idle.
@Test(arguments: Seed.all)
func mutantsAreAnswered(seed: Seed) throws {
  var random = seed.random
  let program = try NPUProgram(text: clean)
  let machine = try tiny.get()
  var kinds: [Mutant.Kind: (found: Int, all: Int)] = [:]
  for _ in 0..<400 {
    guard let mutant = Mutant.draw(from: program, using: &random) else { continue }
    #expect(mutant.program != program)
    let found = NPUChecker.check(mutant.program, on: machine)
    kinds[mutant.kind, default: (0, 0)].all += 1
    if !found.isEmpty { kinds[mutant.kind, default: (0, 0)].found += 1 }
    if mutant.path.hasSuffix("waits.removed") { #expect(!found.isEmpty, "\(mutant.path)") }
  }
  #expect(Set(kinds.keys) == Set(Mutant.Kind.allCases))
  #expect((kinds[.place]?.found ?? 0) * 2 > (kinds[.place]?.all ?? 0), "\(kinds)")
}
