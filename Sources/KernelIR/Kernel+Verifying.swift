import Support
import Tensors

/// What a kernel must satisfy; every consumer relies on it.
/// - **K1** Axes: extents are not negative; their product and the bytes of the result stay below 2^62.
/// - **K2** Operands: as many as the form consumes (move: any); element types that fit a register; one map
///   per dimension, over axes of the kernel; what a post-program reads is mapped by parallel axes alone; no
///   coordinate reaches 2^62.
/// - **K3** Bounds: an operand with `never` stays within its bounds at every point; only operands that
///   contract and reduce consume may `skip`; a fill is a value of the element type.
/// - **K4** Programs are well typed (P1…P4, see `Program.kinds`), and the result has the kind of `element`.
///   Copies (move, gather, scatter) have none.
/// - **K5** Contract: both factors have the kind of the accumulation, and FP8 factors have no pre-program.
/// - **K6** Roles: reduction axes in contract, reduce and scatter (exactly one, `reduce`) only; at most one
///   `split`, in contract only, of extent at most 16, before every other reduction axis.
/// - **K7** Move: the boxes lie in the result and cover it exactly once. Other forms have no boxes.
/// - **K8** Gather and scatter: i32 indices; all operands `never`; element types are that of the result; the
///   replaced coordinate's map is 0 (gather); indices and updates do not depend on the axis `dimension`
///   (scatter).
/// - **K9** Tables: 1 to 65,536 entries, keys within i32.
extension Kernel {
  /// The first violation.
  public func verified() throws(Diagnostic) {
    if let first = verify().first { throw first }
  }

  /// All violations, as `invalidKernel`. Later rules are not checked where they would need broken ones.
  public func verify() -> [Diagnostic] {
    var check = KernelCheck(kernel: self)
    check.run()
    return check.findings
  }
}

private struct KernelCheck {
  let kernel: Kernel
  var findings: [Diagnostic] = []

  mutating func fail(_ rule: String, _ message: String) {
    findings.append(Diagnostic(.invalidKernel, "\(rule): \(message)"))
  }

  mutating func run() {
    axes()
    guard findings.isEmpty else { return }
    operands()
    tables()
    guard findings.isEmpty else { return }
    bounds()
    programs()
    roles()
    boxes()
    switch kernel.form {
    case .contract: contraction()
    case .gather(let dimension): gather(dimension)
    case .scatter(let dimension): scatter(dimension)
    default: break
    }
  }

  // MARK: K1, K2

  private mutating func axes() {
    var points = 1
    for id in kernel.axes.ids {
      let axis = kernel.axes[id]
      if axis.extent < 0 { return fail("K1", "axis \(id) '\(axis.name)' has extent \(axis.extent)") }
      // A zero extent must not hide the overflow of the others.
      let (product, overflow) = points.multipliedReportingOverflow(by: max(axis.extent, 1))
      if overflow || product > 1 << 62 { return fail("K1", "the axes have more than 2^62 points") }
      points = product
    }
    if !kernel.element.fitsRegister {
      fail("K2", "the result's type \(kernel.element.rawValue) does not fit a register")
    }
    if !isBounded(kernel.result) { fail("K1", "\(kernel.result) is too large") }
  }

  private func isBounded(_ type: TensorType) -> Bool {
    guard type.shape.allSatisfy({ $0 >= 0 }) else { return false }
    let solid = TensorType(type.element, type.shape.map { max($0, 1) })
    return ((try? solid.byteCount())?.bytes ?? .max) <= 1 << 62
  }

  private mutating func operands() {
    let needed = kernel.form == .move ? 0 : kernel.formOperandCount
    let isFixed = kernel.isCopy && kernel.form != .move
    if kernel.operands.count < needed || (isFixed && kernel.operands.count != needed) {
      return fail("K2", "\(kernel.form.name) has \(kernel.operands.count) operands, needs \(needed)")
    }
    let extents: [Int] = kernel.axes.ids.map { kernel.axes[$0].extent }
    for (index, operand) in kernel.operands.enumerated() {
      if !operand.type.element.fitsRegister {
        fail("K2", "operand \(index): \(operand.type.element.rawValue) does not fit a register")
      }
      if !isBounded(operand.type) { fail("K2", "operand \(index): \(operand.type) is not a bounded type") }
      if operand.maps.count != operand.type.shape.count {
        fail("K2", "operand \(index): \(operand.maps.count) maps for \(operand.type)")
      }
      for map in operand.maps {
        if let term = map.terms.first(where: { !kernel.axes.contains($0.axis) }) {
          fail("K2", "operand \(index): there is no axis \(term.axis)")
        } else if map.magnitude(extents: extents) == nil {
          fail("K2", "operand \(index): coordinate \(map) reaches 2^62")
        } else if index >= kernel.formOperandCount,
          let term = map.terms.first(where: { kernel.axes[$0.axis].role != .parallel })
        {
          fail("K2", "operand \(index) is for the post-program, but depends on reduction axis \(term.axis)")
        }
      }
    }
  }

  // MARK: K3

  private mutating func bounds() {
    for (index, operand) in kernel.operands.enumerated() {
      switch operand.outside {
      case .never:
        // A box that K7 rejects has no ranges to speak of.
        guard let ranges = kernel.visitedRanges(of: operand) else { continue }
        for (dimension, (map, extent)) in zip(operand.maps, operand.type.shape).enumerated() {
          guard let interval = map.interval(over: ranges) else { continue }
          if interval.lowerBound < 0 || interval.upperBound >= extent {
            fail(
              "K3",
              "operand \(index) reads \(interval.lowerBound)…\(interval.upperBound) of dimension "
                + "\(dimension), which has extent \(extent)")
          }
        }
      case .fill(let bits):
        if !operand.type.element.represents(bits) {
          fail("K3", "operand \(index): fill \(bits) is not a value of \(operand.type.element.rawValue)")
        }
      case .skip:
        let maySkip: Bool
        switch kernel.form {
        case .contract, .reduce: maySkip = index < kernel.formOperandCount
        default: maySkip = false
        }
        if !maySkip { fail("K3", "operand \(index) of \(kernel.form.name) may not skip") }
      }
    }
  }

  // MARK: K4, K5, K9

  private mutating func programs() {
    var kinds: [Program.Kind?] = []
    var isTyped = true
    for (index, operand) in kernel.operands.enumerated() {
      do {
        let kind = try kernel.valueKind(of: operand)
        kinds.append(index < kernel.formOperandCount ? nil : kind)
      } catch {
        isTyped = false
        fail("K4", "pre-program of operand \(index): \(error.message)")
      }
    }
    guard isTyped else { return }
    if kernel.isCopy {
      if !kernel.operands.allSatisfy(\.pre.isIdentity) || !kernel.post.isIdentity {
        fail("K4", "\(kernel.form.name) has no programs")
      }
      return
    }
    do {
      let kind = try kernel.post.kind(input: kernel.inputKind, operands: kinds, tables: kernel.tables)
      if kind != Program.Kind(kernel.element) {
        fail("K4", "the result \(kind.rawValue) is not of the kind of \(kernel.element.rawValue)")
      }
    } catch {
      fail("K4", "post-program: \(error.message)")
    }
  }

  private mutating func contraction() {
    let wanted: Program.Kind = kernel.accumulation == .integer ? .integer : .float
    for (index, operand) in kernel.operands.prefix(2).enumerated() {
      if let kind = try? kernel.valueKind(of: operand), kind != wanted {
        fail("K5", "factor \(index) is \(kind.rawValue), the accumulation is \(wanted.rawValue)")
      }
      if kernel.accumulation == .fp8, !operand.pre.isIdentity {
        fail("K5", "FP8 factor \(index) has a pre-program")
      }
    }
  }

  private mutating func tables() {
    for (index, table) in kernel.tables.enumerated() {
      let last = Int(table.low) + table.entries.count - 1
      if table.entries.isEmpty || table.entries.count > 65_536 || last > Int(Int32.max) {
        fail("K9", "table \(index) has \(table.entries.count) entries from \(table.low) on")
      }
    }
  }

  // MARK: K6, K7, K8

  private mutating func roles() {
    let reduction = kernel.reductionAxes
    switch kernel.form {
    case .contract, .reduce: break
    case .scatter:
      if reduction.count != 1 || kernel.axes[reduction[0]].role != .reduce {
        fail("K6", "scatter has \(reduction.count) reduction axes, allowed is one, of role reduce")
      }
    default:
      if let axis = reduction.first { fail("K6", "\(kernel.form.name) has reduction axis \(axis)") }
    }
    let split = kernel.axes(.split)
    guard let first = split.first else { return }
    let extent = kernel.axes[first].extent
    if kernel.form != .contract { fail("K6", "\(kernel.form.name) has split axis \(first)") }
    if split.count > 1 { fail("K6", "there are \(split.count) split axes") }
    if extent > 16 { fail("K6", "split axis \(first) has extent \(extent), allowed is 16") }
    if reduction.first != first { fail("K6", "split axis \(first) is not the outermost of the reduction") }
  }

  private mutating func boxes() {
    guard kernel.form == .move else {
      for (index, operand) in kernel.operands.enumerated() where !operand.box.isEmpty {
        fail("K7", "operand \(index) of \(kernel.form.name) has a box")
      }
      return
    }
    let shape = kernel.result.shape
    for (index, operand) in kernel.operands.enumerated() {
      let isInside =
        operand.box.count == shape.count
        && zip(operand.box, shape).allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= $1 }
      if !isInside { return fail("K7", "the box of operand \(index) does not lie in \(kernel.result)") }
      if operand.type.element != kernel.element {
        fail("K7", "operand \(index) is \(operand.type), the result \(kernel.result)")
      }
    }
    let boxes = kernel.operands.map(\.box)
    for (index, box) in boxes.enumerated() {
      if let other = boxes[..<index].firstIndex(where: { Box.overlap($0, box) }) {
        fail("K7", "the boxes of operands \(other) and \(index) overlap")
      }
    }
    // Disjoint boxes inside the result cover it exactly if their volumes add up to its own.
    let covered = boxes.reduce(0) { $0 &+ Box.volume($1) }
    if covered != kernel.elements {
      fail("K7", "the boxes cover \(covered) of \(kernel.elements) elements")
    }
  }

  private mutating func gather(_ dimension: Int) {
    copies(index: 1, of: [0])
    let maps = kernel.operands[0].maps
    if !maps.indices.contains(dimension) {
      fail("K8", "operand 0 has no dimension \(dimension)")
    } else if maps[dimension] != 0 {
      fail("K8", "the replaced coordinate is mapped by \(maps[dimension]), not 0")
    }
  }

  private mutating func scatter(_ dimension: Int) {
    copies(index: 1, of: [0, 2])
    let parallel = kernel.axes(.parallel)
    guard parallel.indices.contains(dimension) else {
      return fail("K8", "the result has no dimension \(dimension)")
    }
    let reduction = kernel.reductionAxes
    if kernel.operands[0].maps.contains(where: { map in reduction.contains { map.coefficient(of: $0) != 0 } })
    {
      fail("K8", "operand 0 depends on the axis of the updates")
    }
    for index in 1...2
    where kernel.operands[index].maps.contains(where: { $0.coefficient(of: parallel[dimension]) != 0 }) {
      fail("K8", "operand \(index) depends on axis \(parallel[dimension]), which the indices replace")
    }
  }

  private mutating func copies(index: Int, of copied: [Int]) {
    if kernel.operands[index].type.element != .i32 {
      fail("K8", "indices are \(kernel.operands[index].type), allowed is i32")
    }
    for operand in copied where kernel.operands[operand].type.element != kernel.element {
      fail("K8", "operand \(operand) is \(kernel.operands[operand].type), the result \(kernel.result)")
    }
    for (index, operand) in kernel.operands.enumerated() where operand.outside != .never {
      fail("K8", "operand \(index) of \(kernel.form.name) must stay within its bounds")
    }
  }
}

extension Kernel {
  /// The ranges of the axes over which an operand is read: a source of move is read in its box only. Nil if
  /// the box has not one range per parallel axis.
  func visitedRanges(of operand: Operand) -> [Range<Int>]? {
    guard form == .move else { return ranges }
    return operand.box.count == axes.count ? operand.box : nil
  }
}

extension Kernel.Form {
  /// What the text form calls it.
  public var name: String {
    switch self {
    case .contract: "contract"
    case .map: "map"
    case .reduce: "reduce"
    case .move: "move"
    case .gather: "gather"
    case .scatter: "scatter"
    }
  }
}

extension ElementType {
  /// Whether i32 bits or f32 bits are a value of the type, exactly.
  func represents(_ bits: UInt32) -> Bool {
    if isFloat { return fitsRegister && round(Float(bitPattern: bits)).bitPattern == bits }
    return integerRange?.contains(Int32(bitPattern: bits)) ?? false
  }
}

/// Boxes: one range per dimension. A box of rank 0 is the one point.
enum Box {
  static func volume(_ box: [Range<Int>]) -> Int { box.reduce(1) { $0 * $1.count } }

  static func overlap(_ a: [Range<Int>], _ b: [Range<Int>]) -> Bool {
    zip(a, b).allSatisfy { $0.overlaps($1) && !$0.isEmpty && !$1.isEmpty }
  }
}
