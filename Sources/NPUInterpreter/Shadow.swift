import Glibc
import NPUISA
import Support

/// What the strict interpreter knows of every entry (byte, word or cell) of one memory: whether it is defined, who
/// wrote it last, and which contexts read or write it at the moment.
final class Shadow {
  let name: String
  let perSlice: Int
  /// 0 undefined, 1 defined before the run, else the number of the run that defined it.
  private let state: UnsafeMutablePointer<UInt8>
  private let reading: UnsafeMutablePointer<UInt16>
  private let writing: UnsafeMutablePointer<UInt16>
  private let writer: UnsafeMutablePointer<UInt32>
  /// The entries that a context reads at the moment lie within these, by context · slices + slice.
  private var touched: [Range<Int>]
  private let slices: Int
  private let total: Int

  /// - Throws: `unsupportedFile` if the host has not that much memory.
  init(_ name: String, slices: Int, perSlice: Int, contexts: Int) throws(Diagnostic) {
    let count = slices * perSlice
    guard let state = calloc(count + 1, 1), let reading = calloc(count + 1, 2),
      let writing = calloc(count + 1, 2), let writer = calloc(count + 1, 4)
    else { throw Diagnostic(.unsupportedFile, "the shadow of \(name) does not fit into the host's memory") }
    self.name = name
    self.perSlice = perSlice
    self.slices = slices
    total = count
    self.state = state.bindMemory(to: UInt8.self, capacity: count)
    self.reading = reading.bindMemory(to: UInt16.self, capacity: count)
    self.writing = writing.bindMemory(to: UInt16.self, capacity: count)
    self.writer = writer.bindMemory(to: UInt32.self, capacity: count)
    touched = Array(repeating: 0..<0, count: contexts * slices)
  }

  deinit {
    free(state)
    free(reading)
    free(writing)
    free(writer)
  }

  func define(_ range: Range<Int>, as epoch: UInt8) {
    (state + range.lowerBound).update(repeating: epoch, count: range.count)
  }

  func isDefined(_ index: Int, _ epoch: UInt8) -> Bool { state[index] == 1 || state[index] == epoch }

  /// Forgets what runs have defined, so that their numbers can be used again.
  func forgetRuns() {
    for index in 0..<total where state[index] > 1 { state[index] = 0 }
  }

  func forgetAll() { state.update(repeating: 0, count: total) }

  /// A read of `count` entries of a slice. - Returns: what is wrong with it.
  @inline(__always)
  func read(_ slice: Int, _ entry: Int, _ count: Int, by context: Int, epoch: UInt8) -> Fault? {
    let start = slice * perSlice + entry
    let slot = context * slices + slice
    let old = touched[slot]
    touched[slot] =
      old.isEmpty ? entry..<(entry + count) : min(old.lowerBound, entry)..<max(old.upperBound, entry + count)
    let bit = UInt16(1) << UInt16(context)
    var fault: Fault?
    for index in start..<(start + count) {
      reading[index] |= bit
      if state[index] != 1, state[index] != epoch { fault = .undefined }
      if writing[index] & ~bit != 0 { fault = .readWhileWritten }
    }
    return fault
  }

  /// The start of a write. - Returns: what is wrong with it.
  @inline(__always)
  func beginWrite(_ slice: Int, _ entry: Int, _ count: Int, by context: Int) -> Fault? {
    let start = slice * perSlice + entry
    let bit = UInt16(1) << UInt16(context)
    var fault: Fault?
    for index in start..<(start + count) {
      if reading[index] & ~bit != 0 { fault = .writtenWhileRead }
      if writing[index] & ~bit != 0 { fault = .writtenByTwo }
      if writing[index] & bit != 0 { fault = .writtenTwice }
      writing[index] |= bit
    }
    return fault
  }

  @inline(__always)
  func endWrite(_ slice: Int, _ entry: Int, _ count: Int, by context: Int, as epoch: UInt8, who: UInt32) {
    let start = slice * perSlice + entry
    let bit = UInt16(1) << UInt16(context)
    for index in start..<(start + count) {
      writing[index] &= ~bit
      state[index] = epoch
      writer[index] = who
    }
  }

  func endReads(by context: Int) {
    let bit = UInt16(1) << UInt16(context)
    for slice in 0..<slices where !touched[context * slices + slice].isEmpty {
      for index in touched[context * slices + slice] { reading[slice * perSlice + index] &= ~bit }
      touched[context * slices + slice] = 0..<0
    }
  }

  /// Who wrote an entry last, as text.
  func lastWriter(_ slice: Int, _ entry: Int) -> String {
    let who = writer[slice * perSlice + entry]
    return who == 0
      ? "nobody" : "instruction \((who - 1) & 0xFFFFF) of \(Context(index: Int((who - 1) >> 20)))"
  }

  /// How an access breaks the rules.
  enum Fault {
    case undefined
    case readWhileWritten
    case writtenWhileRead
    case writtenByTwo
    case writtenTwice

    var kind: Diagnostic.Kind {
      switch self {
      case .undefined: .undefinedRead
      case .writtenTwice: .forbiddenWrite
      default: .unorderedAccess
      }
    }

    var phrase: String {
      switch self {
      case .undefined: "reads what is undefined"
      case .readWhileWritten: "reads what another instruction in flight writes"
      case .writtenWhileRead: "writes what another instruction in flight reads"
      case .writtenByTwo: "writes what another instruction in flight writes"
      case .writtenTwice: "writes twice"
      }
    }
  }
}

/// Findings of a run: of every instruction the first of each kind, at most `limit` in all.
struct Findings {
  static let limit = 200
  private(set) var all: [Diagnostic] = []
  private var seen: Set<String> = []

  mutating func add(_ kind: Diagnostic.Kind, _ context: Int, _ position: Int, _ message: String) {
    guard all.count < Self.limit, seen.insert("\(kind.code) \(context) \(position)").inserted else { return }
    all.append(
      Diagnostic(
        kind, at: .instruction(position), "instruction \(position) of \(Context(index: context)) \(message)"))
  }
}
