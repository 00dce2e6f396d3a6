import Support

/// Times of the steps of a run, in the order in which they ran. For reports; no result depends on it.
public final class StepClock {
  public private(set) var seconds: [Double] = []
  private var begin = ContinuousClock.now

  public init() {}

  func start() { begin = .now }

  func stop() {
    seconds.append((ContinuousClock.now - begin).inSeconds)
  }
}
