import CKernels
import KernelIR
import Support
import Tensors

/// A program as `furc_program.h` runs it: operands' pre-programs inlined, steps that are the same for all
/// elements first, registers assigned to as few blocks as their lifetimes allow.
public struct ProgramEncoding: Sendable {
  /// A stream of stored elements that the program loads.
  public enum Source: Hashable, Sendable {
    case input
    case operand(Int)
  }

  /// What the program knows of an operand.
  public struct Argument: Sendable {
    public var element: ElementType
    public var pre: Program
    /// Whether every point reads the same element: it is then loaded once per call, and its strides must be 0.
    public var isUniform: Bool

    public init(_ element: ElementType, pre: Program = .identity, isUniform: Bool = false) {
      self.element = element
      self.pre = pre
      self.isUniform = isUniform
    }
  }

  /// The streams in the order in which a run takes them.
  public private(set) var sources: [Source] = []
  /// What each source stores.
  public private(set) var elements: [ElementType] = []
  /// What the result stores.
  public let element: ElementType
  public let tables: [Table]
  private(set) var steps: [furc_step] = []
  private(set) var uniformCount = 0
  private(set) var blockCount = 0
  private(set) var resultBlock = 0

  /// - Parameter input: what the stream of the input stores, or nil for programs without one.
  /// - Parameter arguments: by operand number, nil where the program may not read one.
  /// - Returns: Nil beyond the limits of `furc_program.h`; the evaluator runs such a program.
  /// - Throws: `invalidKernel` unless the programs are well typed and end in the kind of `element`.
  public init?(
    _ program: Program, input: ElementType? = nil, arguments: [Argument?] = [], tables: [Table] = [],
    element: ElementType
  ) throws(Diagnostic) {
    self.element = element
    self.tables = tables
    let flat = try Self.inlined(program, input, arguments, tables).withoutDeadSteps
    let stored = arguments.map { $0.map { Program.Kind($0.element) } }
    let kinds = try flat.kinds(input: input.map { Program.Kind($0) }, operands: stored, tables: tables)
    guard flat.steps.contains(flat.result), kinds[flat.result] == Program.Kind(element) else {
      throw Diagnostic(.invalidKernel, "the program does not end in the kind of \(element.rawValue)")
    }
    guard encode(flat, kinds, input, arguments) else { return nil }
  }

  /// The post-program of a kernel.
  /// - Parameter uniform: the operands that read the same element at every point.
  /// - Throws: `invalidKernel`, as above. - Returns: Nil as above.
  public init?(post kernel: Kernel, uniform: Set<Int> = []) throws(Diagnostic) {
    let arguments = kernel.operands.enumerated().map { (index, operand) in
      Argument(operand.type.element, pre: operand.pre, isUniform: uniform.contains(index))
    }
    let input: ElementType?
    switch kernel.form {
    case .contract: input = kernel.accumulation == .integer ? .i32 : .f32
    case .reduce(.argumentOfMaximum), .reduce(.argumentOfMinimum): input = .i32
    case .reduce:
      guard let argument = arguments.first else {
        throw Diagnostic(.invalidKernel, "a reduction has no operand")
      }
      let stored = Program.Kind(argument.element)
      let kind = try argument.pre.kind(input: stored, operands: [], tables: kernel.tables)
      input = kind == .float ? .f32 : .i32
    case .map, .move, .gather, .scatter: input = nil
    }
    try self.init(
      kernel.post, input: input, arguments: arguments, tables: kernel.tables, element: kernel.element)
  }

  /// The program with each operand's pre-program behind its load, so that `operand` means the stored element.
  private static func inlined(
    _ program: Program, _ input: ElementType?, _ arguments: [Argument?], _ tables: [Table]
  ) throws(Diagnostic) -> Program {
    var kinds: [Program.Kind?] = []
    for argument in arguments {
      let stored = argument.map { Program.Kind($0.element) }
      kinds.append(try argument?.pre.kind(input: stored, operands: [], tables: tables))
    }
    _ = try program.kinds(input: input.map { Program.Kind($0) }, operands: kinds, tables: tables)
    guard program.steps.contains(program.result) else {
      throw Diagnostic(.invalidKernel, "the result \(program.result) is not defined")
    }
    var loaded = [Register](repeating: .none, count: arguments.count)
    return Program { flat in
      var renamed = SideTable<Register, Register>(default: .none)
      for register in program.steps.ids {
        if case .operand(let index) = program.steps[register], let argument = arguments[index] {
          if loaded[index].isNone {
            let stored = flat.append(.operand(index))
            loaded[index] = flat.append(argument.pre, input: stored)
          }
          renamed[register] = loaded[index]
        } else {
          renamed[register] = flat.append(program.steps[register].mapping(registers: { renamed[$0] }))
        }
      }
      return renamed[program.result]
    }
  }
}

extension ProgramEncoding {
  /// Returns false where a limit is exceeded.
  /// - Precondition: `flat` has these kinds.
  private mutating func encode(
    _ flat: Program, _ kinds: EntityMap<Register, Program.Kind>, _ input: ElementType?,
    _ arguments: [Argument?]
  ) -> Bool {
    // Steps that change nothing, and repeated loads and constants, stand for an earlier register.
    var same = SideTable<Register, Register>(default: .none)
    var first: [Program.Step: Register] = [:]
    var isUniform = SideTable<Register, Bool>(default: false)
    var order: (uniform: [Register], rest: [Register]) = ([], [])
    for register in flat.steps.ids {
      let step = flat.steps[register].mapping(registers: { same[$0] })
      same[register] = register
      switch step {
      case .convert(.f32, let value), .convert(.i32, let value):
        same[register] = value
        continue
      case .input, .operand, .integer, .float:
        if let earlier = first[step] {
          same[register] = earlier
          continue
        }
        first[step] = register
        if case .operand(let index) = step {
          isUniform[register] = arguments[index]?.isUniform ?? false
        } else {
          isUniform[register] = step != .input
        }
      default: isUniform[register] = step.reads.allSatisfy { isUniform[$0] }
      }
      if isUniform[register] { order.uniform.append(register) } else { order.rest.append(register) }
    }
    let result = same[flat.result]
    let sequence = order.uniform + order.rest
    uniformCount = order.uniform.count

    var lastRead = SideTable<Register, Int>(default: -1)
    for (position, register) in sequence.enumerated() {
      for read in flat.steps[register].reads { lastRead[same[read]] = position }
    }
    for register in order.uniform { lastRead[register] = .max }
    // The block of a source that repeats is loaded once for many.
    for register in order.rest where flat.steps[register].isLoad { lastRead[register] = .max }
    lastRead[result] = .max
    var free: [Int] = []
    var blocks = SideTable<Register, Int>(default: 0)
    for (position, register) in sequence.enumerated() {
      let reads = flat.steps[register].reads.map { same[$0] }
      // Taken before those of the operands become free: a step's result is none of what it reads.
      if let block = free.popLast() {
        blocks[register] = block
      } else {
        blocks[register] = blockCount
        blockCount += 1
      }
      guard blockCount <= FURC_PROGRAM_MAX_BLOCKS else { return false }
      guard
        let step = encoded(
          flat.steps[register], blocks[register], reads.map { blocks[$0] }, kinds, reads, input, arguments)
      else { return false }
      steps.append(step)
      for (index, read) in reads.enumerated()
      where lastRead[read] == position && !reads[..<index].contains(read) {
        free.append(blocks[read])
      }
    }
    resultBlock = blocks[result]
    return true
  }

  private mutating func encoded(
    _ step: Program.Step, _ block: Int, _ reads: [Int], _ kinds: EntityMap<Register, Program.Kind>,
    _ registers: [Register], _ input: ElementType?, _ arguments: [Argument?]
  ) -> furc_step? {
    var record = furc_step()
    record.result = UInt16(block)
    if reads.count > 0 { record.a = UInt16(reads[0]) }
    if reads.count > 1 { record.b = UInt16(reads[1]) }
    if reads.count > 2 { record.c = UInt16(reads[2]) }
    let isFloat = registers.first.map { kinds[$0] == .float } ?? false
    let opcode: Int
    switch step {
    case .input, .operand:
      guard sources.count < FURC_PROGRAM_MAX_SOURCES else { return nil }
      opcode = FURC_OP_LOAD
      record.immediate.0 = Int32(sources.count)
      if case .operand(let index) = step, let argument = arguments[index] {
        sources.append(.operand(index))
        elements.append(argument.element)
      } else if let input {
        sources.append(.input)
        elements.append(input)
      }
    case .integer(let value):
      opcode = FURC_OP_CONSTANT
      record.immediate.0 = value
    case .float(let bits):
      opcode = FURC_OP_CONSTANT
      record.immediate.0 = Int32(bitPattern: bits)
    case .unary(let op, _): opcode = op.opcode(isFloat: isFloat)
    case .binary(let op, _, _): opcode = op.opcode(isFloat: isFloat)
    case .fma: opcode = FURC_OP_FMA
    case .select: opcode = FURC_OP_SELECT
    case .convert(let element, _):
      switch element {
      case .f8e4m3: opcode = FURC_OP_CONVERT_E4M3
      case .f8e5m2: opcode = FURC_OP_CONVERT_E5M2
      case .bf16: opcode = FURC_OP_CONVERT_BF16
      case .f16: opcode = FURC_OP_CONVERT_F16
      default:
        guard let range = element.integerRange else { return nil }
        opcode = FURC_OP_CONVERT_I32
        record.immediate = (range.lowerBound, range.upperBound, 0)
      }
    case .requant(_, _, _, let zeroPoint, let low, let high):
      opcode = FURC_OP_REQUANT
      record.immediate = (zeroPoint, low, high)
    case .quantize(_, _, let zeroPoint, let low, let high):
      opcode = FURC_OP_QUANTIZE
      record.immediate = (zeroPoint, low, high)
    case .dequantize(_, _, let zeroPoint):
      opcode = FURC_OP_DEQUANTIZE
      record.immediate.0 = zeroPoint
    case .table(let index, _):
      opcode = FURC_OP_TABLE
      record.immediate.0 = Int32(index)
    }
    record.opcode = UInt16(opcode)
    return record
  }
}

extension Program.Step {
  fileprivate var isLoad: Bool {
    switch self {
    case .input, .operand: true
    default: false
    }
  }
}

extension Program.Unary {
  fileprivate func opcode(isFloat: Bool) -> Int {
    switch self {
    case .negate: isFloat ? FURC_OP_NEGATE_F32 : FURC_OP_NEGATE_I32
    case .absolute: isFloat ? FURC_OP_ABSOLUTE_F32 : FURC_OP_ABSOLUTE_I32
    case .sqrt: FURC_OP_SQRT
    case .rsqrt: FURC_OP_RSQRT
    case .reciprocal: FURC_OP_RECIPROCAL
    case .exp: FURC_OP_EXP
    case .log: FURC_OP_LOG
    case .tanh: FURC_OP_TANH
    case .erf: FURC_OP_ERF
    case .sigmoid: FURC_OP_SIGMOID
    case .sin: FURC_OP_SIN
    case .cos: FURC_OP_COS
    case .floor: FURC_OP_FLOOR
    case .ceil: FURC_OP_CEIL
    case .round: FURC_OP_ROUND
    case .toFloat: FURC_OP_TO_FLOAT
    case .toInteger: FURC_OP_TO_INTEGER
    case .not: FURC_OP_NOT_I32
    }
  }
}

extension Program.Binary {
  fileprivate func opcode(isFloat: Bool) -> Int {
    switch self {
    case .add: isFloat ? FURC_OP_ADD_F32 : FURC_OP_ADD_I32
    case .subtract: isFloat ? FURC_OP_SUBTRACT_F32 : FURC_OP_SUBTRACT_I32
    case .multiply: isFloat ? FURC_OP_MULTIPLY_F32 : FURC_OP_MULTIPLY_I32
    case .maximum: isFloat ? FURC_OP_MAXIMUM_F32 : FURC_OP_MAXIMUM_I32
    case .minimum: isFloat ? FURC_OP_MINIMUM_F32 : FURC_OP_MINIMUM_I32
    case .equal: isFloat ? FURC_OP_EQUAL_F32 : FURC_OP_EQUAL_I32
    case .less: isFloat ? FURC_OP_LESS_F32 : FURC_OP_LESS_I32
    case .lessOrEqual: isFloat ? FURC_OP_LESS_OR_EQUAL_F32 : FURC_OP_LESS_OR_EQUAL_I32
    case .divide: FURC_OP_DIVIDE_F32
    case .and: FURC_OP_AND
    case .or: FURC_OP_OR
    case .xor: FURC_OP_XOR
    case .shiftLeft: FURC_OP_SHIFT_LEFT
    case .shiftRight: FURC_OP_SHIFT_RIGHT
    }
  }
}
