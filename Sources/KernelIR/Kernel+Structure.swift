import Support
import Tensors

extension Kernel {
  /// 0 ..< extent of every axis, in the order of the axes.
  public var ranges: [Range<Int>] { axes.ids.map { 0..<max(axes[$0].extent, 0) } }

  /// The operands that the form itself consumes; those after them are for the post-program.
  public var formOperandCount: Int {
    switch form {
    case .contract, .gather: 2
    case .map: 0
    case .reduce: 1
    case .scatter: 3
    case .move: operands.count
    }
  }

  /// What the post-program's `input` holds, or nil where there is none. By the types of the operands; K5
  /// holds their programs to it.
  public var inputKind: Program.Kind? {
    switch form {
    case .contract: accumulation == .integer ? .integer : .float
    case .reduce(.argumentOfMaximum), .reduce(.argumentOfMinimum): .integer
    case .reduce: operands.first.flatMap { try? valueKind(of: $0) }
    case .map: nil
    case .move, .gather, .scatter: Program.Kind(element)
    }
  }

  /// The kind of an operand after its pre-program. - Throws: `invalidKernel` where that is not well typed.
  public func valueKind(of operand: Operand) throws(Diagnostic) -> Program.Kind {
    guard !operand.pre.isIdentity else { return Program.Kind(operand.type.element) }
    return try operand.pre.kind(input: Program.Kind(operand.type.element), operands: [], tables: tables)
  }

  /// Whether the form copies elements, and so has no programs.
  public var isCopy: Bool {
    switch form {
    case .move, .gather, .scatter: true
    case .contract, .map, .reduce: false
    }
  }

  /// The number of elements of the result. - Precondition: the kernel is verified.
  public var elements: Int { axes(.parallel).reduce(1) { $0 * axes[$1].extent } }

  /// The number of points that the form visits: elements times the extent of the reduction.
  /// - Precondition: the kernel is verified.
  public var points: Int { axes.ids.reduce(1) { $0 * axes[$1].extent } }

  /// Multiplications of a contraction, those with skipped or filled elements included; 0 for other forms.
  /// - Precondition: the kernel is verified.
  public var macs: Int { form == .contract ? points : 0 }
}

extension KernelGraph {
  /// Multiply-adds of all contractions, those with elements out of bounds included.
  public var macs: Int { nodes.ids.reduce(0) { $0 + (nodes[$1].kernel?.macs ?? 0) } }
}
