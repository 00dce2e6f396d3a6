import CKernels
import KernelIR
import Support
import Tensors

/// The post-program of a kernel over spaces of points: in C from stored elements to stored elements where
/// every operand stays within its bounds, else by blocks through `Reader`.
struct PostProgram: Sendable {
  private let words: WordProgram?
  private let readers: [Reader]
  private let compiled: BlockProgram?
  /// Of the compiled program's sources, the form of the address; `none` for the input.
  private let sourceForms: [Int?]
  let resultForm: Int
  let element: ElementType

  /// - Parameter layouts: of the operands. - Parameter result: that of the result.
  init(_ kernel: Kernel, _ layouts: [Layout], result: Layout, _ forms: inout FormTable) throws(Diagnostic) {
    element = kernel.element
    resultForm = forms.result(result)
    var kinds: [Program.Kind?] = []
    for (index, operand) in kernel.operands.enumerated() {
      kinds.append(index < kernel.formOperandCount ? nil : try kernel.valueKind(of: operand))
    }
    words = try WordProgram(kernel.post, input: kernel.inputKind, operands: kinds, tables: kernel.tables)
    var readers: [Reader] = []
    for index in kernel.post.operandsRead { readers.append(try forms.reader(index, layouts[index])) }
    self.readers = readers
    var compiled: BlockProgram?
    if readers.allSatisfy({ $0.checks.isEmpty }) {
      let uniform = readers.filter { reader in forms.forms[reader.form].steps.allSatisfy { $0 == 0 } }
      let encoding = try ProgramEncoding(post: kernel, uniform: Set(uniform.map(\.index)))
      if let encoding { compiled = try BlockProgram(encoding) }
    }
    self.compiled = compiled
    sourceForms =
      compiled?.encoding.sources.map { source in
        guard case .operand(let index) = source else { return nil }
        return readers.first { $0.index == index }?.form
      } ?? []
  }

  /// Memory of one thread.
  final class Scratch {
    fileprivate let program: WordProgram.Scratch?
    fileprivate let readers: [Reader.Scratch]
    fileprivate let operands: UnsafeMutablePointer<Words?>
    fileprivate var block: PointBlock?

    init(_ post: PostProgram) {
      let isUsed = post.compiled == nil
      program = isUsed ? post.words?.makeScratch() : nil
      readers = isUsed ? post.readers.map(Reader.Scratch.init) : []
      let count = (post.readers.map(\.index).max() ?? 0) + 1
      operands = .allocate(capacity: count)
      operands.initialize(repeating: nil, count: count)
    }

    deinit { operands.deallocate() }
  }

  /// Computes and stores the results at the points `range` of the loops.
  /// - Parameter starts: the forms at the first point of the loops.
  /// - Parameter input: of the first point of `range`; the others follow.
  func run(
    _ memory: SharedMemory, _ loops: Loops, starts: [Int], _ range: Range<Int>, input: UnsafePointer<UInt32>?,
    level: Int32, _ scratch: Scratch
  ) throws(Diagnostic) {
    let rank = loops.extents.count
    guard let compiled, rank <= BlockProgram.maximumRank else {
      return try runBlocks(memory, loops, starts: starts, range, input: input, level: level, scratch)
    }
    func strides(_ form: Int) -> [Int] { (0..<rank).map { loops.steps[$0 * loops.forms + form] } }
    var sources: [furc_stream] = []
    sources.reserveCapacity(sourceForms.count)
    for (index, form) in sourceForms.enumerated() {
      let element = compiled.encoding.elements[index]
      if let form, case .operand(let operand) = compiled.encoding.sources[index] {
        sources.append(
          furc_stream(
            reading: memory.arguments[operand] + starts[form] * element.size, element, strides: strides(form))
        )
      } else if let input {
        var rowMajor = [Int](repeating: 1, count: rank)
        for loop in (0..<rank - 1).reversed() {
          rowMajor[loop] = rowMajor[loop + 1] * loops.extents[loop + 1]
        }
        let first = UnsafeRawPointer(input) - range.lowerBound * 4
        sources.append(furc_stream(reading: first, element, strides: rowMajor))
      }
    }
    let result = furc_stream(
      memory.result + starts[resultForm] * self.element.size, self.element, strides: strides(resultForm))
    try compiled.run(extents: loops.extents, range, sources: sources, result: result, level: level)
  }

  private func runBlocks(
    _ memory: SharedMemory, _ loops: Loops, starts: [Int], _ range: Range<Int>, input: UnsafePointer<UInt32>?,
    level: Int32, _ scratch: Scratch
  ) throws(Diagnostic) {
    let block = scratch.block ?? PointBlock(forms: loops.forms)
    scratch.block = block
    let program = scratch.program ?? words?.makeScratch()
    let own = scratch.readers.isEmpty ? readers.map(Reader.Scratch.init) : scratch.readers
    var walker = Walker(loops, starts: starts, at: range.lowerBound)
    var done = 0
    while done < range.count {
      block.fill(from: &walker, limit: range.count - done)
      for (reader, its) in zip(readers, own) {
        scratch.operands[reader.index] =
          try reader.read(memory.arguments[reader.index], block, loops, offsets: nil, level: level, its).words
      }
      guard let words, let program else { return }
      var results = try words.run(
        block.count, input: input.map { $0 + done }, operands: scratch.operands, level: level, program)
      done += block.count
      let step = loops.innerStep(resultForm)
      for run in 0..<block.runs {
        let address = block.values[run * block.forms + resultForm] * element.size
        BlockMemory.store(element, results, memory.result + address, step: step, block.lengths[run])
        results += block.lengths[run]
      }
    }
  }
}
