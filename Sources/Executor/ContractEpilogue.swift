import CKernels
import KernelIR
import Support
import Tensors

/// The beginning of a contraction's post-program that its kernel in C does to sums in registers: bias, residual
/// and bounds of `furc_epilogue`. All of it, or what remains is a program over the sums in memory.
struct ContractEpilogue: Sendable {
  /// An operand and the form of its address.
  struct Added: Sendable {
    let operand: Int
    let form: Int
  }

  private(set) var bias: Added?
  private(set) var residual: Added?
  private(set) var low: Float?
  private(set) var high: Float?
  /// What remains of the program; its input is what the kernel leaves.
  private(set) var rest: Program

  var isEmpty: Bool { bias == nil && residual == nil && low == nil && high == nil }

  /// Nothing: all of the program remains.
  init(leaving program: Program) { rest = program }

  /// - Parameter rows: the axes of rows. - Parameter result: the address of the result where sums may be stored
  ///   there directly, columns side by side; nil leaves out what needs that.
  init(
    _ kernel: Kernel, _ layouts: [Layout], column: AxisID, rows: [AxisID], result: LinearForm?,
    _ table: inout FormTable
  ) {
    self.init(leaving: kernel.post)
    func isVector(_ form: LinearForm) -> Bool {
      kernel.hasSteps(form, along: [column]) { _ in 1 } && kernel.hasSteps(form, along: rows) { _ in 0 }
    }
    var value = Register.none
    links: for link in Chain(kernel.post).links {
      switch link.step {
      case .same: break
      case .add(let register):
        guard low == nil, high == nil, residual == nil,
          let (operand, form) = kernel.wordsRead(by: register, layouts)
        else { break links }
        if bias == nil, isVector(form) {
          bias = Added(operand: operand, form: table.add(form))
        } else if let result, kernel.hasSteps(form, along: kernel.axes(.parallel), { result.steps[$0.index] })
        {
          residual = Added(operand: operand, form: table.add(form))
        } else {
          break links
        }
      case .low(let bound):
        guard low == nil, high == nil else { break links }
        low = bound
      case .high(let bound):
        guard high == nil else { break links }
        high = bound
      }
      value = link.after
    }
    // A residual lies like the result, not like sums that a program still has to read.
    if residual != nil, value != kernel.post.result {
      self.init(kernel, layouts, column: column, rows: rows, result: nil, &table)
    } else if !isEmpty {
      rest = kernel.post.replacing(value, with: .input)
    }
  }

  /// Calls `body` with the record for columns from `column` on of a slice, or nil where there is nothing to do.
  /// - Parameter start: the forms of the slice.
  func withRecord(
    _ arguments: [UnsafeRawPointer], _ start: [Int], column: Int,
    _ body: (UnsafePointer<furc_epilogue>?) -> Void
  ) {
    guard !isEmpty else { return body(nil) }
    func address(_ added: Added?) -> UnsafePointer<Float>? {
      added.map { arguments[$0.operand].assumingMemoryBound(to: Float.self) + start[$0.form] + column }
    }
    var record = furc_epilogue()
    record.bias = address(bias)
    record.residual = address(residual)
    record.has_low = low != nil
    record.low = low ?? 0
    record.has_high = high != nil
    record.high = high ?? 0
    body(&record)
  }
}

/// The steps from the input on of which each alone reads the one before it, as far as an epilogue knows them.
private struct Chain {
  enum Step {
    case same
    case add(Register)
    case low(Float)
    case high(Float)
  }

  private(set) var links: [(step: Step, after: Register)] = []

  init(_ program: Program) {
    let inputs = program.steps.ids.filter { program.steps[$0] == .input }
    guard inputs.count == 1, var value = inputs.first else { return }
    while value != program.result {
      let users = program.steps.ids.filter { program.steps[$0].reads.contains(value) }
      guard users.count == 1, let user = users.first, let step = Self.step(program, user, from: value) else {
        return
      }
      links.append((step, user))
      value = user
    }
  }

  /// The bounds are those for which `furc_epilogue` is defined.
  private static func step(_ program: Program, _ user: Register, from value: Register) -> Step? {
    func other(_ left: Register, _ right: Register) -> Register? {
      left == right ? nil : left == value ? right : left
    }
    func bound(_ left: Register, _ right: Register) -> Float? {
      guard let register = other(left, right), case .float(let bits) = program.steps[register] else {
        return nil
      }
      let bound = Float(bitPattern: bits)
      return bound.isNaN ? nil : bound
    }
    switch program.steps[user] {
    case .convert(.f32, _): return .same
    case .binary(.add, let left, let right): return other(left, right).map { .add($0) }
    case .binary(.maximum, let left, let right):
      return bound(left, right).flatMap { $0.bitPattern == (-Float.zero).bitPattern ? nil : .low($0) }
    case .binary(.minimum, let left, let right):
      return bound(left, right).flatMap { $0 == 0 ? nil : .high($0) }
    default: return nil
    }
  }
}

extension Kernel {
  /// The operand of the post-program in a register and its address, if it is read as f32 words within bounds.
  fileprivate func wordsRead(by register: Register, _ layouts: [Layout]) -> (Int, LinearForm)? {
    guard case .operand(let index) = post.steps[register], index >= formOperandCount else { return nil }
    let operand = operands[index]
    guard operand.type.element == .f32, operand.pre.isIdentity,
      operand.openDimensions(over: ranges).isEmpty
    else { return nil }
    return (index, operand.address(layouts[index], axes: axes.count))
  }

  /// Whether a form has these steps along those of the axes that have more than one point.
  fileprivate func hasSteps(_ form: LinearForm, along some: [AxisID], _ steps: (AxisID) -> Int) -> Bool {
    some.allSatisfy { $0.isNone || axes[$0].extent == 1 || form.steps[$0.index] == steps($0) }
  }
}
