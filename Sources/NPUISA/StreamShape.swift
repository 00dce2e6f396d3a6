import KernelIR
import Machine
import Support
import Tensors

/// The counts that follow from a tensor instruction's loops: of packets, steps, flits and cells. No field
/// values make it trap; products stop at twice the limit.
public struct StreamShape: Hashable, Sendable {
  /// The most packets, steps or runs that one instruction may have; times then fit 63 bits.
  public static let limit = 1 << 26

  /// Π time loops: packets that a slice fetches.
  public var fetches = 1
  /// Π ring loops.
  public var ring = 1
  /// Π of the nest after the switch.
  public var nest = 1
  /// Output steps: Π retained loops of the nest after the switch, before a scatter.
  public var steps = 1
  /// Flits of a step.
  public var flits = 1
  /// Lanes whose flits follow each other in a step, those of a sequential drain; else 1.
  public var drainedLanes = 1
  /// Elements of a flit, 1 … 8.
  public var flitElements = 1
  /// Columns of a contraction; else 1.
  public var columns = 1
  /// The loop that leaves the nest at the switch, or nil.
  public var leaving: Int?
  /// Loops of the nest after the switch that are not reduced, outermost first.
  public var retained: [Int] = []
  /// The outermost reduced loop, or nil.
  public var outermostReduced: Int?
  /// Π retained loops after the outermost reduced one: groups of accumulator cells.
  public var groups = 1
  /// Accumulator cells in use, 0 without an accumulation.
  public var cells = 0
  /// Parts that the scatter divides the steps into; 1 without one.
  public var scatter = 1

  public init(_ instruction: TensorInstruction) {
    let accumulate = instruction.accumulate
    let packet = max(Int(instruction.fetch.packetElements), 1)
    if instruction.exchange.kind == .interTranspose { leaving = Int(instruction.exchange.loop) }
    for (index, loop) in instruction.loops.enumerated() {
      let size = Int(loop.size)
      switch loop.kind {
      case .time: fetches = Self.product(fetches, size)
      case .ring0, .ring1: ring = Self.product(ring, size)
      case .reuse: break
      }
      guard index != leaving else { continue }
      nest = Self.product(nest, size)
      if loop.isReduced {
        outermostReduced = outermostReduced ?? index
      } else {
        steps = Self.product(steps, size)
        retained.append(index)
        if outermostReduced != nil { groups = Self.product(groups, size) }
      }
    }
    switch accumulate.kind {
    case .contract:
      columns = max(packet >> min(Int(accumulate.treeDepth), 8), 1)
      let lanes = max(Int(accumulate.lanes), 1)
      if accumulate.laneOrder == .interleaved {
        flits = columns
        flitElements = min(lanes, 8)
      } else {
        flits = lanes * ((columns + 7) / 8)
        drainedLanes = lanes
        flitElements = min(columns, 8)
      }
      cells = Self.product(groups, lanes * columns)
    case .none: flitElements = instruction.fetch.isBroadcast ? 8 : min(packet, 8)
    default:
      flitElements = instruction.fetch.isBroadcast ? 8 : min(packet, 8)
      cells = Self.product(groups, flitElements * (accumulate.hasSixteenPartials ? 16 : 1))
    }
    scatter = instruction.reducer.parts
  }

  /// Flits that go on behind the reducer.
  public var outputFlits: Int { steps / scatter * flits }

  public var flitsPerLane: Int { flits / drainedLanes }

  /// The flits of a step as loops over lanes and the flits of one, with their strides.
  public func flitLoops(lane: Int32, flit: Int32) -> [(Int, Int)] {
    [(drainedLanes, Int(lane)), (flitsPerLane, Int(flit))]
  }

  public func flitLoops(_ operand: TensorInstruction.VectorOperand) -> [(Int, Int)] {
    flitLoops(lane: operand.laneStride, flit: operand.flitStride)
  }

  public func flitLoops(_ commit: TensorInstruction.Commit) -> [(Int, Int)] {
    flitLoops(lane: commit.laneStride, flit: commit.flitStride)
  }

  /// The size of a retained loop behind the scatter.
  public func outputSize(of loop: Int, in instruction: TensorInstruction) -> Int {
    let size = Int(instruction.loops[loop].size)
    return scatter > 1 && Int(instruction.reducer.loop) == loop ? size / scatter : size
  }

  static func product(_ left: Int, _ right: Int) -> Int {
    let (product, overflow) = left.multipliedReportingOverflow(by: right)
    return overflow ? 2 * limit : min(product, 2 * limit)
  }
}

extension TensorInstruction {
  public var shape: StreamShape { StreamShape(self) }

  /// The operand of the second stream and its number, if there is one.
  public var second: (operand: VectorOperand, stream: Second, index: Int)? {
    for (index, operand) in vector.operands.enumerated() {
      if case .second(let stream) = operand.source { return (operand, stream, index) }
    }
    return nil
  }

  /// Numbers of the operands that read the vector registers: the places in `vectorStrides`.
  public var registerOperands: [Int] {
    vector.operands.indices.filter {
      if case .registers = vector.operands[$0].source { true } else { false }
    }
  }

  public var isReduction: Bool { accumulate.kind != .none && accumulate.kind != .contract }

  /// What the accumulation, or without one the fetch, hands on; nil for words of a table.
  public var streamKind: WordKind? {
    switch accumulate.kind {
    case .argumentOfMaximum, .argumentOfMinimum: .integer
    default: fetch.table == nil ? (fetch.element.isFloat ? .float : .integer) : nil
    }
  }

  /// What the sink demands of its elements; nil where it stores words as they are.
  public var sinkKind: WordKind? {
    guard case .commit(let commit) = sink, accumulate.finish == .drain else { return nil }
    return commit.element.isFloat ? .float : .integer
  }

  /// The kinds of the vector program, or nil without one. - Throws: `invalidProgram`.
  public func kinds(programs: [Program]) throws(Diagnostic) -> ProgramKinds? {
    guard let number = vector.program else { return nil }
    guard number < programs.count else {
      throw Diagnostic(.invalidProgram, "vector.program is \(number), the pool has \(programs.count)")
    }
    let operands = vector.operands.map { operand -> WordKind? in
      if case .second(let stream) = operand.source { stream.element.isFloat ? .float : .integer } else { nil }
    }
    return try ProgramKinds(
      of: programs[Int(number)], input: streamKind, operands: operands, result: sinkKind)
  }
}
