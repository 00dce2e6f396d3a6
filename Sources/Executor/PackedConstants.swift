import Support
import Synchronization
import Tensors

/// Packed forms of constants, shared by the plans of all shapes that a model runs at: its weights take their
/// memory once. A form lives as long as some plan has it.
final class PackedConstants: Sendable {
  /// What decides the packed bytes.
  struct Key: Hashable, Sendable {
    let storage: ObjectIdentifier
    let offset: Int
    let kind: ContractKind
    let isDepthwise: Bool
    let columns: Int
    let columnStep: Int
    let tapOffsets: [Int64]
    let run: Int
    let step: Int
    let sliceOffsets: [Int]
    let flip: UInt8
    let extraWeights: [Int8]
  }

  private struct Entry: Sendable {
    weak var packed: PackedOperand?
    /// Keeps the key's identity from being that of other bytes.
    let storage: Storage
  }

  private let entries = Mutex<[Key: Entry]>([:])

  func packed(_ key: Key) -> PackedOperand? { entries.withLock { $0[key]?.packed } }

  func keep(_ packed: PackedOperand, _ key: Key, _ storage: Storage) {
    entries.withLock { all in
      // Those of plans that are gone.
      all = all.filter { $0.value.packed != nil }
      all[key] = Entry(packed: packed, storage: storage)
    }
  }
}
