import Support

extension Code {
  /// The most instructions that the loops of one context may expand to.
  public static let expansionLimit = 1 << 20

  /// The lists without `loop`: bodies repeated, addresses and waits moved on. Counts of tags count these.
  /// - Throws: `invalidProgram` with the position of the loop, or `fieldRange` if an address leaves its field.
  public func expanded() throws(Diagnostic) -> Code {
    var code = self
    for (index, list) in contexts.enumerated() { code.contexts[index] = try Self.expand(list) }
    return code
  }

  private static func expand(_ list: [Instruction]) throws(Diagnostic) -> [Instruction] {
    var result: [Instruction] = []
    result.reserveCapacity(list.count)
    var position = 0
    while position < list.count {
      guard case .control(.loop(let loop)) = list[position].body else {
        result.append(list[position])
        position += 1
        continue
      }
      let place = Diagnostic.Location.instruction(position)
      let start = position + 1
      guard loop.body > 0, loop.count > 0, Int(loop.body) <= list.count - start else {
        throw Diagnostic(
          .invalidProgram, at: place,
          "a loop repeats \(loop.body) instructions \(loop.count) times, \(list.count - start) follow")
      }
      let body = list[start..<(start + Int(loop.body))]
      for instruction in body {
        switch instruction.body {
        case .control(.barrier), .control(.loop):
          throw Diagnostic(.invalidProgram, at: place, "a loop's body holds control other than wait")
        default: break
        }
      }
      guard result.count + Int(loop.count) * body.count <= expansionLimit else {
        throw Diagnostic(
          .invalidProgram, at: place, "loops expand to more than \(expansionLimit) instructions")
      }
      for iteration in 0..<Int(loop.count) {
        for instruction in body {
          do { result.append(try instruction.moved(by: loop, iteration)) } catch {
            throw error.located(at: place)
          }
        }
      }
      position = start + body.count
    }
    guard result.count <= expansionLimit else {
      throw Diagnostic(.invalidProgram, "a list has more than \(expansionLimit) instructions")
    }
    return result
  }
}

extension Instruction {
  /// The instruction in iteration `iteration` of a loop.
  func moved(by loop: ControlInstruction.Loop, _ iteration: Int) throws(Diagnostic) -> Instruction {
    guard iteration > 0 else { return self }
    var copy = self
    for index in copy.waits.indices {
      copy.waits[index].count = try added(copy.waits[index].count, loop.waitStep, iteration, "wait_step")
    }
    switch copy.body {
    case .tensor(var tensor):
      tensor.fetch.base = try added(tensor.fetch.base, loop.fetchStep, iteration, "fetch_step")
      if tensor.accumulate.kind == .contract {
        tensor.accumulate.registerBase = try added(
          tensor.accumulate.registerBase, loop.registerStep, iteration, "register_step")
      }
      for index in tensor.vector.operands.indices {
        guard case .second(var stream) = tensor.vector.operands[index].source else { continue }
        stream.base = try added(stream.base, loop.secondStep, iteration, "second_step")
        tensor.vector.operands[index].source = .second(stream)
      }
      switch tensor.sink {
      case .commit(var commit) where tensor.accumulate.finish != .keep:
        commit.base = try added(commit.base, loop.commitStep, iteration, "commit_step")
        tensor.sink = .commit(commit)
      case .commit: break
      case .registerFile(let base):
        tensor.sink = .registerFile(base: try added(base, loop.registerStep, iteration, "register_step"))
      case .vectorRegisters(let base):
        tensor.sink = .vectorRegisters(base: try added(base, loop.commitStep, iteration, "commit_step"))
      case .tables(let base):
        tensor.sink = .tables(base: try added(base, loop.commitStep, iteration, "commit_step"))
      }
      copy.body = .tensor(tensor)
    case .dma(var dma):
      dma.source.base = try added(dma.source.base, loop.sourceStep, iteration, "source_step")
      dma.destination.base = try added(
        dma.destination.base, loop.destinationStep, iteration, "destination_step")
      copy.body = .dma(dma)
    case .control: break
    }
    return copy
  }
}

/// base + iteration · step, within the type of the field.
private func added<Field: FixedWidthInteger, Step: FixedWidthInteger>(
  _ base: Field, _ step: Step, _ iteration: Int, _ name: String
) throws(Diagnostic) -> Field {
  let (product, overflow) = Int(truncatingIfNeeded: step).multipliedReportingOverflow(by: iteration)
  let (sum, more) = product.addingReportingOverflow(Int(truncatingIfNeeded: base))
  guard !overflow, !more, let value = Field(exactly: sum) else {
    throw Diagnostic(
      .fieldRange, "\(name) moves an address or count out of its field in iteration \(iteration)")
  }
  return value
}
