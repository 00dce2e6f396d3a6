import Support

/// `i2 + 2*i5 - 1`.
extension AffineMap: TextForm, CustomStringConvertible {
  public var description: String { text }

  public func write(to out: inout TextWriter) {
    for (index, term) in terms.enumerated() {
      if index == 0 {
        if term.coefficient != 1 { out.write("\(term.coefficient)*") }
      } else {
        out.write(term.coefficient < 0 ? " - " : " + ")
        if term.coefficient.magnitude != 1 { out.write("\(term.coefficient.magnitude)*") }
      }
      out.write(term.axis)
    }
    if terms.isEmpty {
      out.write(offset)
    } else if offset != 0 {
      out.write(offset < 0 ? " - " : " + ")
      out.write("\(offset.magnitude)")
    }
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    self = 0
    try add(parsing: &text, isNegative: false)
    while true {
      if text.accept("+") {
        try add(parsing: &text, isNegative: false)
      } else if text.accept("-") {
        try add(parsing: &text, isNegative: true)
      } else {
        return
      }
    }
  }

  private mutating func add(parsing text: inout TextReader, isNegative: Bool) throws(Diagnostic) {
    let start = text
    var ahead = text
    let word = try ahead.word()
    guard !word.hasPrefix(AxisID.sigil) else {
      let axis = try AxisID(parsing: &text)
      return try add(axis, isNegative ? -1 : 1, start)
    }
    text = ahead
    guard let number = Int(isNegative ? "-" + word : word) else {
      throw start.expected("a number or an axis")
    }
    guard !text.accept("*") else { return try add(try AxisID(parsing: &text), number, start) }
    let (sum, overflow) = offset.addingReportingOverflow(number)
    guard !overflow else { throw start.expected("an offset within 64 bits") }
    offset = sum
  }

  /// Numbers come from a file: a term that repeats may not overflow.
  private mutating func add(_ axis: AxisID, _ coefficient: Int, _ start: TextReader) throws(Diagnostic) {
    guard !self.coefficient(of: axis).addingReportingOverflow(coefficient).overflow else {
      throw start.expected("a coefficient within 64 bits")
    }
    add(Term(axis: axis, coefficient: coefficient))
  }
}
