import Support
import Tensors

/// One stream through the tensor unit of every slice in `slices`: fetch → switch → collect → contract or reduce →
/// inter-slice reducer → vector program → cast → transpose → commit (or a load of register files).
/// Docs/npu-machine.md defines it step by step.
public struct TensorInstruction: Hashable, Sendable {
  /// The slices that take part: `count` from `first` on.
  public var firstSlice: UInt16 = 0
  public var sliceCount: UInt16 = 1
  /// The nest of the stream, outermost first; at most eight, one per sequencer entry.
  public var loops: [Loop] = []
  public var fetch = Fetch()
  public var exchange = Exchange()
  public var accumulate = Accumulate()
  public var reducer = Reducer()
  public var vector = Vector()
  public var sink: Sink = .commit(Commit())

  public init() {}

  /// One loop of the nest. Strides of the sequencers belong to the loop.
  public struct Loop: Hashable, Sendable {
    public enum Kind: UInt8, CaseIterable, Hashable, Sendable {
      /// Advances the fetch.
      case time
      /// The outer (ring1) or inner (ring0) digit of the slice that the switch takes the packet from.
      case ring1
      case ring0
      /// Uses the packet again.
      case reuse
    }

    /// 1 … 65,536.
    public var size: UInt32 = 1
    public var kind = Kind.time
    /// Whether the accumulators add over it.
    public var isReduced = false
    /// Bytes. Zero for ring and reuse loops.
    public var fetchStride: Int32 = 0
    /// Units of the register file: row · lanes + lane. Contractions and loads of the register file.
    public var registerStride: Int32 = 0
    /// Bytes of the second stream. Zero for reduced loops.
    public var secondStride: Int32 = 0
    /// Bytes (or words of a vector register file or table sink). Zero for reduced loops.
    public var commitStride: Int32 = 0
    /// Words, one per vector operand that reads the vector registers. Zero for reduced loops.
    public var vectorStrides: [Int32] = []

    public init() {}
  }

  /// Reads of SRAM, and the fetch adapter.
  public struct Fetch: Hashable, Sendable {
    /// Bytes from the start of the slice's SRAM.
    public var base: Int32 = 0
    public var element = ElementType.i8
    /// Elements of a packet; its bytes are 1, 2, 4, 8, 16 or 32. Contraction: fills a lane's packet or less.
    /// Vector path: 1 … 8.
    public var packetElements: UInt8 = 1
    /// Vector path: the packet is one element, repeated over the eight of a flit.
    public var isBroadcast = false
    /// The time loop along which `validCount` counts: packet i of it has the elements below
    /// `validCount − i · packetElements`. 255: all are valid.
    public var validLoop: UInt8 = 255
    public var validCount: UInt32 = 0
    /// At most two.
    public var bounds: [Bound] = []
    /// Elements out of a bound: nil contributes nothing to an accumulation and reads as 0 in a map; else the
    /// value (i32, or bits of f32) that stands for them after the adapter.
    public var outside: UInt32?
    /// Subtracted from integers.
    public var zeroPoint: Int16 = 0
    /// The table slot that an i8 or u8 element is looked up in instead (key = element, from −128 on).
    public var table: UInt8?

    public init() {}
  }

  /// A coordinate that must lie in low ..< high: origin + Σ coefficient · index + (slice / divisor % modulus) · step.
  /// `slice` counts from `firstSlice`.
  public struct Bound: Hashable, Sendable {
    public var origin: Int32 = 0
    /// One per loop of the nest; zero but for time loops.
    public var coefficients: [Int32] = []
    /// Per element of the packet.
    public var elementCoefficient: Int32 = 0
    public var divisor: UInt16 = 1
    public var modulus: UInt16 = 1
    public var step: Int32 = 0
    public var low: Int32 = 0
    public var high: Int32 = 0

    public init() {}
  }

  /// The switch: which slice's packet a slice receives. The slices in digits: j = (j2 · outer + j1) · inner + j0.
  public struct Exchange: Hashable, Sendable {
    public enum Kind: UInt8, CaseIterable, Hashable, Sendable {
      case forward
      /// From (j2, ring1, j0).
      case broadcast1
      /// From (j2, ring1, ring0).
      case broadcast01
      /// The result's digits are (j2, j0 of size inner, j1 of size outer): from the slice with them exchanged.
      case transpose
      /// Result digits (j2, any of size inner, j1): from (j2, j1, ring0).
      case transposedBroadcast1
      /// From (j2, ring1, j0), at the index j1 of the time loop `loop`, which leaves the nest after the switch.
      case interTranspose
      /// From slice j − distance within rings of `outer · inner` slices, around the end.
      case shift
      /// At index 0 of the time loop `loop` from slice j − distance, at index 1 from slice j + distance, as for a shift.
      case neighbours
    }

    public var kind = Kind.forward
    /// Size of digit 1; a power of two.
    public var outer: UInt16 = 1
    /// Size of digit 0; a power of two.
    public var inner: UInt16 = 1
    /// shift and neighbours only; may be negative.
    public var distance: Int16 = 0
    /// interTranspose: the time loop, of size `outer`. neighbours: the time loop, of size 2.
    public var loop: UInt8 = 0

    public init() {}
  }

  /// Contraction engine, intra-slice reductions, and the accumulators.
  public struct Accumulate: Hashable, Sendable {
    public enum Kind: UInt8, CaseIterable, Hashable, Sendable {
      /// The stream goes on as it is.
      case none
      /// Products with the register file.
      case contract
      case sum
      case product
      case maximum
      case minimum
      case argumentOfMaximum
      case argumentOfMinimum
    }
    public enum Start: UInt8, CaseIterable, Hashable, Sendable {
      case zero
      /// From what the accumulators hold.
      case keep
      /// From cells in SRAM, which the second stream reads (64 bits each).
      case load
    }
    public enum Finish: UInt8, CaseIterable, Hashable, Sendable {
      case drain
      /// Nothing leaves; the accumulators hold the sums for the next instruction.
      case keep
      /// The commit writes the cells as they are (64 bits each).
      case spill
    }
    public enum LaneOrder: UInt8, CaseIterable, Hashable, Sendable {
      /// A flit is the lanes of one column.
      case interleaved
      /// A flit is eight columns of one lane.
      case sequential
    }

    public var kind = Kind.none
    /// Units of the register file.
    public var registerBase: Int32 = 0
    /// Active lanes: 1, 2, 4, 8.
    public var lanes: UInt8 = 8
    /// Levels of the adder tree in a packet: a lane leaves packetElements >> treeDepth columns.
    public var treeDepth: UInt8 = 0
    public var laneOrder = LaneOrder.interleaved
    public var start = Start.zero
    public var finish = Finish.drain
    /// f32 sums only: element i of the reduction goes to partial sum i mod 16, and a tree adds them at the end.
    public var hasSixteenPartials = false

    public init() {}
  }

  /// Sums over slices, before the vector program: over digit (j / stride) % size.
  public struct Reducer: Hashable, Sendable {
    public enum Kind: UInt8, CaseIterable, Hashable, Sendable {
      case none
      case sum
      case maximum
      case minimum
    }
    public enum Output: UInt8, CaseIterable, Hashable, Sendable {
      /// The slice with digit d goes on with part `part(of: d)` of the loop `loop`, whose index there counts from 0.
      case scatter
      /// Every slice goes on with everything.
      case all
      /// Only digit 0 goes on.
      case one
    }

    public var kind = Kind.none
    public var size: UInt16 = 1
    public var stride: UInt16 = 1
    public var output = Output.all
    /// scatter only: a retained loop, of a size that `parts` divides.
    public var loop: UInt8 = 0
    /// scatter only: slices of a digit that go on with the same part; it divides `size`.
    public var repeats: UInt16 = 1
    /// scatter only: whether neighbours of a digit have the parts in turn; else the same part.
    public var alternates = false

    public init() {}

    /// Parts that a scatter deals out; 1 for the other outputs.
    public var parts: Int {
      kind != .none && output == .scatter ? max(Int(size) / max(Int(repeats), 1), 1) : 1
    }

    /// The part of a slice with this digit.
    public func part(of digit: Int) -> Int {
      parts == 1 ? 0 : alternates ? digit % parts : digit / max(Int(repeats), 1)
    }
  }

  /// The vector engine: one program over every element that leaves.
  public struct Vector: Hashable, Sendable {
    /// The program of the pool, or nil: elements pass.
    public var program: UInt16?
    /// What `operand(n)` of the program reads.
    public var operands: [VectorOperand] = []

    public init() {}
  }

  public struct VectorOperand: Hashable, Sendable {
    public enum Source: Hashable, Sendable {
      /// Words of the vector registers: base, and the place of this operand's stride in `Loop.vectorStrides`.
      case registers(base: Int32)
      /// The second stream; at most one operand.
      case second(Second)
    }

    public var source: Source
    /// From flit to flit of one lane, in words or bytes.
    public var flitStride: Int32 = 0
    /// The eight elements of a flit read the same word.
    public var isBroadcast = false
    /// From lane to lane of a sequential drain, in words or bytes.
    public var laneStride: Int32 = 0

    public init(_ source: Source) { self.source = source }
  }

  public struct Second: Hashable, Sendable {
    public var base: Int32 = 0
    public var element = ElementType.i8

    public init() {}
  }

  public enum Sink: Hashable, Sendable {
    case commit(Commit)
    /// Packets to the register file: unit = base + Σ index · registerStride.
    case registerFile(base: Int32)
    /// 32-bit elements to the vector registers: word = base + Σ index · commitStride + element.
    case vectorRegisters(base: Int32)
    /// 32-bit elements to the tables: word = base + Σ index · commitStride + element; slot n starts at word 256 n.
    case tables(base: Int32)
  }

  /// Cast, transpose, and writes of SRAM.
  public struct Commit: Hashable, Sendable {
    public var base: Int32 = 0
    /// What is stored: f32 rounds once, i32 clamps. Ignored by a spill.
    public var element = ElementType.i8
    /// The first elements of each flit that are written, 1 … 8.
    public var elements: UInt8 = 8
    /// Bytes from flit to flit of one lane.
    public var flitStride: Int32 = 0
    /// Rows of the transposer: 1 (off), 2, 4, 8. That many consecutive flits, along the innermost retained loop, leave as
    /// eight flits of as many elements, `columnStride` bytes apart.
    public var transposeRows: UInt8 = 1
    public var columnStride: Int32 = 0
    /// Bytes from lane to lane of a sequential drain.
    public var laneStride: Int32 = 0

    public init() {}
  }
}
