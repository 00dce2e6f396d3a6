import KernelIR
import Support
import Tensors

/// What a 32-bit word is: an i32 or the bits of an f32.
public typealias WordKind = Program.Kind

/// The kinds of a program's steps and operands. Words of vector registers and tables carry no kind, so it is
/// inferred: from the input, the operands of the second stream and what the steps demand. A word that is only
/// moved has no kind of its own and counts as an integer.
public struct ProgramKinds: Hashable, Sendable {
  /// Of the results of the steps.
  public let steps: [WordKind]
  public let operands: [WordKind]
  public let input: WordKind
  public let result: WordKind

  /// - Parameters:
  ///   - input: nil where the program has none, or it comes from a table.
  ///   - operands: nil for words of the vector registers.
  ///   - result: what the sink demands, if it demands anything.
  /// - Throws: `invalidProgram` for a step that reads a later one, an operand that does not exist, or kinds that
  ///   do not agree or cannot be told.
  public init(
    of program: Program, input: WordKind?, operands: [WordKind?], result: WordKind?
  ) throws(Diagnostic) {
    var solver = Solver(count: program.steps.count + operands.count + 1)
    let base = program.steps.count
    let inputNode = base + operands.count
    try solver.fix(inputNode, input, "the input")
    for (index, kind) in operands.enumerated() { try solver.fix(base + index, kind, "operand \(index)") }
    for (index, id) in program.steps.ids.enumerated() {
      try solver.constrain(program.steps[id], index, operands: base, input: inputNode)
    }
    guard program.steps.contains(program.result) else {
      throw Diagnostic(.invalidProgram, "the result of the program, \(program.result), is no step")
    }
    try solver.fix(program.result.index, result, "the result")
    for index in solver.arithmetic where solver.kind(index) == nil {
      throw Diagnostic(.invalidProgram, "nothing tells whether step \(index) computes in i32 or f32")
    }
    let kinds = (0...inputNode).map { solver.kind($0) ?? .integer }
    steps = Array(kinds[..<base])
    self.operands = Array(kinds[base..<inputNode])
    self.input = kinds[inputNode]
    self.result = kinds[program.result.index]
  }
}

/// Unification over two kinds: union-find, a kind per root.
private struct Solver {
  private var parent: [Int]
  private var kinds: [WordKind?]
  /// Steps whose arithmetic depends on their kind.
  private(set) var arithmetic: [Int] = []

  init(count: Int) {
    parent = Array(0..<count)
    kinds = Array(repeating: nil, count: count)
  }

  private func root(_ node: Int) -> Int {
    var node = node
    while parent[node] != node { node = parent[node] }
    return node
  }

  func kind(_ node: Int) -> WordKind? { kinds[root(node)] }

  mutating func fix(_ node: Int, _ kind: WordKind?, _ what: String) throws(Diagnostic) {
    guard let kind else { return }
    let node = root(node)
    guard kinds[node] ?? kind == kind else {
      throw Diagnostic(
        .invalidProgram, "\(what) must be \(kind.rawValue) and is \((kinds[node] ?? kind).rawValue)")
    }
    kinds[node] = kind
  }

  private mutating func join(_ left: Int, _ right: Int, _ step: Int) throws(Diagnostic) {
    let (left, right) = (root(left), root(right))
    guard left != right else { return }
    try fix(left, kinds[right], "step \(step)")
    parent[right] = left
  }

  mutating func constrain(
    _ step: Program.Step, _ index: Int, operands: Int, input: Int
  ) throws(Diagnostic) {
    for register in step.reads where register.index >= index {
      throw Diagnostic(.invalidProgram, "step \(index) reads \(register), which is no earlier step")
    }
    let what = "step \(index)"
    switch step {
    case .input: try join(index, input, index)
    case .operand(let number):
      guard number >= 0, number < input - operands else {
        throw Diagnostic(.invalidProgram, "step \(index) reads operand \(number) of \(input - operands)")
      }
      try join(index, operands + number, index)
    case .integer: try fix(index, .integer, what)
    case .float: try fix(index, .float, what)
    case .unary(let op, let value): try unary(op, value.index, index)
    case .binary(let op, let left, let right): try binary(op, left.index, right.index, index)
    case .fma(let a, let b, let c):
      for node in [a.index, b.index, c.index, index] { try fix(node, .float, what) }
    case .select(let condition, let first, let second):
      try fix(condition.index, .integer, what)
      try join(first.index, second.index, index)
      try join(index, first.index, index)
    case .convert(let element, let value):
      guard element.fitsRegister else {
        throw Diagnostic(.invalidProgram, "step \(index) converts to \(element), which no register holds")
      }
      try fix(index, element.isFloat ? .float : .integer, what)
      try join(index, value.index, index)
    case .requant(let sum, let multiplier, let shift, _, let low, let high):
      for node in [sum.index, multiplier.index, shift.index, index] { try fix(node, .integer, what) }
      try ordered(low, high, index)
    case .quantize(let value, let scale, _, let low, let high):
      for node in [value.index, scale.index] { try fix(node, .float, what) }
      try fix(index, .integer, what)
      try ordered(low, high, index)
    case .dequantize(let value, let scale, _):
      try fix(value.index, .integer, what)
      for node in [scale.index, index] { try fix(node, .float, what) }
    case .table(let slot, let key):
      guard slot >= 0 else { throw Diagnostic(.invalidProgram, "step \(index) reads table \(slot)") }
      try fix(key.index, .integer, what)
    }
  }

  private func ordered(_ low: Int32, _ high: Int32, _ step: Int) throws(Diagnostic) {
    guard low <= high else {
      throw Diagnostic(.invalidProgram, "step \(step) clamps to \(low) … \(high), which is empty")
    }
  }

  private mutating func unary(_ op: Program.Unary, _ value: Int, _ index: Int) throws(Diagnostic) {
    let what = "step \(index)"
    switch op {
    case .negate, .absolute:
      try join(index, value, index)
      arithmetic.append(index)
    case .toFloat:
      try fix(value, .integer, what)
      try fix(index, .float, what)
    case .toInteger:
      try fix(value, .float, what)
      try fix(index, .integer, what)
    case .not:
      try fix(value, .integer, what)
      try fix(index, .integer, what)
    default:
      try fix(value, .float, what)
      try fix(index, .float, what)
    }
  }

  private mutating func binary(
    _ op: Program.Binary, _ left: Int, _ right: Int, _ index: Int
  ) throws(Diagnostic) {
    let what = "step \(index)"
    try join(left, right, index)
    switch op {
    case .add, .subtract, .multiply, .maximum, .minimum:
      try join(index, left, index)
      arithmetic.append(index)
    case .equal, .less, .lessOrEqual:
      try fix(index, .integer, what)
      arithmetic.append(left)
    case .divide:
      try fix(left, .float, what)
      try fix(index, .float, what)
    case .and, .or, .xor, .shiftLeft, .shiftRight:
      try fix(left, .integer, what)
      try fix(index, .integer, what)
    }
  }
}
