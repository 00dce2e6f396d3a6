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

  /// Until the work is done: sub loads beside main while that leaves it the units that it needs.
  var ticks: Int {
    main + max(sub - mainSharing - mainSwitching, subSwitching - mainSharing, 0) + copies
  }

  static func - (a: Work, b: Work) -> Work {
    Work(
      main: a.main - b.main, sub: a.sub - b.sub, mainSharing: a.mainSharing - b.mainSharing,
      mainSwitching: a.mainSwitching - b.mainSwitching, subSwitching: a.subSwitching - b.subSwitching,
      copies: a.copies - b.copies, streamed: a.streamed - b.streamed)
  }

  static func + (a: Work, b: Work) -> Work {
    Work(
      main: a.main + b.main, sub: a.sub + b.sub, mainSharing: a.mainSharing + b.mainSharing,
      mainSwitching: a.mainSwitching + b.mainSwitching, subSwitching: a.subSwitching + b.subSwitching,
      copies: a.copies + b.copies, streamed: a.streamed + b.streamed)
  }
}
