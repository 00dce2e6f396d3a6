import Machine
import NPUCompiler
import NPUISA
import TargetFiles
import Testing

/// Copies in SRAM on warboy-2pe: an engine starts in 1,000 cycles, and takes five to read a short run and five to write it.
struct EnginePlanTests {
  /// Copies `runs` runs of 16 bytes, one per slice, to where nothing else of a plan comes to lie.
  private func descriptor(_ runs: Int, number: Int) -> DMAInstruction {
    let place = Int64(number * 64)
    return DMAInstruction(
      from: .init(.sram, place), to: .init(.sram, 4096 + place), run: 16,
      [.init(UInt32(runs), source: 1 << 20, destination: 1 << 20)])
  }

  /// - Returns: runs by descriptor in the plan's order, and its cycles.
  private func plan(_ runs: [Int]) throws -> (runs: [Int], cycles: Int) {
    let machine = try Targets.builtin("warboy-2pe").machine
    let plan = EnginePlan(runs.enumerated().map { descriptor($1, number: $0) }, machine)
    return (plan.items.map { Int($0.descriptor.loops[0].size) }, plan.ticks / machine.ticksPerCycle)
  }

  @Test func oneIsCutInHalves() throws {
    #expect(try plan([64]) == ([32, 32], 1320))
    #expect(try plan([7]) == ([7], 1070))
    #expect(try plan([]) == ([], 0))
  }

  /// Halves start twice on each engine.
  @Test func twoShortOnesStayWhole() throws {
    #expect(try plan([100, 90]) == ([100, 90], 2000))
    #expect(try plan([120, 8]) == ([120, 8], 2200))
  }

  @Test func theLongestIsCutWhereThatPays() throws {
    #expect(try plan([1000, 8]) == ([500, 500, 4, 4], 7040))
    #expect(try plan([128, 128, 128]) == ([128, 128, 64, 64], 3920))
  }

  /// What may write the same bytes comes one after the other.
  @Test func overlappingDestinationsTakeTurns() throws {
    let machine = try Targets.builtin("warboy-2pe").machine
    let plan = EnginePlan([descriptor(7, number: 0), descriptor(7, number: 0)], machine)
    #expect(plan.ticks / machine.ticksPerCycle == 2140)
  }
}
