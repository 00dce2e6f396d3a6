import GraphIR
import KernelIR
import Support
import Tensors

/// Joins the fragment of a node to a kernel graph, and on the way turns what reads or gives f32 where the
/// graph's values are quantized (rule Q): maps and reductions dequantize in pre-programs and quantize at the
/// end of their post-program, copies move stored numbers, and where neither will do, a map of its own
/// converts.
struct FragmentJoin {
  /// Where a buffer of the fragment is in the graph, and what its stored numbers mean.
  private struct Place {
    var buffer: BufferID
    var quantization: Quantization?
  }

  private let context: LoweringContext
  private let fragment: KernelGraph
  private let name: String
  private let sources: [Int]
  private var graph: KernelGraph
  private var places = SideTable<BufferID, Place?>(default: nil)
  /// Buffers that flow into a quantized result through copies alone, with that result.
  private var targets = SideTable<BufferID, Int?>(default: nil)

  /// - Parameters:
  ///   - operands: the buffers of the present operands, in their order.
  ///   - names: of the results.
  /// - Returns: the buffers of the results, which hold their stored numbers.
  static func join(
    _ context: LoweringContext, _ results: [BufferID], to graph: inout KernelGraph, operands: [BufferID],
    node: String, sources: [Int], names: [String]
  ) throws(Diagnostic) -> [BufferID] {
    var join = FragmentJoin(context, results, graph, operands, node, sources)
    for id in join.fragment.nodes.ids { try join.add(join.fragment.nodes[id]) }
    var buffers: [BufferID] = []
    for (index, result) in results.enumerated() {
      buffers.append(try join.finish(result, as: context.results[index], names[index]))
    }
    graph = join.graph
    return buffers
  }

  private init(
    _ context: LoweringContext, _ results: [BufferID], _ graph: KernelGraph, _ operands: [BufferID],
    _ name: String, _ sources: [Int]
  ) {
    self.context = context
    self.graph = graph
    self.name = name
    self.sources = sources
    fragment = context.fragment
    for (argument, buffer) in zip(context.operands.compactMap(\.self), operands) {
      places[argument.buffer] = Place(buffer: buffer, quantization: argument.quantization)
    }
    for (index, result) in results.enumerated() where context.results[index].quantization?.isUniform == true {
      targets[result] = index
    }
    var uses = SideTable<BufferID, Int>(default: 0)
    for id in fragment.nodes.ids { for operand in fragment.nodes[id].operands { uses[operand] += 1 } }
    for id in fragment.nodes.ids.reversed() {
      let node = fragment.nodes[id]
      guard let target = targets[node.result], node.isCopy else { continue }
      for operand in node.data where uses[operand] == 1 && !results.contains(operand) {
        targets[operand] = target
      }
    }
  }

  // MARK: one node

  private mutating func add(_ node: KernelNode) throws(Diagnostic) {
    switch node.body {
    case .view:
      let place = try place(node.operands[0])
      let shape = fragment.buffers[node.result].type.shape
      let isSafe = place.quantization?.isUniform ?? true
      let source = isSafe ? place : try converted(place, to: nil, .f32)
      let buffer = graph.view(source.buffer, shape, node: name, sources: sources)
      places[node.result] = Place(buffer: buffer, quantization: source.quantization)
    case .kernel(let kernel) where node.isCopy: try add(copy: kernel, node)
    case .kernel(let kernel): try add(kernel, node)
    }
  }

  private mutating func add(copy kernel: Kernel, _ node: KernelNode) throws(Diagnostic) {
    var kernel = kernel
    let data = Set(node.data)
    var operands: [Place] = []
    for operand in node.operands { operands.append(try place(operand)) }
    let quantizations = zip(node.operands, operands).filter { data.contains($0.0) }.map(\.1.quantization)
    var target: Quantization?
    var element = kernel.element
    let stored = graph.buffers[operands[0].buffer].type.element
    if quantizations.contains(where: { $0 != nil }) {
      if let result = targets[node.result] {
        target = context.results[result].quantization
        element = context.results[result].stored.element
      } else if let first = quantizations[0], first.isUniform, quantizations.allSatisfy({ $0 == first }),
        kernel.operands.allSatisfy({ $0.fillReturns(first, stored) })
      {
        target = first
        element = stored
      }
    }
    for index in operands.indices where data.contains(node.operands[index]) {
      operands[index] = try converted(operands[index], to: target, element)
      kernel.operands[index].type = graph.buffers[operands[index].buffer].type
      if let target, case .fill(let bits) = kernel.operands[index].outside {
        kernel.operands[index].outside = .fill(target.stored(Float(bitPattern: bits), element))
      }
    }
    kernel.element = element
    emit(kernel, operands, node.result, target)
  }

  private mutating func add(_ kernel: Kernel, _ node: KernelNode) throws(Diagnostic) {
    var kernel = kernel
    var operands: [Place] = []
    let result = targets[node.result]
    for (index, operand) in node.operands.enumerated() {
      var place = try place(operand)
      let stored = graph.buffers[place.buffer].type
      if let quantization = place.quantization, kernel.operands[index].type.element == .f32 {
        let isFactor = kernel.form == .contract && index < 2
        let fillReturns = kernel.operands[index].fillReturns(quantization, stored.element)
        if quantization.isUniform, !isFactor, fillReturns {
          kernel.operands[index].dequantize(quantization, stored.element)
        } else {
          place = try converted(place, to: nil, .f32)
        }
      }
      operands.append(place)
    }
    var target: Quantization?
    if context.stored.contains(node.result) {
      target = context.results.first?.quantization
    } else if let result, let quantization = context.results[result].quantization {
      let element = context.results[result].stored.element
      if !kernel.keepStoredOrder(operands.first?.quantization, quantization, element) {
        let post = kernel.post
        kernel.post = Program { program in
          let value = program.append(post, input: nil)
          return program.quantize(value, element, by: quantization)
        }
      }
      kernel.element = element
      target = quantization
    }
    emit(kernel, operands, node.result, target)
  }

  private mutating func emit(
    _ kernel: Kernel, _ operands: [Place], _ result: BufferID, _ quantization: Quantization?
  ) {
    let buffer = graph.kernel(kernel, operands.map(\.buffer), node: name, sources: sources)
    places[result] = Place(buffer: buffer, quantization: quantization)
  }

  // MARK: buffers

  private mutating func place(_ buffer: BufferID) throws(Diagnostic) -> Place {
    if let place = places[buffer] { return place }
    guard let constant = fragment.buffers[buffer].constant else {
      throw Diagnostic(.notLowered, "a kernel reads \(buffer), which nothing defines")
    }
    let place = Place(buffer: graph.constant(constant), quantization: nil)
    places[buffer] = place
    return place
  }

  /// The same values as stored numbers of `target`, or real ones for nil, through a map where that differs.
  private mutating func converted(
    _ place: Place, to target: Quantization?, _ element: ElementType
  ) throws(Diagnostic) -> Place {
    let type = graph.buffers[place.buffer].type
    if place.quantization == target, type.element == element, target?.returns(element) ?? true {
      return place
    }
    let conversion = try ConversionKernel(type, from: place.quantization, to: target, element)
    let constants = conversion.constants.map { graph.constant($0) }
    let buffer = graph.kernel(
      conversion.kernel, [place.buffer] + constants, node: name, sources: sources)
    return Place(buffer: buffer, quantization: target)
  }

  private mutating func finish(
    _ result: BufferID, as stated: LoweringContext.Result, _ name: String
  ) throws(Diagnostic) -> BufferID {
    let place = try place(result)
    let element = stated.quantization == nil ? stated.type.element : stated.stored.element
    var buffer = place.buffer
    if place.quantization != stated.quantization || graph.buffers[buffer].type.element != element {
      buffer = try converted(place, to: stated.quantization, element).buffer
    }
    let found = graph.buffers[buffer]
    // What is somebody else's already is seen through a view under the result's own name.
    if found.definition != .result || !found.name.isEmpty || context.isOperand(result) {
      buffer = graph.view(buffer, found.type.shape, node: self.name, sources: sources)
    }
    let type = graph.buffers[buffer].type
    graph.buffers[buffer] = Buffer(name: name, type: type, definition: .result)
    return buffer
  }
}

extension LoweringContext {
  fileprivate func isOperand(_ buffer: BufferID) -> Bool { operands.contains { $0?.buffer == buffer } }
}

extension KernelNode {
  /// Whether elements pass unchanged.
  fileprivate var isCopy: Bool {
    switch kernel?.form {
    case nil, .move, .gather, .scatter: true
    default: false
    }
  }

  /// The operands of a copy whose elements pass.
  fileprivate var data: [BufferID] {
    switch kernel?.form {
    case .gather: [operands[0]]
    case .scatter: [operands[0], operands[2]]
    default: operands
    }
  }
}

extension Operand {
  /// Reads stored numbers of `element` in place of f32.
  fileprivate mutating func dequantize(_ quantization: Quantization, _ element: ElementType) {
    type = TensorType(element, type.shape)
    let old = pre
    pre = Program { program in
      let input = program.append(.input)
      let real = program.dequantize(input, element, by: quantization)
      return program.append(old, input: real)
    }
    if case .fill(let bits) = outside {
      outside = .fill(quantization.stored(Float(bitPattern: bits), element))
    }
  }

  /// Whether what is read outside the bounds is a value that the stored type holds exactly.
  fileprivate func fillReturns(_ quantization: Quantization, _ element: ElementType) -> Bool {
    guard case .fill(let bits) = outside, quantization.isUniform else { return true }
    return quantization.holds(Float(bitPattern: bits), element)
  }
}

extension Kernel {
  /// A largest or smallest element of stored numbers with the result's own scale needs no arithmetic, since
  /// quantization keeps their order. Returns whether the kernel is now such a one.
  fileprivate mutating func keepStoredOrder(
    _ source: Quantization?, _ target: Quantization, _ element: ElementType
  ) -> Bool {
    guard form == .reduce(.maximum) || form == .reduce(.minimum), post.isIdentity, operands.count == 1,
      source == target, operands[0].type.element == element, target.returns(element),
      operands[0].outside == .never || operands[0].outside == .skip
    else { return false }
    operands[0].pre = .identity
    return true
  }
}

extension Quantization {
  /// What a fill states: the stored number, as bits of i32 or f32.
  fileprivate func stored(_ value: Float, _ element: ElementType) -> UInt32 {
    guard let range = element.integerRange else {
      return element.round(Arithmetic.divide(value, scale[0])).bitPattern
    }
    let stored = Arithmetic.quantize(
      value, scale: scale[0], zeroPoint: zeroPoint[0], low: range.lowerBound, high: range.upperBound)
    return UInt32(bitPattern: stored)
  }

  fileprivate func holds(_ value: Float, _ element: ElementType) -> Bool {
    let bits = stored(value, element)
    let back =
      element.isFloat
      ? Arithmetic.multiply(Float(bitPattern: bits), scale[0])
      : Arithmetic.dequantize(Int32(bitPattern: bits), scale: scale[0], zeroPoint: zeroPoint[0])
    return back.bitPattern == value.bitPattern
  }
}
