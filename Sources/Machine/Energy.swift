/// What a run spends, from its counters and the energies of the target.
public struct Energy: Hashable, Sendable {
  public let macFemtojoules: Int
  public let sramFemtojoules: Int
  public let dramFemtojoules: Int
  public let vectorFemtojoules: Int

  public var femtojoules: Int { macFemtojoules + sramFemtojoules + dramFemtojoules + vectorFemtojoules }
  public var microjoules: Double { Double(femtojoules) / 1e9 }

  /// - Parameters:
  ///   - macs: multiply-adds of the contraction engine, skipped ones too.
  ///   - sramBytes, dramBytes: read and written.
  ///   - vectorSteps: steps of vector programs times elements.
  public init(on machine: SliceMachine, macs: Int, sramBytes: Int, dramBytes: Int, vectorSteps: Int) {
    macFemtojoules = Self.product(macs, machine.macFemtojoules)
    sramFemtojoules = Self.product(sramBytes, machine.sramByteFemtojoules)
    dramFemtojoules = Self.product(dramBytes, machine.dramByteFemtojoules)
    vectorFemtojoules = Self.product(vectorSteps, machine.vectorFemtojoules)
  }

  /// Saturates, far above any run's energy, so that four of them can be added.
  private static func product(_ count: Int, _ energy: Int) -> Int {
    let (product, overflow) = count.multipliedReportingOverflow(by: energy)
    return overflow ? Int.max / 4 : min(product, Int.max / 4)
  }

  /// The mean power of a run of `cycles`, in milliwatts; without leakage, for which nothing is published.
  public func milliwatts(cycles: Int, on machine: SliceMachine) -> Double {
    cycles > 0 ? Double(femtojoules) * 1e-12 * Double(machine.clockHz) / Double(cycles) : 0
  }

  /// One sentence if the run draws more than the card may, else nil.
  public func warning(cycles: Int, on machine: SliceMachine) -> String? {
    let power = milliwatts(cycles: cycles, on: machine)
    guard power > Double(machine.tdpMilliwatts) else { return nil }
    return
      "the run draws \(Int(power)) mW, more than tdp_milliwatts of \(machine.name), \(machine.tdpMilliwatts)"
  }
}
