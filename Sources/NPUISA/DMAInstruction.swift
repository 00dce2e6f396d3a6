import Support

/// Copies bytes between memories: for every index of the loops one run of `runBytes`.
public struct DMAInstruction: Hashable, Sendable {
  public enum Memory: UInt8, CaseIterable, Hashable, Sendable {
    case dram
    /// Flat: slice · sramWindowBytes + offset.
    case sram
  }

  public struct Place: Hashable, Sendable {
    public var memory: Memory
    public var base: Int64

    public init(_ memory: Memory, _ base: Int64) {
      self.memory = memory
      self.base = base
    }
  }

  public struct Loop: Hashable, Sendable {
    /// 1 … 65,536.
    public var size: UInt32
    /// Bytes.
    public var sourceStride: Int64
    public var destinationStride: Int64

    public init(_ size: UInt32, source: Int64, destination: Int64) {
      self.size = size
      sourceStride = source
      destinationStride = destination
    }
  }

  /// The first loop's steps come from a list of i32 instead of its stride on one side.
  public struct Index: Hashable, Sendable {
    public enum Side: UInt8, CaseIterable, Hashable, Sendable {
      case gather
      case scatter
    }

    public var side: Side
    /// Of the list: one i32 per step of the first loop.
    public var list: Place
    /// Rows that the indexed side has; an index outside −rows ..< rows is a run-time error, a negative one counts
    /// from the end.
    public var rows: UInt32

    public init(_ side: Side, list: Place, rows: UInt32) {
      self.side = side
      self.list = list
      self.rows = rows
    }
  }

  public var source: Place
  public var destination: Place
  /// Outermost first; at most eight.
  public var loops: [Loop] = []
  /// 1 … 4096.
  public var runBytes: UInt32 = 1
  public var index: Index?

  public init(from source: Place, to destination: Place, run bytes: UInt32, _ loops: [Loop] = []) {
    self.source = source
    self.destination = destination
    self.loops = loops
    runBytes = bytes
  }
}
