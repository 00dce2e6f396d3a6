import CKernels
import KernelIR
import Support
import Tensors

/// An encoded program in memory that C reads. Immutable, so that threads share it.
public final class BlockProgram: @unchecked Sendable {
  public let encoding: ProgramEncoding
  private let steps: UnsafeMutableBufferPointer<furc_step>
  private let tables: UnsafeMutableBufferPointer<furc_table>
  private let entries: UnsafeMutableBufferPointer<UInt32>
  /// For kernels in C that run programs themselves; valid as long as this object is.
  public let program: UnsafePointer<furc_program>

  /// - Throws: `invalidKernel` for a table without entries.
  public init(_ encoding: ProgramEncoding) throws(Diagnostic) {
    guard encoding.tables.allSatisfy({ !$0.entries.isEmpty && $0.entries.count <= 65536 }) else {
      throw Diagnostic(.invalidKernel, "K9: a table has 1 to 65536 entries")
    }
    self.encoding = encoding
    steps = .allocate(capacity: encoding.steps.count)
    _ = steps.initialize(from: encoding.steps)
    let all = encoding.tables.flatMap(\.entries)
    entries = .allocate(capacity: all.count)
    _ = entries.initialize(from: all)
    tables = .allocate(capacity: encoding.tables.count)
    var next = 0
    for (index, table) in encoding.tables.enumerated() {
      let start = UnsafePointer(entries.baseAddress.map { $0 + next })
      let record = furc_table(entries: start, low: table.low, count: Int32(table.entries.count))
      tables.initializeElement(at: index, to: record)
      next += table.entries.count
    }
    let program = UnsafeMutablePointer<furc_program>.allocate(capacity: 1)
    program.initialize(
      to: furc_program(
        steps: UnsafePointer(steps.baseAddress), tables: UnsafePointer(tables.baseAddress),
        step_count: Int32(encoding.steps.count), uniform_count: Int32(encoding.uniformCount),
        block_count: Int32(encoding.blockCount), result: Int32(encoding.resultBlock)))
    self.program = UnsafePointer(program)
  }

  deinit {
    steps.deallocate()
    tables.deallocate()
    entries.deallocate()
    program.deallocate()
  }

  /// The most axes that a run has.
  public static let maximumRank = Int(FURC_PROGRAM_MAX_RANK)

  /// Computes the points of a space whose numbers, in row-major order, are in `range`.
  /// - Parameter sources: one per source of the encoding; as long as `extents` reach, each within its memory.
  /// - Parameter result: overlaps no source, unless it is one with the same data, strides and type size.
  /// - Parameter level: of furc_cpu.h, at most the CPU's own; all levels give the same bytes.
  /// - Throws: `invalidKernel` for another number of sources, more than `maximumRank` axes, or a
  ///   requantization constant that is out of range.
  public func run(
    extents: [Int], _ range: Range<Int>, sources: [furc_stream], result: furc_stream,
    level: Int32 = furc_cpu_level()
  ) throws(Diagnostic) {
    guard extents.count <= Self.maximumRank, sources.count == encoding.sources.count else {
      throw Diagnostic(.invalidKernel, "\(extents.count) axes and \(sources.count) sources do not fit")
    }
    var job = furc_program_job()
    job.program = program
    job.rank = Int32(extents.count)
    job.source_count = Int32(sources.count)
    job.result = result
    job.begin = Int64(range.lowerBound)
    job.end = Int64(range.upperBound)
    withUnsafeMutableBytes(of: &job.extents) { memory in
      for (axis, extent) in extents.enumerated() {
        memory.storeBytes(of: Int64(extent), toByteOffset: axis * 8, as: Int64.self)
      }
    }
    let status = sources.withUnsafeBufferPointer { pointer in
      job.sources = pointer.baseAddress
      return furc_program_run(&job, level)
    }
    switch Int(status) {
    case FURC_PROGRAM_DONE: return
    case FURC_PROGRAM_BAD_REQUANT:
      throw Diagnostic(.invalidKernel, "P3: a multiplier or shift of requant is out of range")
    default: throw Diagnostic(.invalidKernel, "no memory for \(encoding.blockCount) register blocks")
    }
  }
}

extension furc_stream {
  /// Elements of a type from an address on. - Parameter strides: in elements, one per axis of the space.
  /// - Precondition: `element.fitsRegister`, and at most `BlockProgram.maximumRank` strides.
  public init(_ data: UnsafeMutableRawPointer, _ element: ElementType, strides: [Int]) {
    self.init()
    self.data = data
    type = Int32(element.blockType)
    withUnsafeMutableBytes(of: &self.strides) { memory in
      for (axis, stride) in strides.enumerated() {
        memory.storeBytes(of: Int64(stride), toByteOffset: axis * 8, as: Int64.self)
      }
    }
  }

  /// The same for memory that is only read.
  public init(reading data: UnsafeRawPointer, _ element: ElementType, strides: [Int]) {
    self.init(UnsafeMutableRawPointer(mutating: data), element, strides: strides)
  }
}

extension ElementType {
  fileprivate var blockType: Int {
    switch self {
    case .bool: FURC_TYPE_BOOL
    case .i4: FURC_TYPE_I4
    case .u4: FURC_TYPE_U4
    case .i8: FURC_TYPE_I8
    case .u8: FURC_TYPE_U8
    case .i16: FURC_TYPE_I16
    case .u16: FURC_TYPE_U16
    case .i32: FURC_TYPE_I32
    case .f8e4m3: FURC_TYPE_E4M3
    case .f8e5m2: FURC_TYPE_E5M2
    case .bf16: FURC_TYPE_BF16
    case .f16: FURC_TYPE_F16
    case .f32: FURC_TYPE_F32
    case .u32, .i64, .u64, .f64: preconditionFailure("\(self) does not fit a register")
    }
  }
}
