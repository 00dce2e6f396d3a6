import NPUISA
import Support

extension [DMAInstruction] {
  /// The same runs in fewer descriptors, each of which costs a startup: those alike but for their places, at equal distances,
  /// become one with a loop more. Nothing here copies what another has written.
  /// What goes on in another slice at lower offsets stays apart where that would hide which bytes it touches.
  func merged(window: Int) -> [DMAInstruction] {
    var result = self
    while true {
      let next = result.mergedOnce(window)
      guard next.count < result.count else { return result }
      result = next
    }
  }

  private func mergedOnce(_ window: Int) -> [DMAInstruction] {
    // Alike ones by where they write.
    var groups: [(shape: Shape, members: [DMAInstruction])] = []
    var places: [Shape: Int] = [:]
    for descriptor in self {
      let shape = Shape(descriptor)
      if let place = places[shape] {
        groups[place].members.append(descriptor)
      } else {
        places[shape] = groups.count
        groups.append((shape, [descriptor]))
      }
    }
    return groups.flatMap { group in
      let members = group.members.enumerated().sorted {
        ($0.element.destination.base, $0.offset) < ($1.element.destination.base, $1.offset)
      }.map(\.element)
      return Self.sequences(members, window)
    }
  }

  /// Runs of neighbours at equal distances as one descriptor each, as long as it may have a loop more.
  private static func sequences(_ members: [DMAInstruction], _ window: Int) -> [DMAInstruction] {
    var result: [DMAInstruction] = []
    var index = 0
    while index < members.count {
      let first = members[index]
      var end = index + 1
      var (source, destination) = (Int64(0), Int64(0))
      while first.loops.count < 8, first.index == nil, end < members.count, end - index < 65_536 {
        let step = (
          members[end].source.base - members[end - 1].source.base,
          members[end].destination.base - members[end - 1].destination.base
        )
        if end == index + 1 {
          (source, destination) = step
        } else if step != (source, destination) {
          break
        }
        end += 1
      }
      var descriptor = first
      if end - index > 1 {
        descriptor.loops.insert(
          .init(UInt32(end - index), source: source, destination: destination), at: 0)
        let sides = [true, false].compactMap { descriptor.windows(ofSource: $0, window: window) }
        if sides.contains(where: { $0.bytes.count == window }) {
          result += members[index..<end]
          index = end
          continue
        }
      }
      result.append(descriptor)
      index = end
    }
    return result
  }

  /// What descriptors that may become one share.
  private struct Shape: Hashable {
    var memories: [DMAInstruction.Memory]
    var run: UInt32
    var loops: [DMAInstruction.Loop]
    var index: DMAInstruction.Index?

    init(_ descriptor: DMAInstruction) {
      memories = [descriptor.source.memory, descriptor.destination.memory]
      run = descriptor.runBytes
      loops = descriptor.loops
      index = descriptor.index
    }
  }
}
