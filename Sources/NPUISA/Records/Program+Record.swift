import KernelIR
import Support
import Tensors

/// One kind of step of a vector program: its name, and what its numbers are.
struct StepForm: Sendable {
  let name: String
  let summary: String
  /// A letter per number: r a register, n a count, i an i32, b bits of 32.
  let numbers: String
  let take: @Sendable (Program.Step) -> [Int64]?
  let make: @Sendable ([Int64]) -> Program.Step

  /// In the order of their numbers.
  static let all: [StepForm] = leaves + unaries + binaries + wide + converts

  private static let leaves: [StepForm] = [
    StepForm("input", "", "what arrives", { $0 == .input ? [] : nil }, { _ in .input }),
    StepForm(
      "operand", "n", "an operand of the instruction",
      { if case .operand(let number) = $0 { [Int64(number)] } else { nil } }, { .operand(Int($0[0])) }),
    StepForm(
      "integer", "i", "an i32", { if case .integer(let value) = $0 { [Int64(value)] } else { nil } },
      { .integer(Int32(truncatingIfNeeded: $0[0])) }),
    StepForm(
      "float", "b", "an f32, by its bits", { if case .float(let bits) = $0 { [Int64(bits)] } else { nil } },
      { .float(UInt32(truncatingIfNeeded: $0[0])) }),
  ]

  private static let unaries: [StepForm] = Program.Unary.allCases.map { op in
    StepForm(
      op.rawValue, "r", "one register",
      { if case .unary(op, let value) = $0 { [Int64(value.rawValue)] } else { nil } },
      { .unary(op, register($0[0])) })
  }

  private static let binaries: [StepForm] = Program.Binary.allCases.map { op in
    StepForm(
      op.rawValue, "rr", "two registers",
      { if case .binary(op, let a, let b) = $0 { [Int64(a.rawValue), Int64(b.rawValue)] } else { nil } },
      { .binary(op, register($0[0]), register($0[1])) })
  }

  private static let wide: [StepForm] = [
    StepForm(
      "fma", "rrr", "a · b + c, rounded once",
      { if case .fma(let a, let b, let c) = $0 { numbers(a, b, c) } else { nil } },
      { .fma(register($0[0]), register($0[1]), register($0[2])) }),
    StepForm(
      "select", "rrr", "condition, then, else",
      { if case .select(let a, let b, let c) = $0 { numbers(a, b, c) } else { nil } },
      { .select(register($0[0]), register($0[1]), register($0[2])) }),
    StepForm(
      "requant", "rrriii", "sum, multiplier, shift, zero point, low, high",
      {
        guard case .requant(let a, let b, let c, let zero, let low, let high) = $0 else { return nil }
        return numbers(a, b, c) + [Int64(zero), Int64(low), Int64(high)]
      },
      {
        .requant(
          register($0[0]), multiplier: register($0[1]), shift: register($0[2]), zeroPoint: integer($0[3]),
          low: integer($0[4]), high: integer($0[5]))
      }),
    StepForm(
      "quantize", "rriii", "value, scale, zero point, low, high",
      {
        guard case .quantize(let a, let b, let zero, let low, let high) = $0 else { return nil }
        return numbers(a, b) + [Int64(zero), Int64(low), Int64(high)]
      },
      {
        .quantize(
          register($0[0]), scale: register($0[1]), zeroPoint: integer($0[2]), low: integer($0[3]),
          high: integer($0[4]))
      }),
    StepForm(
      "dequantize", "rri", "value, scale, zero point",
      {
        guard case .dequantize(let a, let b, let zero) = $0 else { return nil }
        return numbers(a, b) + [Int64(zero)]
      },
      { .dequantize(register($0[0]), scale: register($0[1]), zeroPoint: integer($0[2])) }),
    StepForm(
      "table", "nr", "table slot, key",
      { if case .table(let slot, let key) = $0 { [Int64(slot)] + numbers(key) } else { nil } },
      { .table(Int($0[0]), register($0[1])) }),
  ]

  private static let converts: [StepForm] = ElementType.allCases.map { element in
    StepForm(
      "convert.\(element.rawValue)", "r", "as if stored and loaded again",
      { if case .convert(element, let value) = $0 { numbers(value) } else { nil } },
      { .convert(element, register($0[0])) })
  }

  private static func register(_ number: Int64) -> Register {
    Register(rawValue: UInt32(truncatingIfNeeded: number))
  }
  private static func integer(_ number: Int64) -> Int32 { Int32(truncatingIfNeeded: number) }
  private static func numbers(_ registers: Register...) -> [Int64] { registers.map { Int64($0.rawValue) } }

  private init(
    _ name: String, _ numbers: String, _ summary: String,
    _ take: @escaping @Sendable (Program.Step) -> [Int64]?,
    _ make: @escaping @Sendable ([Int64]) -> Program.Step
  ) {
    self.name = name
    self.numbers = numbers
    self.summary = summary
    self.take = take
    self.make = make
  }

  /// What a number of this letter may be.
  static func range(_ letter: Character) -> ClosedRange<Int64> {
    switch letter {
    case "i": Int64(Int32.min)...Int64(Int32.max)
    case "n": 0...255
    case "r": 0...Int64(Int32.max)
    default: 0...Int64(UInt32.max)
    }
  }
}

extension Program.Step {
  fileprivate var form: (index: Int, numbers: [Int64]) {
    for (index, form) in StepForm.all.enumerated() {
      if let numbers = form.take(self) { return (index, numbers) }
    }
    return (0, [])
  }
}

extension Program.Step: FieldValue {
  public static var typeName: String { "step" }

  /// The kind of step and every number; registers only among those of the program, which `Program` sees to.
  public var leaves: Int { 1 + form.numbers.count }

  public func encode(to out: inout ByteWriter) {
    let (index, numbers) = form
    out.integer(UInt8(index))
    for number in numbers { number.encode(to: &out) }
  }

  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Program.Step {
    let index: UInt8 = try bytes.integer()
    guard index < StepForm.all.count else { throw malformed("\(index) is no step of a program") }
    let form = StepForm.all[Int(index)]
    var numbers: [Int64] = []
    for letter in form.numbers {
      let number = try Int64.decode(&bytes)
      guard StepForm.range(letter).contains(number) else {
        throw malformed("\(form.name) has \(number), allowed is \(StepForm.range(letter))")
      }
      numbers.append(number)
    }
    return form.make(numbers)
  }

  public func writeField(to out: inout TextWriter) {
    let (index, numbers) = form
    let form = StepForm.all[index]
    out.write(form.name)
    for (letter, number) in zip(form.numbers, numbers) {
      out.write(letter == "r" ? " r" : " ")
      out.decimal(number)
    }
  }

  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Program.Step {
    let start = text
    let word = try text.word()
    guard let form = StepForm.all.first(where: { $0.name == word }) else {
      throw start.expected("a step of a program")
    }
    var numbers: [Int64] = []
    for letter in form.numbers {
      let place = text
      let word = try text.word()
      let digits = letter == "r" && word.hasPrefix("r") ? word.dropFirst() : word[...]
      let isRegister = letter == "r" && word.hasPrefix("r")
      guard let number = Int64(digits), isRegister == (letter == "r"),
        StepForm.range(letter).contains(number)
      else { throw place.expected(letter == "r" ? "a register" : "a number in \(StepForm.range(letter))") }
      numbers.append(number)
    }
    return form.make(numbers)
  }

  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    var (index, numbers) = form
    let form = StepForm.all[index]
    if leaf == 0 {
      let others = StepForm.all.filter { $0.numbers == form.numbers && $0.name != form.name }
      let letters = Array(form.numbers)
      if let other = others.randomElement(using: &random) {
        self = other.make(numbers)
      } else if let place = letters.indices.randomElement(using: &random) {
        numbers[place] += 1
        self = form.make(numbers)
      } else {
        self = .integer(Int32.random(in: -128...127, using: &random))
      }
      return "step"
    }
    let range = StepForm.range(Array(form.numbers)[leaf - 1])
    var value = numbers[leaf - 1]
    _ = value.mutate(leaf: 0, using: &random)
    if !range.contains(value) {
      value = numbers[leaf - 1] == range.lowerBound ? range.lowerBound + 1 : range.lowerBound
    }
    numbers[leaf - 1] = value
    self = form.make(numbers)
    return "number\(leaf - 1)"
  }
}

extension Program: FieldValue {
  public static var typeName: String { "program" }
  private var list: [Step] { steps.ids.map { steps[$0] } }

  public func encode(to out: inout ByteWriter) {
    list.encode(to: &out)
    result.rawValue.encode(to: &out)
  }

  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Program {
    let steps = try [Step].decode(&bytes)
    return Program(steps: steps, result: Register(rawValue: try UInt32.decode(&bytes)))
  }

  public func writeField(to out: inout TextWriter) {
    list.writeField(to: &out)
    out.write(" -> ")
    out.write(result)
  }

  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Program {
    let steps = try [Step].parse(&text)
    try text.expect("->")
    let start = text
    let word = try text.word()
    guard let number = UInt32(word.dropFirst()), word == "r\(number)" else {
      guard word == "rnone" else { throw start.expected("a register") }
      return Program(steps: steps, result: .none)
    }
    return Program(steps: steps, result: Register(rawValue: number))
  }

  public var leaves: Int { 1 + list.reduce(0) { $0 + $1.leaves } }

  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    var leaf = leaf
    var steps = list
    for index in steps.indices {
      let count = steps[index].leaves
      if leaf < count {
        let path = steps[index].mutate(leaf: leaf, using: &random)
        self = Program(steps: steps, result: result)
        return "r\(index).\(path)"
      }
      leaf -= count
    }
    let other = UInt32.random(in: 0..<UInt32(max(steps.count, 1)), using: &random)
    let changed = other == result.rawValue ? (other + 1) % UInt32(max(steps.count, 1)) : other
    self = Program(steps: steps, result: Register(rawValue: changed))
    return "result"
  }
}
