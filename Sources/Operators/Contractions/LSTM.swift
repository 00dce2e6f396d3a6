import GraphIR
import KernelIR
import Support
import Tensors

/// Long short-term memory over a sequence. Operands are x [S, B, I], w [D, 4H, I], r [D, 4H, H], and optional
/// bias [D, 8H], lengths, initial h and c [D, B, H] and peepholes [D, 3H]; gates in the order i, o, f, c.
/// Results are all h [S, D, B, H], the last h and the last c. In f32: a gate is (x·w + h·r) + (wb + rb), each
/// product one chain of FMAs.
public struct LSTM: Operator {
  public enum Direction: String, AttributeChoice {
    case forward
    case reverse
    case bidirectional
  }

  public var hiddenSize: Int?
  public var direction = Direction.forward
  public var clip: Float?
  public var inputForget = false
  public var layout = 0
  /// Sigmoid, Tanh, Tanh per direction; no others are supported.
  public var activations: [String]?

  public static let schema = Schema(
    "LSTM", since: [1, 7, 14, 22], operands: 3...8, results: 1...3, optional: [3, 4, 5, 6, 7])
  public static let fields: [AttributeField<LSTM>] = [
    AttributeField("hidden_size", \.hiddenSize), AttributeField("direction", \.direction),
    AttributeField("clip", \.clip), AttributeField("input_forget", \.inputForget),
    AttributeField("layout", \.layout),
    AttributeField("activations", \.activations),
  ]

  public init() {}

  private var directions: Int { direction == .bidirectional ? 2 : 1 }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: [.f32])
    let (w, r) = (try context.type(1, of: [.f32]), try context.type(2, of: [.f32]))
    guard layout == 0, x.rank == 3, let hidden = r.shape.last?.extent, r.rank == 3, hidden < 1 << 30,
      hiddenSize == nil || hiddenSize == hidden,
      w.agrees(with: ValueType(.f32, [.fixed(directions), .fixed(4 * hidden), x.shape[2]])),
      r.agrees(with: ValueType(.f32, [.fixed(directions), .fixed(4 * hidden), .fixed(hidden)]))
    else { throw Diagnostic(.invalidOperand, "x is \(x), w is \(w), r is \(r), layout is \(layout)") }
    let gates = (0..<directions).flatMap { _ in ["sigmoid", "tanh", "tanh"] }
    guard activations == nil || activations?.map({ $0.lowercased() }) == gates else {
      throw Diagnostic(.invalidOperand, "activations are \(activations ?? []), allowed are \(gates)")
    }
    let state: [Dimension] = [.fixed(directions), x.shape[1], .fixed(hidden)]
    let shapes: [(Int, [Dimension])] = [
      (3, [.fixed(directions), .fixed(8 * hidden)]), (4, [x.shape[1]]), (5, state), (6, state),
      (7, [.fixed(directions), .fixed(3 * hidden)]),
    ]
    for (index, shape) in shapes where context.has(index) {
      let type = try context.type(index)
      guard type.agrees(with: ValueType(type.element, shape)) else {
        throw Diagnostic(.invalidOperand, "operand \(index) is \(type), x is \(x)")
      }
    }
    let last = ValueType(.f32, state)
    return [ValueType(.f32, [x.shape[0], .fixed(directions), x.shape[1], .fixed(hidden)]), last, last]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (x, w, r) = (try operands.tensor(0), try operands.tensor(1), try operands.tensor(2))
    let (steps, batch, hidden) = (x.shape[0], x.shape[1], r.shape[2])
    var all = [Float](repeating: 0, count: steps * directions * batch * hidden)
    let zeros = [Float](repeating: 0, count: directions * batch * hidden)
    var h = operands.optional(5)?.floatElements() ?? zeros
    var c = operands.optional(6)?.floatElements() ?? zeros
    let lengths = try operands.optional(4)?.int64Elements() ?? [Int](repeating: steps, count: batch)
    guard lengths.allSatisfy({ (0...steps).contains($0) }) else {
      throw Diagnostic(.invalidOperand, "lengths \(lengths) of \(steps) steps")
    }
    for d in 0..<directions {
      let cell = Cell(
        self, d, inputs: x.shape[2], hidden: hidden, w: w.floatElements(), r: r.floatElements(),
        bias: operands.optional(3)?.floatElements(), peepholes: operands.optional(7)?.floatElements())
      let isBackward = direction == .reverse || d == 1
      let data = x.floatElements()
      for b in 0..<batch {
        let place = (d * batch + b) * hidden
        var state = (h: Array(h[place..<(place + hidden)]), c: Array(c[place..<(place + hidden)]))
        for count in 0..<lengths[b] {
          let step = isBackward ? lengths[b] - 1 - count : count
          let start = (step * batch + b) * x.shape[2]
          state = cell.step(Array(data[start..<(start + x.shape[2])]), state)
          let target = ((step * directions + d) * batch + b) * hidden
          all.replaceSubrange(target..<(target + hidden), with: state.h)
        }
        h.replaceSubrange(place..<(place + hidden), with: state.h)
        c.replaceSubrange(place..<(place + hidden), with: state.c)
      }
    }
    let state = [directions, batch, hidden]
    return [
      try .floats(.f32, [steps, directions, batch, hidden], all), try .floats(.f32, state, h),
      try .floats(.f32, state, c),
    ]
  }
}

extension LSTM {
  /// One step of one direction.
  private struct Cell {
    let op: LSTM
    let inputs: Int
    let hidden: Int
    let w: [Float]
    let r: [Float]
    let bias: [Float]
    let peepholes: [Float]?

    init(
      _ op: LSTM, _ direction: Int, inputs: Int, hidden: Int, w: [Float], r: [Float], bias: [Float]?,
      peepholes: [Float]?
    ) {
      func part(_ values: [Float]?, _ count: Int) -> [Float] {
        values.map { Array($0[(direction * count)..<((direction + 1) * count)]) }
          ?? [Float](repeating: 0, count: count)
      }
      self.op = op
      self.inputs = inputs
      self.hidden = hidden
      self.w = part(w, 4 * hidden * inputs)
      self.r = part(r, 4 * hidden * hidden)
      self.bias = part(bias, 8 * hidden)
      self.peepholes = peepholes == nil ? nil : part(peepholes, 3 * hidden)
    }

    func step(_ x: [Float], _ state: (h: [Float], c: [Float])) -> (h: [Float], c: [Float]) {
      var (h, c) = ([Float](), [Float]())
      for unit in 0..<hidden {
        let old = state.c[unit]
        let input = Arithmetic.sigmoid(gate(0, unit, x, state.h, peephole: (0, old)))
        let forget =
          op.inputForget
          ? Arithmetic.subtract(1, input) : Arithmetic.sigmoid(gate(2, unit, x, state.h, peephole: (2, old)))
        let candidate = Arithmetic.tanh(gate(3, unit, x, state.h, peephole: nil))
        let kept = Arithmetic.multiply(forget, old)
        let new = Arithmetic.add(kept, Arithmetic.multiply(input, candidate))
        let output = Arithmetic.sigmoid(gate(1, unit, x, state.h, peephole: (1, new)))
        c.append(new)
        h.append(Arithmetic.multiply(output, Arithmetic.tanh(new)))
      }
      return (h, c)
    }

    private func gate(
      _ gate: Int, _ unit: Int, _ x: [Float], _ h: [Float], peephole: (index: Int, cell: Float)?
    ) -> Float {
      let row = gate * hidden + unit
      var (fromInput, fromState): (Float, Float) = (0, 0)
      for index in 0..<inputs { fromInput.addProduct(x[index], w[row * inputs + index]) }
      for index in 0..<hidden { fromState.addProduct(h[index], r[row * hidden + index]) }
      let offset = Arithmetic.add(bias[row], bias[4 * hidden + row])
      var sum = Arithmetic.add(Arithmetic.add(fromInput, fromState), offset)
      if let peephole, let peepholes {
        sum = Arithmetic.add(
          sum, Arithmetic.multiply(peepholes[peephole.index * hidden + unit], peephole.cell))
      }
      return op.clip.map { Arithmetic.clamp(sum, low: -$0, high: $0) } ?? sum
    }
  }
}
