import GraphIR
import KernelIR
import Support
import Tensors

extension LSTM {
  /// Longest sequence that is unrolled into kernels.
  private static let longestSequence = 128

  /// The products with the inputs for all steps at once; then per step one contraction with the state and
  /// two maps.
  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let steps = try context.operand(0).type.shape[0]
    guard steps > 0, steps <= Self.longestSequence, !context.has(4), !context.has(7) else { return nil }
    var directions: [Unrolled] = []
    let count = direction == .bidirectional ? 2 : 1
    for d in 0..<count {
      directions.append(try unroll(d, isBackward: direction == .reverse || d == 1, steps, &context))
    }
    let (batch, hidden) = (directions[0].batch, directions[0].hidden)
    var all: [([Int], BufferID)] = []
    for (d, unrolled) in directions.enumerated() {
      for (step, buffer) in unrolled.states.enumerated() { all.append(([step, d], buffer)) }
    }
    let state = TensorType(.f32, [batch, hidden])
    let results = [
      (all, [steps, count]), (directions.enumerated().map { ([$0], $1.last) }, [count]),
      (directions.enumerated().map { ([$0], $1.cell) }, [count]),
    ]
    return results.prefix(context.results.count).map { parts, lead in
      var kernel = Kernel(.move, .f32)
      let names = lead.count == 2 ? ["s", "d", "b", "u"] : ["d", "b", "u"]
      let axes = zip(names, lead + state.shape).map { kernel.axis($0, $1) }
      kernel.operands = parts.map { place, _ in
        Operand(
          state, axes.suffix(2).map { .axis($0) },
          box: place.map { $0..<($0 + 1) } + state.shape.map { 0..<$0 })
      }
      return context.kernel(kernel, parts.map(\.1))
    }
  }

  /// What one direction gives: h after every step, and the last h and c.
  private struct Unrolled {
    let batch: Int
    let hidden: Int
    var states: [BufferID]
    var last: BufferID
    var cell: BufferID
  }

  /// A value of shape [B, H], or one that has it for a direction of a [D, B, H].
  private struct State {
    let buffer: BufferID
    let type: TensorType
    /// The direction, for the latter.
    let direction: Int?

    func maps(_ batch: AxisID, _ unit: AxisID) -> [AffineMap] {
      (direction.map { [AffineMap($0)] } ?? []) + [.axis(batch), .axis(unit)]
    }
  }

  private func unroll(
    _ d: Int, isBackward: Bool, _ steps: Int, _ context: inout LoweringContext
  ) throws(Diagnostic) -> Unrolled {
    let (x, w, r) = (try context.operand(0), try context.operand(1), try context.operand(2))
    let (batch, hidden) = (x.type.shape[1], r.type.shape[2])
    var kernel = Kernel(.contract, .f32)
    let s = kernel.axis("s", steps)
    let b = kernel.axis("b", batch)
    let g = kernel.axis("g", 4 * hidden)
    let i = kernel.axis("i", x.type.shape[2], .reduce)
    kernel.operands = [
      Operand(x.type, [.axis(s), .axis(b), .axis(i)]), Operand(w.type, [AffineMap(d), .axis(g), .axis(i)]),
    ]
    let inputs = context.kernel(kernel, [x.buffer, w.buffer])
    var h = try initial(5, d, [batch, hidden], &context)
    var c = try initial(6, d, [batch, hidden], &context)
    var states = [BufferID](repeating: .none, count: steps)
    let type = TensorType(.f32, [batch, hidden])
    for count in 0..<steps {
      let step = isBackward ? steps - 1 - count : count
      var product = Kernel(.contract, .f32)
      let b = product.axis("b", batch)
      let g = product.axis("g", 4 * hidden)
      let k = product.axis("k", hidden, .reduce)
      product.operands = [
        Operand(h.type, h.maps(b, k)), Operand(r.type, [AffineMap(d), .axis(g), .axis(k)]),
      ]
      let gates = Gates(inputs: inputs, state: context.kernel(product, [h.buffer, r.buffer]), step: step)
      let cell = try cell(gates, c, d, hidden, &context)
      c = State(buffer: cell, type: type, direction: nil)
      let output = try output(gates, c, d, hidden, &context)
      h = State(buffer: output, type: type, direction: nil)
      states[step] = output
    }
    return Unrolled(batch: batch, hidden: hidden, states: states, last: h.buffer, cell: c.buffer)
  }

  /// The initial state that an operand gives, or zeros.
  private func initial(
    _ index: Int, _ d: Int, _ shape: [Int], _ context: inout LoweringContext
  ) throws(Diagnostic) -> State {
    if context.has(index) {
      let operand = try context.operand(index)
      return State(buffer: operand.buffer, type: operand.type, direction: d)
    }
    let zeros = try Tensor(TensorType(.f32, shape)) { _ in .f32(0) }
    return State(buffer: context.constant(zeros), type: zeros.type, direction: nil)
  }

  /// The sums of one step before bias, [S, B, 4H] and [B, 4H].
  private struct Gates {
    let inputs: BufferID
    let state: BufferID
    let step: Int
  }

  /// A map over [B, H] whose program reads gates.
  private struct GateMap {
    var kernel = Kernel(.map, .f32)
    var buffers: [BufferID] = []
    let b: AxisID
    let u: AxisID

    init(batch: Int, hidden: Int) {
      b = kernel.axis("b", batch)
      u = kernel.axis("u", hidden)
    }

    mutating func read(_ buffer: BufferID, _ type: TensorType, _ maps: [AffineMap]) -> Int {
      kernel.operands.append(Operand(type, maps))
      buffers.append(buffer)
      return buffers.count - 1
    }
  }

  /// The operands of gate number `index`: products with input and state, both biases.
  private func read(
    _ index: Int, _ gates: Gates, _ d: Int, _ hidden: Int, _ map: inout GateMap, _ context: LoweringContext
  ) throws(Diagnostic) -> [Int] {
    let (b, row) = (AffineMap.axis(map.b), AffineMap.axis(map.u) + AffineMap(index * hidden))
    var operands = [
      map.read(gates.inputs, context.type(of: gates.inputs), [AffineMap(gates.step), b, row]),
      map.read(gates.state, context.type(of: gates.state), [b, row]),
    ]
    guard context.has(3) else { return operands }
    let bias = try context.operand(3)
    for start in [0, 4 * hidden] {
      operands.append(map.read(bias.buffer, bias.type, [AffineMap(d), row + AffineMap(start)]))
    }
    return operands
  }

  /// (input + state) + (bias + bias), clipped.
  private func sum(_ operands: [Int], _ program: inout Program) -> Register {
    let registers = operands.map { program.append(.operand($0)) }
    let products = program.append(.add, registers[0], registers[1])
    let offset =
      registers.count > 2
      ? program.append(.add, registers[2], registers[3]) : program.append(constant: Float(0))
    let sum = program.append(.add, products, offset)
    guard let clip else { return sum }
    let low = program.append(.maximum, sum, program.append(constant: -clip))
    return program.append(.minimum, low, program.append(constant: clip))
  }

  private func cell(
    _ gates: Gates, _ old: State, _ d: Int, _ hidden: Int, _ context: inout LoweringContext
  ) throws(Diagnostic) -> BufferID {
    var map = GateMap(batch: context.type(of: gates.state).shape[0], hidden: hidden)
    let input = try read(0, gates, d, hidden, &map, context)
    let forget = inputForget ? [] : try read(2, gates, d, hidden, &map, context)
    let candidate = try read(3, gates, d, hidden, &map, context)
    let last = map.read(old.buffer, old.type, old.maps(map.b, map.u))
    map.kernel.post = Program { program in
      let i = program.append(.sigmoid, sum(input, &program))
      let f =
        inputForget
        ? program.append(.subtract, program.append(constant: Float(1)), i)
        : program.append(.sigmoid, sum(forget, &program))
      let g = program.append(.tanh, sum(candidate, &program))
      let kept = program.append(.multiply, f, program.append(.operand(last)))
      return program.append(.add, kept, program.append(.multiply, i, g))
    }
    return context.kernel(map.kernel, map.buffers)
  }

  private func output(
    _ gates: Gates, _ new: State, _ d: Int, _ hidden: Int, _ context: inout LoweringContext
  ) throws(Diagnostic) -> BufferID {
    var map = GateMap(batch: context.type(of: gates.state).shape[0], hidden: hidden)
    let output = try read(1, gates, d, hidden, &map, context)
    let cell = map.read(new.buffer, new.type, new.maps(map.b, map.u))
    map.kernel.post = Program { program in
      let o = program.append(.sigmoid, sum(output, &program))
      return program.append(.multiply, o, program.append(.tanh, program.append(.operand(cell))))
    }
    return context.kernel(map.kernel, map.buffers)
  }
}
