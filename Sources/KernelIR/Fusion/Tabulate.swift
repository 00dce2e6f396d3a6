import Support
import Tensors

extension Kernel {
  /// The kernel with the end of its post-program as one table of at most 256 entries, where that end is a
  /// function of one value of a small integer type: an operand's element, or what a convert, requant or
  /// quantize step leaves. The table holds what the steps compute, so the result is the same to the bit.
  /// The kernel itself where there is no such end of at least two steps.
  public func tabulated() -> Kernel {
    guard form == .map || form == .contract || form.isReduce else { return self }
    var kernel = self
    kernel.inlinePrePrograms()
    for register in kernel.post.steps.ids {
      guard let keys = kernel.keys(of: register), let tail = kernel.post.tail(after: register),
        tail.steps.ids.lazy.filter({ tail.steps[$0].computes }).count >= 2,
        let table = try? Table(keys, of: tail, kernel.tables)
      else { continue }
      kernel.tables.append(table)
      kernel.post.result = kernel.post.append(.table(kernel.tables.count - 1, register))
      kernel.post = kernel.post.withoutDeadSteps
      kernel.removeUnusedTables()
      return kernel
    }
    return self
  }

  /// Moves the pre-programs of operands that only the post-program reads into it.
  private mutating func inlinePrePrograms() {
    var program = Program(steps: [], result: .none)
    var renamed = SideTable<Register, Register>(default: .none)
    for register in post.steps.ids {
      let step = post.steps[register]
      renamed[register] = program.append(step.mapping(registers: { renamed[$0] }))
      if case .operand(let index) = step, !operands[index].pre.isIdentity {
        renamed[register] = program.append(operands[index].pre, input: renamed[register])
      }
    }
    program.result = renamed[post.result]
    post = program
    for index in operands.indices.dropFirst(formOperandCount) { operands[index].pre = .identity }
  }

  /// The at most 256 values that a register may hold, where its step tells.
  private func keys(of register: Register) -> ClosedRange<Int32>? {
    let keys: ClosedRange<Int32>?
    switch post.steps[register] {
    case .operand(let index): keys = operands[index].type.element.integerRange
    case .convert(let element, _): keys = element.integerRange
    case .requant(_, _, _, _, let low, let high): keys = low...high
    case .quantize(_, _, _, let low, let high): keys = low...high
    default: keys = nil
    }
    return keys.flatMap { Int($0.upperBound) - Int($0.lowerBound) < 256 ? $0 : nil }
  }

  private mutating func removeUnusedTables() {
    var used: [Int] = []
    let programs = operands.map(\.pre) + [post]
    for program in programs {
      for register in program.steps.ids {
        if case .table(let index, _) = program.steps[register], !used.contains(index) { used.append(index) }
      }
    }
    used.sort()
    func index(_ old: Int) -> Int { used.firstIndex(of: old) ?? old }
    for operand in operands.indices { operands[operand].pre = operands[operand].pre.mappingTables(index) }
    post = post.mappingTables(index)
    tables = used.map { tables[$0] }
  }
}

extension Kernel.Form {
  fileprivate var isReduce: Bool { if case .reduce = self { true } else { false } }
}

extension Program {
  /// What the program computes from `register`, as a program of that `input`; nil if it reads anything
  /// else but immediates.
  fileprivate func tail(after register: Register) -> Program? {
    var tail = self
    tail.steps[register] = .input
    tail = tail.withoutDeadSteps
    let inputs = tail.steps.ids.filter { tail.steps[$0] == .input }
    let readsOperand = tail.steps.ids.contains { if case .operand = tail.steps[$0] { true } else { false } }
    return inputs.count == 1 && !readsOperand && (steps[register] != .input) ? tail : nil
  }
}

extension Program.Step {
  fileprivate var computes: Bool { !reads.isEmpty }
}

extension Table {
  /// The results of a program for every key.
  fileprivate init(_ keys: ClosedRange<Int32>, of program: Program, _ tables: [Table]) throws(Diagnostic) {
    var entries: [UInt32] = []
    var isFloat = false
    for key in keys {
      let value = try program.evaluate(input: .i32(key), tables: tables) { (_) throws(Diagnostic) in
        throw Diagnostic(.invalidKernel, "P2: a table's program has no operands")
      }
      switch value {
      case .i32(let value): entries.append(UInt32(bitPattern: value))
      case .f32(let value):
        entries.append(value.bitPattern)
        isFloat = true
      }
    }
    self.init(low: keys.lowerBound, isFloat: isFloat, entries: entries)
  }
}
