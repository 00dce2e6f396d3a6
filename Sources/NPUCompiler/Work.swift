/// What a dry run counts, in ticks.
struct Work {
  /// Instructions of main and of sub, one after another.
  var main = 0
  var sub = 0
  /// Those of main that leave the second port and the switch to sub, and those that leave the port alone.
  var mainSharing = 0
  var mainSwitching = 0
  /// Those of sub that need the switch.
  var subSwitching = 0
  /// Copies that hold the work up, and constants that stream beside it.
  var copies = 0
  var streamed = 0
  /// Copies that bring resident constants together, before the loads.
  var staged = 0
  /// Loads that need units which the work holds, and so come between.
  var waiting = 0
  /// Instructions that contract: each waits for a load.
  var contractions = 0

  /// Time of main beside which the first load of the next kernel may come.
  struct Beside {
    /// Of instructions that leave it all it needs, and of those that leave it the second port.
    var sharing = 0
    var switching = 0
  }

  /// Until the work is done. Constants come by halves: those of the first contraction beside what was before it, the others
  /// beside the contraction before, while main leaves them the units that they need.
  func ticks(after before: Beside) -> Int {
    let first = sub / max(contractions, 1)
    // What keeps the switch alone from sub is beside loads that do not need it.
    let isSwitching = subSwitching > 0
    let (earlier, own) = isSwitching ? (0, 0) : (before.switching, mainSwitching)
    let open = first - before.sharing - earlier
    let waits = sub - first - mainSharing - max(own - max(open, 0), 0)
    return main + max(open - own, 0) + max(waits, 0) + waiting + copies
  }

  /// What a contraction, on average, or all of this without one, leaves the next load.
  func beside(after before: Beside) -> Beside {
    guard contractions == 0 else { return Beside(sharing: mainSharing / contractions) }
    return Beside(
      sharing: before.sharing + mainSharing + copies, switching: before.switching + mainSwitching)
  }

  static func - (a: Work, b: Work) -> Work { a.combined(b, -) }

  static func + (a: Work, b: Work) -> Work { a.combined(b, +) }

  private func combined(_ other: Work, _ combine: (Int, Int) -> Int) -> Work {
    Work(
      main: combine(main, other.main), sub: combine(sub, other.sub),
      mainSharing: combine(mainSharing, other.mainSharing),
      mainSwitching: combine(mainSwitching, other.mainSwitching),
      subSwitching: combine(subSwitching, other.subSwitching), copies: combine(copies, other.copies),
      streamed: combine(streamed, other.streamed),
      staged: combine(staged, other.staged), waiting: combine(waiting, other.waiting),
      contractions: combine(contractions, other.contractions))
  }
}
