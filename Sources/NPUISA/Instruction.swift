import Support

/// Who issues an instruction. Each context runs its own list in order; contexts run concurrently.
public enum Context: Hashable, Sendable {
  case main
  case sub
  case dma(Int)

  /// main 0, sub 1, DMA engine e 2 + e. Also the number of the tag that the context signals: the tag counts
  /// the instructions of the context that have completed.
  public var index: Int {
    switch self {
    case .main: 0
    case .sub: 1
    case .dma(let engine): 2 + engine
    }
  }

  public init(index: Int) { self = index == 0 ? .main : index == 1 ? .sub : .dma(index - 2) }
}

/// Holds an instruction until `count` instructions of the context with index `tag` have completed.
public struct Wait: Hashable, Comparable, Sendable {
  public var tag: UInt8
  public var count: UInt32

  public init(tag: UInt8, count: UInt32) {
    self.tag = tag
    self.count = count
  }

  public static func < (left: Wait, right: Wait) -> Bool {
    (left.tag, left.count) < (right.tag, right.count)
  }
}

/// One entry of a context's list.
public struct Instruction: Hashable, Sendable {
  public enum Body: Hashable, Sendable {
    case tensor(TensorInstruction)
    case dma(DMAInstruction)
    case control(ControlInstruction)
  }

  /// At most four, of different tags, in ascending order.
  public var waits: [Wait] = []
  /// The kernel that it belongs to: an index into the program's kernel table.
  public var kernel: UInt32 = 0
  public var body: Body

  public init(waits: [Wait] = [], kernel: UInt32 = 0, _ body: Body) {
    self.waits = waits
    self.kernel = kernel
    self.body = body
  }
}

public enum ControlInstruction: Hashable, Sendable {
  /// Only waits.
  case wait
  /// Holds until every context of the machine that has a barrier left in its list is at one; the n-th barriers of all
  /// contexts meet. All contexts that have code must have equally many.
  case barrier
  /// Repeats the next `body` instructions of the list `count` times. In iteration i the addresses grow by i times
  /// the steps. Bodies hold no control instructions but `wait`.
  case loop(Loop)

  public struct Loop: Hashable, Sendable {
    public var count: UInt32 = 1
    public var body: UInt32 = 1
    public var fetchStep: Int32 = 0
    public var secondStep: Int32 = 0
    public var commitStep: Int32 = 0
    public var registerStep: Int32 = 0
    public var sourceStep: Int64 = 0
    public var destinationStep: Int64 = 0
    /// Added to the count of every wait of the body.
    public var waitStep: UInt32 = 0

    public init() {}
  }
}
