import KernelIR
import Support
import Tensors

/// contract for everything that the packed kernels do not cover: a block of results side by side, the
/// products one after the other.
struct GenericContractPlan: KernelPlan {
  let choice: KernelChoice
  let layout: Layout
  private let kernel: Kernel
  private let loops: Loops
  private let reduction: Loops
  private let readers: [Reader]
  private let post: PostProgram
  private let splitCount: Int
  private let formats: (ExactSum.Format, ExactSum.Format)?

  init(_ kernel: Kernel, _ layouts: [Layout], reason: String) throws(Diagnostic) {
    self.kernel = kernel
    layout = kernel.layout(following: kernel.operands[0], layouts[0])
    var forms = FormTable(kernel)
    readers = [try forms.reader(0, layouts[0]), try forms.reader(1, layouts[1])]
    post = try PostProgram(kernel, layouts, result: layout, &forms)
    loops = Loops(kernel.ordered(by: layout), of: kernel, forms.forms)
    reduction = Loops(kernel.reductionAxes, of: kernel, forms.forms, starts: forms.forms.map { _ in 0 })
    splitCount = kernel.axes(.split).first.map { kernel.axes[$0].extent } ?? 1
    if kernel.accumulation == .fp8, let a = ExactSum.Format(kernel.operands[0].type.element),
      let b = ExactSum.Format(kernel.operands[1].type.element)
    {
      formats = (a, b)
    } else {
      formats = nil
    }
    choice = KernelChoice("contract by elements", reason)
  }

  func run(
    _ arguments: [UnsafeRawPointer], _ result: UnsafeMutableRawPointer, _ context: RunContext
  ) throws(Diagnostic) {
    let memory = SharedMemory(arguments: arguments, result: result)
    let grain = max(1, (1 << 15) / max(reduction.count, 1))
    try context.forPieces(of: loops.count, grain: grain) { (points) throws(Diagnostic) in
      let block = PointBlock(forms: loops.forms)
      let scratch = PostProgram.Scratch(post)
      let a = Reader.Scratch(readers[0])
      let b = Reader.Scratch(readers[1])
      var walker = Walker(loops, at: points.lowerBound)
      var done = points.lowerBound
      while done < points.upperBound {
        block.fill(from: &walker, limit: points.upperBound - done)
        var sums = try Sums(kernel.accumulation, block.count, formats)
        var chains: [[Float]] = []
        var products = Walker(reduction)
        for split in 0..<max(splitCount, 0) {
          for _ in 0..<(reduction.count / splitCount) {
            let x = try readers[0].read(
              memory.arguments[0], block, loops, offsets: products.values, level: context.level, a)
            let y = try readers[1].read(
              memory.arguments[1], block, loops, offsets: products.values, level: context.level, b)
            var start = 0
            for run in 0..<block.runs {
              let all = 0..<block.lengths[run]
              let both = (x.hasSkips ? a.inside[run] : all).clamped(to: y.hasSkips ? b.inside[run] : all)
              sums.add(x.words + start, y.words + start, both, at: start)
              start += block.lengths[run]
            }
            products.advance(by: 1)
          }
          guard splitCount > 1 else { break }
          chains.append(sums.floats)
          if split + 1 < splitCount { sums.restart() }
        }
        var words = try sums.words()
        if splitCount > 1 {
          words = words.indices.map { index in Arithmetic.splitSum(chains.map { $0[index] }).bitPattern }
        }
        try words.withUnsafeBufferPointer { (words) throws(Diagnostic) in
          try post.run(
            memory, loops, starts: loops.starts, done..<done + block.count, input: words.baseAddress,
            level: context.level, scratch)
        }
        done += block.count
      }
    }
  }
}

/// The sums of a block.
private struct Sums {
  private(set) var floats: [Float] = []
  private var integers: [Int64] = []
  private var hasOverflow = false
  private var exact: [ExactSum] = []

  init(
    _ accumulation: Kernel.Accumulation, _ count: Int, _ formats: (ExactSum.Format, ExactSum.Format)?
  ) throws(Diagnostic) {
    switch accumulation {
    case .chain: floats = [Float](repeating: 0, count: count)
    case .integer: integers = [Int64](repeating: 0, count: count)
    case .fp8:
      guard let (a, b) = formats else { throw Diagnostic(.invalidKernel, "K5: the factors are not FP8") }
      exact = [ExactSum](repeating: ExactSum(a, b), count: count)
    }
  }

  mutating func restart() { for index in floats.indices { floats[index] = 0 } }

  /// Adds products at `range` of the words to the sums `at` places further on.
  mutating func add(_ a: Words, _ b: Words, _ range: Range<Int>, at start: Int) {
    if !floats.isEmpty {
      for i in range {
        floats[start + i] = Arithmetic.fma(
          Float(bitPattern: a[i]), Float(bitPattern: b[i]), floats[start + i])
      }
    } else if !integers.isEmpty {
      for i in range {
        let product = Int64(Int32(bitPattern: a[i])) * Int64(Int32(bitPattern: b[i]))
        let (sum, overflow) = integers[start + i].addingReportingOverflow(product)
        integers[start + i] = sum
        hasOverflow = hasOverflow || overflow
      }
    } else {
      for i in range {
        exact[start + i].add(
          product: Self.code(a[i], exact[start + i].left), Self.code(b[i], exact[start + i].right))
      }
    }
  }

  private static func code(_ bits: UInt32, _ format: ExactSum.Format) -> UInt8 {
    let value = Float(bitPattern: bits)
    return format == .e4m3 ? Float8E4M3.encode(value) : UInt8(truncatingIfNeeded: Float8E5M2.encode(value))
  }

  /// - Throws: `accumulatorOverflow`.
  func words() throws(Diagnostic) -> [UInt32] {
    if !floats.isEmpty { return floats.map(\.bitPattern) }
    if !exact.isEmpty { return exact.map(\.rounded.bitPattern) }
    var words: [UInt32] = []
    words.reserveCapacity(integers.count)
    for sum in integers {
      guard !hasOverflow, let value = Int32(exactly: sum) else {
        throw Diagnostic(.accumulatorOverflow, "an integer sum of \(sum) leaves 32 bits")
      }
      words.append(UInt32(bitPattern: value))
    }
    return words
  }
}
