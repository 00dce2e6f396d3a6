import Support

extension NPUProgram {
  /// The reference page of the instruction set, in Markdown. A test keeps the committed copy current.
  public static let instructionSetPage: String = {
    var out = TextWriter()
    out.write(
      """
      # NPU instructions

      Generated from the records in Sources/NPUISA; do not edit. What instructions mean and how long they take is
      on [the machine's page](npu-machine.md).

      Binary: a record is a number whose bit n says that field n differs from its default, then these fields in
      order. Numbers have seven bits per byte, the least first; signed ones in zigzag order (0, -1, 1, -2, …). A
      list is its length and its elements; a choice is one byte; a case is one byte and its value. Nothing is
      written in two ways, and what is not written this way is refused.

      Text: the fields that differ from their defaults, as `name=value`; records in braces, lists in brackets.

      """)
    out.record(Instruction.self)
    out.variant(Instruction.Body.self)
    out.record(TensorInstruction.self)
    out.record(TensorInstruction.Loop.self)
    out.record(TensorInstruction.Fetch.self)
    out.record(TensorInstruction.Bound.self)
    out.record(TensorInstruction.Exchange.self)
    out.record(TensorInstruction.Accumulate.self)
    out.record(TensorInstruction.Reducer.self)
    out.record(TensorInstruction.Vector.self)
    out.record(TensorInstruction.VectorOperand.self)
    out.variant(TensorInstruction.VectorOperand.Source.self)
    out.record(TensorInstruction.Second.self)
    out.variant(TensorInstruction.Sink.self)
    out.record(TensorInstruction.Commit.self)
    out.record(DMAInstruction.self)
    out.record(DMAInstruction.Loop.self)
    out.record(DMAInstruction.Index.self)
    out.record(ControlInstruction.Loop.self)
    out.steps()
    out.record(NPUProgram.self)
    out.record(NPUProgram.Port.self)
    out.record(NPUProgram.KernelEntry.self)
    out.record(NPUProgram.Residence.self)
    out.record(NPUProgram.Residence.Dimension.self)
    return out.text
  }()
}

extension TextWriter {
  fileprivate mutating func record<R: Record>(_ record: R.Type) {
    write("\n## \(typeTitle(R.self)): \(R.summary)\n\n")
    write("| bit | field | type | allowed | default | meaning |\n|---|---|---|---|---|---|\n")
    for (bit, field) in R.fields.enumerated() {
      let allowed = field.allowed.map { "\($0.lowerBound) … \($0.upperBound)" } ?? ""
      write("| \(bit) | `\(field.name)` | \(field.typeName) | \(allowed) | ")
      var value = TextWriter()
      field.write(R.defaults, &value)
      // A default of several lines (the lists of a program) says nothing.
      write(value.bytes.isEmpty || value.text.contains("\n") ? "" : "`\(value.text)`")
      write(" | \(field.summary) |\n")
    }
  }

  fileprivate mutating func variant<V: Variant>(_ variant: V.Type) {
    write(
      "\n## \(typeTitle(V.self)): \(V.summary)\n\n| number | case | value | meaning |\n|---|---|---|---|\n")
    for (number, entry) in V.cases.enumerated() {
      write("| \(number) | `\(entry.name)` | \(entry.typeName) | \(entry.summary) |\n")
    }
  }

  fileprivate mutating func steps() {
    write("\n## Program: the vector engine's steps, then the register of the result\n\n")
    write("r is a register, n a number, i an i32, b 32 bits. Docs/arithmetic.md says what they compute.\n\n")
    write("| number | step | numbers | meaning |\n|---|---|---|---|\n")
    for (number, form) in StepForm.all.enumerated() {
      write("| \(number) | `\(form.name)` | \(form.numbers) | \(form.summary) |\n")
    }
  }
}

/// The name of a type without its module.
func typeTitle(_ type: Any.Type) -> String {
  String(reflecting: type).split(separator: ".").dropFirst().joined(separator: ".")
}
