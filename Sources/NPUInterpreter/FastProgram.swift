import CKernels
import KernelIR
import NPUISA
import Support
import Tensors

/// A vector program as `furc_program.h` runs it: a block per step. Sources are the input (0) and the operands
/// in the order of their first use.
struct FastProgram: Sendable {
  enum Source: Hashable, Sendable {
    case input
    case operand(Int)
  }

  private(set) var sources: [Source] = []
  /// Slots of the tables, by number in the encoded program.
  private(set) var slots: [Int] = []
  nonisolated(unsafe) private(set) var steps: [furc_step] = []
  private(set) var uniformCount = 0
  private(set) var blockCount = 0
  private(set) var result = 0

  /// Elements pass as they are.
  init() {
    sources = [.input]
    steps = [furc_step()]
    steps[0].opcode = UInt16(FURC_OP_LOAD)
    blockCount = 1
  }

  /// Nil beyond the limits of the engine.
  init?(_ program: Program, _ kinds: ProgramKinds) {
    let ids = Array(program.steps.ids)
    guard ids.count <= FURC_PROGRAM_MAX_BLOCKS else { return nil }
    var isLive = [Bool](repeating: false, count: ids.count)
    isLive[program.result.index] = true
    for id in ids.reversed() where isLive[id.index] {
      for read in program.steps[id].reads { isLive[read.index] = true }
    }
    var blocks = [Int](repeating: 0, count: ids.count)
    let live = ids.filter { isLive[$0.index] }
    let constants = live.filter { isConstant(program.steps[$0]) }
    let others = live.filter { !isConstant(program.steps[$0]) }
    uniformCount = constants.count
    for id in constants + others {
      if case .convert(let element, let value) = program.steps[id], element == .f32 || element == .i32 {
        blocks[id.index] = blocks[value.index]
        continue
      }
      blocks[id.index] = blockCount
      blockCount += 1
      guard let step = encode(program.steps[id], id.index, blocks, kinds) else { return nil }
      steps.append(step)
    }
    result = blocks[program.result.index]
  }

  private func isConstant(_ step: Program.Step) -> Bool {
    switch step {
    case .integer, .float: true
    default: false
    }
  }

  private mutating func source(_ source: Source) -> Int32 {
    if let index = sources.firstIndex(of: source) { return Int32(index) }
    sources.append(source)
    return Int32(sources.count - 1)
  }

  private mutating func encode(
    _ step: Program.Step, _ index: Int, _ blocks: [Int], _ kinds: ProgramKinds
  ) -> furc_step? {
    var record = furc_step()
    record.result = UInt16(blocks[index])
    let reads = step.reads
    if reads.count > 0 { record.a = UInt16(blocks[reads[0].index]) }
    if reads.count > 1 { record.b = UInt16(blocks[reads[1].index]) }
    if reads.count > 2 { record.c = UInt16(blocks[reads[2].index]) }
    let isFloat = reads.first.map { kinds.steps[$0.index] == .float } ?? false
    let opcode: Int
    switch step {
    case .input:
      opcode = FURC_OP_LOAD
      record.immediate.0 = source(.input)
    case .operand(let number):
      opcode = FURC_OP_LOAD
      record.immediate.0 = source(.operand(number))
    case .integer(let value):
      opcode = FURC_OP_CONSTANT
      record.immediate.0 = value
    case .float(let bits):
      opcode = FURC_OP_CONSTANT
      record.immediate.0 = Int32(bitPattern: bits)
    case .unary(let op, _): opcode = op.fastOpcode(isFloat: isFloat)
    case .binary(let op, _, _): opcode = op.fastOpcode(isFloat: isFloat)
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
    case .table(let slot, _):
      opcode = FURC_OP_TABLE
      record.immediate.0 = Int32(slots.count)
      slots.append(slot)
    }
    guard sources.count <= FURC_PROGRAM_MAX_SOURCES else { return nil }
    record.opcode = UInt16(opcode)
    return record
  }
}

extension Program.Unary {
  fileprivate func fastOpcode(isFloat: Bool) -> Int {
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
  fileprivate func fastOpcode(isFloat: Bool) -> Int {
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

extension ElementType {
  /// As `furc_program.h` names it; nil for types without a register.
  var streamType: Int32? {
    switch self {
    case .bool: Int32(FURC_TYPE_BOOL)
    case .i4: Int32(FURC_TYPE_I4)
    case .u4: Int32(FURC_TYPE_U4)
    case .i8: Int32(FURC_TYPE_I8)
    case .u8: Int32(FURC_TYPE_U8)
    case .i16: Int32(FURC_TYPE_I16)
    case .u16: Int32(FURC_TYPE_U16)
    case .i32: Int32(FURC_TYPE_I32)
    case .f8e4m3: Int32(FURC_TYPE_E4M3)
    case .f8e5m2: Int32(FURC_TYPE_E5M2)
    case .bf16: Int32(FURC_TYPE_BF16)
    case .f16: Int32(FURC_TYPE_F16)
    case .f32: Int32(FURC_TYPE_F32)
    case .u32, .i64, .u64, .f64: nil
    }
  }
}
