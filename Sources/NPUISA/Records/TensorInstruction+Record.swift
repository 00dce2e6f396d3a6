import Support
import Tensors

extension TensorInstruction: Record {
  public static let defaults = TensorInstruction()
  public static let summary = "one stream through the tensor unit of every slice that takes part"
  public static let fields: [RecordField<Self>] = [
    RecordField("first_slice", \.firstSlice, "the first slice that takes part"),
    RecordField("slice_count", \.sliceCount, in: 1...65535, "slices that take part"),
    RecordField("loops", \.loops, in: 0...8, "the nest, outermost first"),
    RecordField("fetch", \.fetch, "reads of SRAM and the adapter"),
    RecordField("exchange", \.exchange, "the switch"),
    RecordField("accumulate", \.accumulate, "contraction, reductions and accumulators"),
    RecordField("reducer", \.reducer, "sums over slices"),
    RecordField("vector", \.vector, "the vector engine"),
    RecordField("sink", \.sink, "where the stream ends"),
  ]
}

extension TensorInstruction.Loop: Record {
  public static let defaults = Self()
  public static let summary = "one loop of the nest, with the strides of the sequencers"
  public static let fields: [RecordField<Self>] = [
    RecordField("size", \.size, in: 1...65536, "iterations"),
    RecordField("kind", \.kind, "what the loop drives"),
    RecordField("reduced", \.isReduced, "whether accumulators add over it"),
    RecordField("fetch", \.fetchStride, "stride of the fetch, bytes"),
    RecordField("register", \.registerStride, "stride in the register file, units"),
    RecordField("second", \.secondStride, "stride of the second stream, bytes"),
    RecordField("commit", \.commitStride, "stride of the sink, bytes or words"),
    RecordField("vector", \.vectorStrides, in: 0...255, "strides of the operands in vector registers, words"),
  ]
}

extension TensorInstruction.Loop.Kind: FieldEnum {}

extension TensorInstruction.Fetch: Record {
  public static let defaults = Self()
  public static let summary = "reads of SRAM and the fetch adapter"
  public static let fields: [RecordField<Self>] = [
    RecordField("base", \.base, "address in the slice's SRAM, bytes"),
    RecordField("element", \.element, "stored type"),
    RecordField("packet", \.packetElements, in: 1...32, "elements of a packet"),
    RecordField("broadcast", \.isBroadcast, "the one element stands for eight"),
    RecordField("valid_loop", \.validLoop, "time loop along which valid_count counts; 255: all are valid"),
    RecordField("valid_count", \.validCount, "valid elements along that loop"),
    RecordField("bounds", \.bounds, in: 0...2, "coordinates that must lie in their ranges"),
    RecordField(optional: "outside", \.outside, "what stands for elements out of bounds; absent: skipped"),
    RecordField("zero_point", \.zeroPoint, "subtracted from integers"),
    RecordField(optional: "table", \.table, "table slot that an element is looked up in"),
  ]
}

extension TensorInstruction.Bound: Record {
  public static let defaults = Self()
  public static let summary =
    "origin + Σ coefficient · index + e · element + (slice / divisor % modulus) · step lies in low ..< high"
  public static let fields: [RecordField<Self>] = [
    RecordField("origin", \.origin, "the coordinate at the start"),
    RecordField("coefficients", \.coefficients, in: 0...8, "one per loop"),
    RecordField("element", \.elementCoefficient, "per element of a packet"),
    RecordField("divisor", \.divisor, in: 1...65535, "of the slice's number, counted from first_slice"),
    RecordField("modulus", \.modulus, in: 1...65535, "of the quotient"),
    RecordField("step", \.step, "per remainder"),
    RecordField("low", \.low, "first value inside"),
    RecordField("high", \.high, "first value outside"),
  ]
}

extension TensorInstruction.Exchange: Record {
  public static let defaults = Self()
  public static let summary = "which slice's packet a slice receives"
  public static let fields: [RecordField<Self>] = [
    RecordField("kind", \.kind, "the rule"),
    RecordField("outer", \.outer, in: 1...65535, "size of digit 1, a power of two"),
    RecordField("inner", \.inner, in: 1...65535, "size of digit 0, a power of two"),
    RecordField("distance", \.distance, "of a shift or of neighbours, slices"),
    RecordField(
      "loop", \.loop, "that leaves the nest in an interTranspose, or that has the directions of neighbours"),
  ]
}

extension TensorInstruction.Exchange.Kind: FieldEnum {}

extension TensorInstruction.Accumulate: Record {
  public static let defaults = Self()
  public static let summary = "contraction engine, reductions inside a slice, and the accumulators"
  public static let fields: [RecordField<Self>] = [
    RecordField("kind", \.kind, "what is accumulated"),
    RecordField("register_base", \.registerBase, "of the contraction's stationary operand, units"),
    RecordField("lanes", \.lanes, in: 1...8, "active lanes"),
    RecordField("tree_depth", \.treeDepth, in: 0...5, "levels of the adder tree in a packet"),
    RecordField("lane_order", \.laneOrder, "what a flit of a drain holds"),
    RecordField("start", \.start, "what the cells hold before"),
    RecordField("finish", \.finish, "what becomes of the cells"),
    RecordField("sixteen", \.hasSixteenPartials, "f32 sums by sixteen partial sums"),
  ]
}

extension TensorInstruction.Accumulate.Kind: FieldEnum {}
extension TensorInstruction.Accumulate.Start: FieldEnum {}
extension TensorInstruction.Accumulate.Finish: FieldEnum {}
extension TensorInstruction.Accumulate.LaneOrder: FieldEnum {}

extension TensorInstruction.Reducer: Record {
  public static let defaults = Self()
  public static let summary = "over the slices that differ in digit (j / stride) % size"
  public static let fields: [RecordField<Self>] = [
    RecordField("kind", \.kind, "what is computed"),
    RecordField("size", \.size, in: 1...65535, "slices that are reduced to one"),
    RecordField("stride", \.stride, in: 1...65535, "from one of them to the next"),
    RecordField("output", \.output, "who goes on with what"),
    RecordField("loop", \.loop, "that is scattered"),
    RecordField("repeats", \.repeats, in: 1...65535, "slices that go on with the same part"),
    RecordField("alternates", \.alternates, "whether neighbours have the parts in turn, else the same"),
  ]
}

extension TensorInstruction.Reducer.Kind: FieldEnum {}
extension TensorInstruction.Reducer.Output: FieldEnum {}

extension TensorInstruction.Vector: Record {
  public static let defaults = Self()
  public static let summary = "one program over every element that leaves"
  public static let fields: [RecordField<Self>] = [
    RecordField(optional: "program", \.program, "number in the pool; absent: elements pass"),
    RecordField("operands", \.operands, in: 0...255, "what operand(n) of the program reads"),
  ]
}

extension TensorInstruction.VectorOperand: Record {
  public static let defaults = Self(.registers(base: 0))
  public static let summary = "an operand of the vector program"
  public static let fields: [RecordField<Self>] = [
    RecordField("source", \.source, "where it is"),
    RecordField("flit", \.flitStride, "from flit to flit of a lane, words or bytes"),
    RecordField("broadcast", \.isBroadcast, "the elements of a flit read one word or element"),
    RecordField("lane", \.laneStride, "from lane to lane of a sequential drain, words or bytes"),
  ]
}

extension TensorInstruction.VectorOperand.Source: Variant {
  public static let summary = "where an operand of the vector program is"
  public static let cases: [VariantCase<Self>] = [
    VariantCase(
      "registers", { if case .registers(let base) = $0 { base } else { nil } }, { .registers(base: $0) },
      "vector registers from this word on"),
    VariantCase(
      "second", { if case .second(let second) = $0 { second } else { nil } }, { .second($0) },
      "the second stream"),
  ]
}

extension TensorInstruction.Second: Record {
  public static let defaults = Self()
  public static let summary = "the second stream"
  public static let fields: [RecordField<Self>] = [
    RecordField("base", \.base, "address in the slice's SRAM, bytes"),
    RecordField("element", \.element, "stored type"),
  ]
}

extension TensorInstruction.Sink: Variant {
  public static let summary = "where the stream ends"
  public static let cases: [VariantCase<Self>] = [
    VariantCase(
      "commit", { if case .commit(let commit) = $0 { commit } else { nil } }, { .commit($0) },
      "SRAM of the slice"),
    VariantCase(
      "registerFile", { if case .registerFile(let base) = $0 { base } else { nil } },
      { .registerFile(base: $0) }, "packets to the register file from this unit on"),
    VariantCase(
      "vectorRegisters", { if case .vectorRegisters(let base) = $0 { base } else { nil } },
      { .vectorRegisters(base: $0) }, "elements to the vector registers from this word on"),
    VariantCase(
      "tables", { if case .tables(let base) = $0 { base } else { nil } }, { .tables(base: $0) },
      "elements to the tables from this word on"),
  ]
}

extension TensorInstruction.Commit: Record {
  public static let defaults = Self()
  public static let summary = "cast, transpose and writes of SRAM"
  public static let fields: [RecordField<Self>] = [
    RecordField("base", \.base, "address in the slice's SRAM, bytes"),
    RecordField("element", \.element, "stored type"),
    RecordField("elements", \.elements, in: 1...8, "elements of a flit that are written"),
    RecordField("flit", \.flitStride, "from flit to flit of a lane, bytes"),
    RecordField("rows", \.transposeRows, in: 1...8, "rows of the transposer; 1: off"),
    RecordField("column", \.columnStride, "from column to column behind the transposer, bytes"),
    RecordField("lane", \.laneStride, "from lane to lane of a sequential drain, bytes"),
  ]
}
