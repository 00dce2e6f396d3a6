import KernelIR
import Support
import Tensors

/// reduce: a block of results side by side, the points of the reduction one after the other.
struct ReducePlan: KernelPlan {
  let choice: KernelChoice
  let layout: Layout
  private let loops: Loops
  private let reduction: Loops
  private let reader: Reader
  private let post: PostProgram
  private let rule: Kernel.Reduction
  private let kind: Program.Kind
  private let direct: DirectReduction?

  init(_ kernel: Kernel, _ rule: Kernel.Reduction, _ layouts: [Layout]) throws(Diagnostic) {
    self.rule = rule
    kind = try kernel.valueKind(of: kernel.operands[0])
    layout = kernel.layout(following: kernel.operands[0], layouts[0])
    var forms = FormTable(kernel)
    reader = try forms.reader(0, layouts[0])
    post = try PostProgram(kernel, layouts, result: layout, &forms)
    loops = Loops(kernel.ordered(by: layout), of: kernel, forms.forms)
    reduction = Loops(
      kernel.reductionAxes, of: kernel, forms.forms, starts: forms.forms.map { _ in 0 })
    direct = DirectReduction(rule, kernel.operands[0].pre, reader, results: loops, reduction)
    choice = KernelChoice(
      direct == nil ? "reduce" : "reduce f32",
      "\(rule.rawValue) of \(reduction.count) for runs of \(loops.inner)")
  }

  func run(
    _ arguments: [UnsafeRawPointer], _ result: UnsafeMutableRawPointer, _ context: RunContext
  ) throws(Diagnostic) {
    let memory = SharedMemory(arguments: arguments, result: result)
    var grain = max(1, (1 << 15) / max(reduction.count, 1))
    if loops.innerStep(reader.form) == 1 { grain = (grain + 63) / 64 * 64 }
    try context.forPieces(of: loops.count, grain: grain) { (points) throws(Diagnostic) in
      let block = PointBlock(forms: loops.forms)
      let scratch = PostProgram.Scratch(post)
      let readerScratch = Reader.Scratch(reader)
      var sums = Accumulators(rule, kind, count: reduction.count)
      defer { sums.deallocate() }
      var walker = Walker(loops, at: points.lowerBound)
      var done = points.lowerBound
      while done < points.upperBound {
        block.fill(from: &walker, limit: points.upperBound - done)
        if let direct {
          let words = direct.run(memory.arguments[0], block, loops, level: context.level, readerScratch)
          try post.run(
            memory, loops, starts: loops.starts, done..<done + block.count, input: words,
            level: context.level,
            scratch)
          done += block.count
          continue
        }
        sums.reset(block.count)
        var inner = Walker(reduction)
        for _ in 0..<reduction.count {
          let read = try reader.read(
            memory.arguments[0], block, loops, offsets: inner.values, level: context.level, readerScratch)
          if read.hasSkips {
            var start = 0
            for run in 0..<block.runs {
              let valid = readerScratch.inside[run]
              sums.add(read.words, start + valid.lowerBound..<start + valid.upperBound)
              start += block.lengths[run]
            }
          } else {
            sums.add(read.words, 0..<block.count)
          }
          sums.next()
          inner.advance(by: 1)
        }
        let words = try sums.finish(block.count)
        try post.run(
          memory, loops, starts: loops.starts, done..<done + block.count, input: words, level: context.level,
          scratch)
        done += block.count
      }
    }
  }
}

/// The reductions of a block of results.
private struct Accumulators {
  private let rule: Kernel.Reduction
  private let kind: Program.Kind
  private let isSplit: Bool
  /// Sixteen sums per result for long sums of floats, else one word.
  private let words: Words
  private let wide: UnsafeMutablePointer<Int64>
  private let indices: UnsafeMutablePointer<Int32>
  private var element = 0
  private static let capacity = PointBlock.capacity

  init(_ rule: Kernel.Reduction, _ kind: Program.Kind, count: Int) {
    self.rule = rule
    self.kind = kind
    isSplit = rule == .sum && kind == .float && count > 64
    words = .allocate(capacity: (isSplit ? 16 : 1) * Self.capacity)
    wide = .allocate(capacity: Self.capacity)
    indices = .allocate(capacity: Self.capacity)
  }

  func deallocate() {
    words.deallocate()
    wide.deallocate()
    indices.deallocate()
  }

  mutating func reset(_ count: Int) {
    element = 0
    let start: UInt32 =
      switch (rule, kind) {
      case (.product, .float): Float(1).bitPattern
      case (.product, .integer): 1
      case (.maximum, .float): (-Float.infinity).bitPattern
      case (.minimum, .float): Float.infinity.bitPattern
      case (.maximum, .integer): UInt32(bitPattern: .min)
      case (.minimum, .integer): UInt32(bitPattern: .max)
      default: 0
      }
    words.update(repeating: start, count: isSplit ? 16 * Self.capacity : count)
    wide.update(repeating: 0, count: count)
    indices.update(repeating: -1, count: count)
  }

  mutating func next() { element += 1 }

  func add(_ x: Words, _ range: Range<Int>) {
    switch (rule, kind) {
    case (.sum, .float):
      let sums = words + (isSplit ? element & 15 : 0) * Self.capacity
      for i in range { sums[i] = (Float(bitPattern: sums[i]) + Float(bitPattern: x[i])).bitPattern }
    case (.sum, .integer): for i in range { wide[i] += Int64(Int32(bitPattern: x[i])) }
    case (.product, .float): floats(x, range, Arithmetic.multiply)
    case (.maximum, .float): floats(x, range, Arithmetic.maximum)
    case (.minimum, .float): floats(x, range, Arithmetic.minimum)
    case (.product, .integer): for i in range { words[i] = words[i] &* x[i] }
    case (.maximum, .integer):
      for i in range {
        words[i] = UInt32(bitPattern: max(Int32(bitPattern: words[i]), Int32(bitPattern: x[i])))
      }
    case (.minimum, .integer):
      for i in range {
        words[i] = UInt32(bitPattern: min(Int32(bitPattern: words[i]), Int32(bitPattern: x[i])))
      }
    case (.argumentOfMaximum, .float):
      argument(x, range) { a, b in
        let (a, b) = (Float(bitPattern: a), Float(bitPattern: b))
        return a > b || (a.isNaN && !b.isNaN)
      }
    case (.argumentOfMinimum, .float):
      argument(x, range) { a, b in
        let (a, b) = (Float(bitPattern: a), Float(bitPattern: b))
        return a < b || (a.isNaN && !b.isNaN)
      }
    case (.argumentOfMaximum, .integer): argument(x, range) { Int32(bitPattern: $0) > Int32(bitPattern: $1) }
    case (.argumentOfMinimum, .integer): argument(x, range) { Int32(bitPattern: $0) < Int32(bitPattern: $1) }
    }
  }

  @inline(__always)
  private func floats(_ x: Words, _ range: Range<Int>, _ body: (Float, Float) -> Float) {
    for i in range { words[i] = body(Float(bitPattern: words[i]), Float(bitPattern: x[i])).bitPattern }
  }

  @inline(__always)
  private func argument(_ x: Words, _ range: Range<Int>, _ beats: (UInt32, UInt32) -> Bool) {
    for i in range where indices[i] < 0 || beats(x[i], words[i]) {
      words[i] = x[i]
      indices[i] = Int32(clamping: element)
    }
  }

  /// - Throws: `accumulatorOverflow`.
  func finish(_ count: Int) throws(Diagnostic) -> UnsafePointer<UInt32> {
    switch (rule, kind) {
    case (.argumentOfMaximum, _), (.argumentOfMinimum, _):
      for i in 0..<count { words[i] = UInt32(bitPattern: max(indices[i], 0)) }
    case (.sum, .integer):
      for i in 0..<count {
        guard let sum = Int32(exactly: wide[i]) else {
          throw Diagnostic(.accumulatorOverflow, "an integer sum of \(wide[i]) leaves 32 bits")
        }
        words[i] = UInt32(bitPattern: sum)
      }
    case (.sum, .float):
      var width = isSplit ? 16 : 1
      while width > 1 {
        width /= 2
        for part in 0..<width {
          let (out, a, b) = (
            words + part * Self.capacity, words + 2 * part * Self.capacity,
            words + (2 * part + 1) * Self.capacity
          )
          for i in 0..<count { out[i] = (Float(bitPattern: a[i]) + Float(bitPattern: b[i])).bitPattern }
        }
      }
      for i in 0..<count { words[i] = Float(bitPattern: words[i]).canonical.bitPattern }
    default: break
    }
    return UnsafePointer(words)
  }
}
