import NPUISA

/// What a walk over an instruction met, stage by stage, turned into cycles as it went. Names are those of
/// `Stages`, the closed forms.
public struct StageCounts: Hashable, Sendable {
  public var issue = 0
  public var fetch = 0
  public var exchange = 0
  public var contract = 0
  public var second = 0
  public var drain = 0
  public var reducer = 0
  public var vector = 0
  public var commit = 0
  public var latency = 0

  public init() {}

  public var cycles: Int {
    issue + latency + max(fetch, exchange, contract, second, drain, reducer, vector, commit)
  }

  /// Whether a closed form says the same of every stage.
  public func agrees(with stages: Stages) -> Bool {
    issue == stages.issue && fetch == stages.fetch && exchange == stages.exchange
      && contract == stages.contract && second == stages.second && drain == stages.drain
      && reducer == stages.reducer && vector == stages.vector && commit == stages.commit
      && latency == stages.latency
  }
}

/// What a run did in all, for reports and energy.
public struct RunCounters: Hashable, Sendable {
  public var tensorInstructions = 0
  public var dmaDescriptors = 0
  /// Products of contractions, over all slices and lanes; skipped elements too.
  public var multiplyAdds = 0
  public var sramReadBytes = 0
  public var sramWriteBytes = 0
  public var dramReadBytes = 0
  public var dramWriteBytes = 0
  /// Steps of vector programs times elements, over all slices.
  public var vectorSteps = 0

  public init() {}
}

/// When an instruction ran.
public struct TimelineEntry: Hashable, Sendable {
  /// `Context.index`.
  public var context: Int
  /// In the expanded list of the context.
  public var position: Int
  public var startTick: Int64
  public var endTick: Int64
}
