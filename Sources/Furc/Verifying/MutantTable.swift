import Machine
import NPUChecker
import NPUISA
import NPUInterpreter
import Support
import Tensors

/// Who notices deliberate errors: how good checker and comparison are, in numbers.
public struct MutantTable: Sendable {
  /// What became of the mutants of one kind.
  public struct Row: Sendable {
    /// What the error is about.
    public let kind: Mutant.Kind
    /// All of the kind.
    public var drawn = 0
    /// The checker has a finding.
    public var byChecker = 0
    /// The checker has none; outputs, cycles or an error at run time tell.
    public var byRun = 0
    /// Nothing that anyone could see.
    public var equivalent = 0
    /// A missing order that changed an output although the checker was silent.
    public var missed = 0
  }

  /// One per kind, in the order of the kinds.
  public internal(set) var rows: [Row] = Mutant.Kind.allCases.map { Row(kind: $0) }
  /// The paths of missed mutants.
  public internal(set) var missed: [String] = []

  /// The table as text.
  public var lines: [String] {
    let cells =
      [["mutants", "drawn", "by checker", "by run", "no effect", "missed"]]
      + rows.map { row in
        [row.kind.rawValue]
          + [row.drawn, row.byChecker, row.byRun, row.equivalent, row.missed].map { "\($0)" }
      }
    return cells.map { line in
      line.enumerated().map { index, cell in
        let blanks = String(repeating: " ", count: max(0, 11 - cell.count))
        return index == 0 ? cell + blanks : blanks + cell
      }.joined()
    }
  }

  /// The same as JSON.
  public var json: JSON {
    .object(
      rows.map { row in
        JSON.Member(
          row.kind.rawValue,
          .object([
            .init("drawn", .integer(row.drawn)), .init("by_checker", .integer(row.byChecker)),
            .init("by_run", .integer(row.byRun)), .init("no_effect", .integer(row.equivalent)),
            .init("missed", .integer(row.missed)),
          ]))
      })
  }
}

extension Session {
  /// Draws mutants of a device program and looks who notices. A mutant of order that the checker passes runs under
  /// random timing of many seeds; there it must change nothing.
  /// - Parameters:
  ///   - program: one that verifies.
  ///   - machine: the one that it was compiled for.
  ///   - inputs: of the program, by the names of its ports.
  ///   - count: how many mutants to draw.
  ///   - seed: of the draw.
  ///   - jitterSeeds: how many timings a mutant of order meets.
  /// - Throws: what the unchanged program throws.
  public func mutants(
    of program: NPUProgram, on machine: SliceMachine, inputs: InputSet, count: Int, seed: UInt64,
    jitterSeeds: Int = 50
  ) throws(Diagnostic) -> MutantTable {
    var original = try NPUInterpreter(program, on: machine, mode: .fast)
    let wanted = try original.run(inputs: inputs)
    var random = SeededRandom(seed: seed)
    var drawn: [Mutant] = []
    for _ in 0..<count {
      guard let mutant = Mutant.draw(from: program, using: &random) else { break }
      drawn.append(mutant)
    }
    let all = drawn
    let fates = Parallel.map(all.count, threads: threads) { index in
      fate(of: all[index], machine, inputs, wanted, jitterSeeds)
    }
    var table = MutantTable()
    for (mutant, fate) in zip(all, fates) {
      guard let row = table.rows.firstIndex(where: { $0.kind == mutant.kind }) else { continue }
      table.rows[row].drawn += 1
      switch fate {
      case .checker: table.rows[row].byChecker += 1
      case .run: table.rows[row].byRun += 1
      case .none: table.rows[row].equivalent += 1
      case .missed:
        table.rows[row].missed += 1
        table.missed.append(mutant.path)
      }
    }
    return table
  }

  private enum Fate: Sendable {
    case checker
    case run
    case none
    case missed
  }

  private func fate(
    of mutant: Mutant, _ machine: SliceMachine, _ inputs: InputSet, _ wanted: NPUInterpreter.RunResult,
    _ jitterSeeds: Int
  ) -> Fate {
    guard check(mutant.program, machine).isEmpty else { return .checker }
    let isOrder = mutant.kind == .waits
    if !gives(mutant.program, machine, inputs, wanted, .fast) { return isOrder ? .missed : .run }
    if mutant.kind != .data {
      for seed in 0..<jitterSeeds
      where !gives(mutant.program, machine, inputs, wanted, .jitter(seed: UInt64(seed))) {
        return .missed
      }
    }
    // What only changes the time is seen by its prediction.
    guard var interpreter = try? NPUInterpreter(mutant.program, on: machine, mode: .fast),
      let run = try? interpreter.run(inputs: inputs)
    else { return .run }
    return run.ticks == wanted.ticks && mutant.program.predictedRunTicks == wanted.ticks ? .none : .run
  }

  /// Whether a program runs and gives the wanted outputs.
  private func gives(
    _ program: NPUProgram, _ machine: SliceMachine, _ inputs: InputSet, _ wanted: NPUInterpreter.RunResult,
    _ mode: NPUInterpreter.Mode
  ) -> Bool {
    guard var interpreter = try? NPUInterpreter(program, on: machine, mode: mode),
      let run = try? interpreter.run(inputs: inputs)
    else { return false }
    return run.outputs == wanted.outputs
  }
}
