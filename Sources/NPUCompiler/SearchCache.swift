import KernelIR
import Support
import Synchronization

/// What searches of one graph share: geometries of a kernel that do not depend on where its operands lie, and how long copies
/// take.
final class SearchCache: Sendable {
  struct Key: Hashable {
    enum Kind: Hashable {
      case fresh(startsWithFewTiles: Bool, countsHalos: Bool)
      case slicing
    }

    var kind: Kind
    var kernel: BufferID
    var slices: Int
    var limit: Int
  }

  /// A copy of a value from layout to layout; both count from address 0.
  struct Copy: Hashable {
    var from: Placement
    var to: Placement
    var copies: [Geometry.Digit]
    /// Whether two engines share it.
    var isShared: Bool
  }

  private let ticks = Mutex<[Copy: Int]>([:])

  func ticks(_ copy: Copy) -> Int? { ticks.withLock { $0[copy] } }
  func note(_ copy: Copy, _ count: Int) { ticks.withLock { $0[copy] = count } }

  private let found = Mutex<[Key: [Geometry]]>([:])

  /// What `make` gives, once per key; two searches that ask at the same time may both make it.
  func geometries(_ key: Key, make: () -> [Geometry]) -> [Geometry] {
    if let known = found.withLock({ $0[key] }) { return known }
    let made = make()
    found.withLock { $0[key] = made }
    return made
  }
}
