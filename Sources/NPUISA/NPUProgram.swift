import KernelIR
import Support
import Tensors

/// The lists of all contexts, by `Context.index`: main, sub, then one per DMA engine.
public struct Code: Hashable, Sendable {
  public var contexts: [[Instruction]]

  public init(engines: Int) { contexts = Array(repeating: [], count: 2 + engines) }

  public var isEmpty: Bool { contexts.allSatisfy(\.isEmpty) }
}

/// A binary of the slice machine: what a `.fur` carries as its payload.
public struct NPUProgram: Hashable, Sendable {
  /// A place in DRAM that the host writes before a run or reads after it, row-major.
  public struct Port: Hashable, Sendable {
    public var name: String
    public var type: TensorType
    public var address: Int64

    public init(name: String, type: TensorType, address: Int64) {
      self.name = name
      self.type = type
      self.address = address
    }
  }

  /// Bytes that are in DRAM before the load program runs.
  public struct Image: Hashable, Sendable {
    public var address: Int64
    public var bytes: [UInt8]

    public init(address: Int64, bytes: [UInt8]) {
      self.address = address
      self.bytes = bytes
    }
  }

  /// What an instruction's `kernel` refers to.
  public struct KernelEntry: Hashable, Sendable {
    public var name: String
    /// Numbers of the graph's nodes.
    public var sources: [Int]

    public init(name: String, sources: [Int]) {
      self.name = name
      self.sources = sources
    }
  }

  /// Where a value lies complete in memory, for `--layers`: element (c0, c1, …) of dimension d is at
  /// Σ (cd / block) · blockStride + (cd % block) · stride, from `base` on; in SRAM the flat address.
  public struct Residence: Hashable, Sendable {
    public struct Dimension: Hashable, Sendable {
      public var block: Int64
      public var blockStride: Int64
      public var stride: Int64

      public init(block: Int64, blockStride: Int64, stride: Int64) {
        self.block = block
        self.blockStride = blockStride
        self.stride = stride
      }
    }

    public var name: String
    public var type: TensorType
    public var place: DMAInstruction.Place
    public var dimensions: [Dimension]
    /// Complete from the completion of this instruction (context index, position) …
    public var from: Wait
    /// … until this one starts, or to the end of the run.
    public var until: Wait?

    public init(
      name: String, type: TensorType, place: DMAInstruction.Place, dimensions: [Dimension], from: Wait
    ) {
      self.name = name
      self.type = type
      self.place = place
      self.dimensions = dimensions
      self.from = from
    }
  }

  /// Places the resident weights; runs once.
  public var load: Code
  /// Runs once per inference.
  public var run: Code
  /// The programs of the vector engine. Their `table(n)` is slot n.
  public var programs: [Program] = []
  public var inputs: [Port] = []
  public var outputs: [Port] = []
  public var images: [Image] = []
  public var kernels: [KernelEntry] = []
  public var residences: [Residence] = []
  /// All DRAM addresses lie below.
  public var dramBytes: Int64 = 0
  /// Of `load` and `run`, as the schedule predicts them.
  public var predictedLoadTicks: Int64 = 0
  public var predictedRunTicks: Int64 = 0

  public init(engines: Int) {
    load = Code(engines: engines)
    run = Code(engines: engines)
  }
}
