import KernelIR
import NPUISA
import Support

/// A program with one deliberate error.
public struct Mutant: Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    /// A wait removed, lowered, raised or given to another tag. Without one, conflicting instructions lose their
    /// order, which a checker must find wherever an output can change.
    case waits
    /// Two neighbours of a list exchanged.
    case swap
    /// An address, stride, size, bound or the slices that take part.
    case place
    /// Everything else: programs, zero points, immediates, types, kinds, image bytes.
    case data
  }

  public let kind: Kind
  /// The path of what was changed, as `run.main.3.body.tensor.loops.0.size`.
  public let path: String
  public let program: NPUProgram

  /// Draws uniformly over all fields of all instructions, the exchanges of neighbours, the numbers of the vector
  /// programs and the images. The same seed gives the same mutant. Nil if the program has nothing to change.
  public static func draw(from program: NPUProgram, using random: inout SeededRandom) -> Mutant? {
    let swaps = [program.load, program.run].flatMap(\.contexts).map { max($0.count - 1, 0) }
    let counts = [
      program.load.leaves, program.run.leaves, swaps.reduce(0, +),
      program.programs.reduce(0) { $0 + $1.leaves },
      program.images.reduce(0) { $0 + $1.leaves },
    ]
    let total = counts.reduce(0, +)
    guard total > 0 else { return nil }
    // A draw can give what was there: an element type among one, a swap of equals.
    for _ in 0..<100 {
      var copy = program
      var leaf = Int.random(in: 0..<total, using: &random)
      var part = 0
      while leaf >= counts[part] {
        leaf -= counts[part]
        part += 1
      }
      var path: String
      switch part {
      case 0: path = "load." + copy.load.mutate(leaf: leaf, using: &random)
      case 1: path = "run." + copy.run.mutate(leaf: leaf, using: &random)
      case 2: path = copy.swap(leaf, swaps)
      case 3: path = "programs." + copy.mutateProgram(leaf, &random)
      default: path = "images." + copy.mutateImage(leaf, &random)
      }
      guard copy != program else { continue }
      return Mutant(kind: kind(of: path), path: path, program: copy)
    }
    return nil
  }

  private static func kind(of path: String) -> Kind {
    let parts = path.split(separator: ".").map(String.init)
    if parts.first == "programs" || parts.first == "images" { return .data }
    if parts.last == "swapped" { return .swap }
    if parts.contains("waits") || parts.contains("wait_step") { return .waits }
    let places: Set<String> = [
      "first_slice", "slice_count", "size", "fetch", "register", "second", "commit", "vector", "base",
      "bounds",
      "valid_loop", "valid_count", "origin", "coefficients", "divisor", "modulus", "step", "low", "high",
      "register_base", "flit", "lane", "column", "rows", "elements", "from", "to", "run", "list", "count",
      "body",
      "fetch_step", "second_step", "commit_step", "register_step", "source_step", "destination_step",
      "packet",
      "registerFile", "vectorRegisters", "tables", "removed", "stride", "outer", "inner", "distance",
    ]
    // The field is the last name that is no number.
    let field = parts.last { Int($0) == nil && $0 != "base" && $0 != "memory" } ?? ""
    let isBase = parts.last == "base" || parts.last == "memory"
    return isBase || places.contains(field) ? .place : .data
  }
}

extension NPUProgram {
  fileprivate mutating func swap(_ leaf: Int, _ swaps: [Int]) -> String {
    var leaf = leaf
    for (index, count) in swaps.enumerated() {
      guard leaf >= count else {
        let isLoad = index < load.contexts.count
        let context = isLoad ? index : index - load.contexts.count
        if isLoad {
          load.contexts[context].swapAt(leaf, leaf + 1)
        } else {
          run.contexts[context].swapAt(leaf, leaf + 1)
        }
        return "\(isLoad ? "load" : "run").\(Context(index: context).name).\(leaf).swapped"
      }
      leaf -= count
    }
    return "swapped"
  }

  fileprivate mutating func mutateProgram(_ leaf: Int, _ random: inout SeededRandom) -> String {
    var leaf = leaf
    for index in programs.indices {
      let count = programs[index].leaves
      if leaf < count { return "\(index)." + programs[index].mutate(leaf: leaf, using: &random) }
      leaf -= count
    }
    return ""
  }

  fileprivate mutating func mutateImage(_ leaf: Int, _ random: inout SeededRandom) -> String {
    let images = images.indices.filter { self.images[$0].leaves > 0 }
    return "\(images[leaf])." + self.images[images[leaf]].mutate(leaf: 0, using: &random)
  }
}
