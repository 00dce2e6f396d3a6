import Machine
import NPUISA
import NPUInterpreter

/// A stretch of every slice's SRAM and the time during which what one kernel put there is of use: from its first
/// write to its last read. Found from what instructions touch; hulls stand for scattered bytes.
public struct MemoryRegion: Hashable, Sendable {
  /// The kernel that wrote it, by the program's kernel table.
  public let kernel: Int
  /// Of the tensor that lies complete in it, or empty.
  public internal(set) var name = ""
  /// Offsets in a slice.
  public internal(set) var bytes: Range<Int64>
  /// The start of the first write; 0 where it is resident.
  public internal(set) var startTick: Int64
  /// The end of the last read, or of the run where it is resident.
  public internal(set) var endTick: Int64
  /// Whether the load program placed it: it lies there in every run.
  public let isResident: Bool
  /// Whether a DMA engine wrote it; else the tensor unit.
  public let isCopied: Bool
}

/// Follows the instructions of a device program in time and keeps what lies where. At no moment two regions of a
/// run overlap: what a write covers ends there, and the rest of the region goes on.
struct MemoryRegions {
  private(set) var all: [MemoryRegion] = []
  /// What lies in SRAM now, by address.
  private var current: [MemoryRegion] = []
  private let window: Int64

  /// - Parameter load: nil where the program places nothing.
  init(_ program: NPUProgram, load: ProgramTiming?, run: ProgramTiming, window: Int64) {
    self.window = window
    if let load {
      follow(load, isLoad: true)
      // Whatever was placed lies there from before the run to after it.
      all = current.map { region in
        var region = region
        (region.startTick, region.endTick) = (0, run.ticks)
        return region
      }
      current = []
    }
    follow(run, isLoad: false)
    all += current
    name(program.residences, run)
    all.sort {
      ($0.startTick, $0.bytes.lowerBound, $0.kernel, $0.endTick)
        < ($1.startTick, $1.bytes.lowerBound, $1.kernel, $1.endTick)
    }
  }

  private mutating func follow(_ timing: ProgramTiming, isLoad: Bool) {
    for entry in timing.timeline {
      let instruction = timing.instruction(entry)
      let span = SRAMSpan(instruction, window: window)
      for range in span.read {
        var index = firstIndex(endingAfter: range.lowerBound)
        while index < current.count, current[index].bytes.lowerBound < range.upperBound {
          current[index].endTick = max(current[index].endTick, entry.endTick)
          index += 1
        }
      }
      guard !span.written.isEmpty else { continue }
      write(
        MemoryRegion(
          kernel: Int(instruction.kernel), bytes: span.written, startTick: entry.startTick,
          endTick: entry.endTick, isResident: isLoad, isCopied: entry.context > 1))
    }
  }

  private func firstIndex(endingAfter byte: Int64) -> Int {
    var (low, high) = (0, current.count)
    while low < high {
      let middle = (low + high) / 2
      if current[middle].bytes.upperBound > byte { high = middle } else { low = middle + 1 }
    }
    return low
  }

  private mutating func write(_ new: MemoryRegion) {
    var new = new
    let first = firstIndex(endingAfter: new.bytes.lowerBound)
    var end = first
    var rest: [MemoryRegion] = []
    // What takes another kernel's place begins then, whatever its kernel has beside it.
    let isAlone = current[first...].prefix { $0.bytes.lowerBound < new.bytes.upperBound }.allSatisfy {
      $0.isLike(new)
    }
    while end < current.count, current[end].bytes.lowerBound < new.bytes.upperBound {
      let old = current[end]
      end += 1
      if isAlone {
        new.absorb(old)
        continue
      }
      var parts = [old, old, old]
      parts[0].bytes = old.bytes.clamped(to: Int64.min..<new.bytes.lowerBound)
      parts[1].bytes = old.bytes.clamped(to: new.bytes)
      parts[2].bytes = old.bytes.clamped(to: new.bytes.upperBound..<Int64.max)
      parts[1].endTick = max(min(old.endTick, new.startTick), old.startTick)
      if !new.isResident { all.append(parts[1]) }
      rest += [parts[0], parts[2]].filter { !$0.bytes.isEmpty }
    }
    current.replaceSubrange(first..<end, with: rest)
    var index = firstIndex(endingAfter: new.bytes.lowerBound)
    // Pieces of a kernel that adjoin each other are one region.
    if isAlone, index > 0, current[index - 1].isLike(new),
      current[index - 1].bytes.upperBound == new.bytes.lowerBound
    {
      index -= 1
      new.absorb(current.remove(at: index))
    }
    if isAlone, index < current.count, current[index].isLike(new),
      current[index].bytes.lowerBound == new.bytes.upperBound
    {
      new.absorb(current.remove(at: index))
    }
    current.insert(new, at: index)
  }

  /// Gives regions the names of the tensors that lie complete in them.
  private mutating func name(_ residences: [NPUProgram.Residence], _ run: ProgramTiming) {
    var completion: [[Int64]] = run.instructions.map { Array(repeating: 0, count: $0.count) }
    for entry in run.timeline { completion[entry.context][entry.position] = entry.endTick }
    for residence in residences where residence.place.memory == .sram {
      let (context, position) = (Int(residence.from.tag), Int(residence.from.count))
      guard completion.indices.contains(context), completion[context].indices.contains(position) else {
        continue
      }
      let tick = completion[context][position]
      let offset = residence.place.base % window
      let index = all.lastIndex {
        $0.bytes.contains(offset) && $0.startTick < max(tick, 1) && tick <= $0.endTick && !$0.isResident
      }
      if let index, all[index].name.isEmpty { all[index].name = residence.name }
    }
  }
}

extension MemoryRegion {
  fileprivate func isLike(_ other: MemoryRegion) -> Bool {
    kernel == other.kernel && isCopied == other.isCopied
  }

  /// Both in one.
  fileprivate mutating func absorb(_ other: MemoryRegion) {
    bytes = min(bytes.lowerBound, other.bytes.lowerBound)..<max(bytes.upperBound, other.bytes.upperBound)
    startTick = min(startTick, other.startTick)
    endTick = max(endTick, other.endTick)
  }
}
