import GraphIR
import Operators
import Support
import Tensors

extension Rewriter {
  /// One change: the node on stored values, and what read its QuantizeLinear on its result.
  mutating func apply(_ plan: QDQPlan) throws(Diagnostic) {
    let id = plan.node
    var operands: [ValueID] = []
    var merged = plan.quantizers.map { graph.nodes[$0] }
    for operand in plan.operands {
      switch operand {
      case .asIs(let value): operands.append(value)
      case .stored(let dequantizer):
        merged.append(graph.nodes[dequantizer])
        operands.append(try storedValue(of: dequantizer, before: id))
      case .bias(let value, let real, let shape):
        operands.append(try bias(value, real, shape, id, operands))
      }
    }
    let signed = try plan.result.signed(plan.element)
    let result = graph.results(of: id)[0]
    redefine(id, as: graph.nodes[id].merging(merged), operands)
    setType(of: result, to: ValueType(signed.element, graph.values[result].type.shape))
    setQuantization(of: result, to: signed.quantization)
    for quantizer in plan.quantizers { try substitute(quantizer, by: result) }
  }

  /// What a DequantizeLinear reads, as a signed value that carries its quantization.
  private mutating func storedValue(of dequantizer: NodeID, before user: NodeID) throws(Diagnostic) -> ValueID
  {
    guard let reading = graph.conversion(dequantizer, "DequantizeLinear") else { return .none }
    let source = graph.operands(of: dequantizer)[0]
    let value = graph.values[source]
    let signed = try reading.quantization.signed(reading.element)
    if value.quantization == reading.quantization { return source }
    if let constant = value.constant {
      let shifted = try constant.signed()
      return self.constant(shifted, name: value.name, quantization: signed.quantization)
    }
    if signed.element == reading.element, let carriers = graph.carriers(source, user: .none) {
      for carrier in carriers { setQuantization(of: carrier, to: reading.quantization) }
      return source
    }
    if let quantizer = convertible(source, reading) {
      setType(of: source, to: ValueType(signed.element, value.type.shape))
      setQuantization(of: source, to: signed.quantization)
      try setZeroPoint(of: quantizer, signed)
      for reader in graph.users(of: source) {
        if let other = graph.conversion(reader, "DequantizeLinear", element: reading.element) {
          try setZeroPoint(of: reader, try other.signed(reading.element))
        }
      }
      return source
    }
    // Some other unsigned value: quantized anew from its real one.
    let real = graph.results(of: dequantizer)[0]
    let (scale, zero) = try parameters(signed)
    return insert(
      Node("QuantizeLinear", axisAttributes(signed.quantization), sources: graph.nodes[dequantizer].sources),
      [real, scale, zero],
      results: [
        Value(ValueType(signed.element, value.type.shape), quantization: signed.quantization)
      ], before: user)[0]
  }

  /// The QuantizeLinear that defines an unsigned value which only DequantizeLinear nodes read.
  private func convertible(_ source: ValueID, _ reading: Conversion) -> NodeID? {
    let definer = graph.definer(of: source)
    guard !definer.isNone, graph.conversion(definer, "QuantizeLinear") == reading,
      !graph.outputs.contains(source), graph.values[source].quantization == nil
    else { return nil }
    let readers = graph.users(of: source)
    let allRead = readers.allSatisfy { graph.conversion($0, "DequantizeLinear") != nil }
    return allRead ? definer : nil
  }

  /// Lets what reads a QuantizeLinear read `result` instead.
  private mutating func substitute(_ quantizer: NodeID, by result: ValueID) throws(Diagnostic) {
    let old = graph.results(of: quantizer)[0]
    let value = graph.values[result]
    if graph.values[old].type.element == value.type.element {
      guard let copies = graph.copies(of: old),
        !graph.outputs.contains(old) || !graph.outputs.contains(result)
      else { return try keep(quantizer, reading: result) }
      if graph.outputs.contains(old) || value.name.isEmpty {
        setName(of: result, to: graph.values[old].name)
      }
      for copy in copies { setQuantization(of: copy, to: value.quantization) }
      replaceUses(of: old, by: result)
      return erase(quantizer)
    }
    let element = graph.values[old].type.element
    var isNeeded = graph.outputs.contains(old)
    for reader in graph.users(of: old) {
      guard let reading = graph.conversion(reader, "DequantizeLinear") else {
        isNeeded = true
        continue
      }
      setOperand(0, of: reader, to: result)
      try setZeroPoint(of: reader, try reading.quantization.signed(element))
    }
    if isNeeded { try keep(quantizer, reading: result) } else { erase(quantizer) }
  }

  /// Leaves a QuantizeLinear for those who need what it gives, on the real value of a stored one.
  private mutating func keep(_ quantizer: NodeID, reading stored: ValueID) throws(Diagnostic) {
    let value = graph.values[stored]
    guard let quantization = value.quantization else { return }
    let (scale, zero) = try parameters((quantization, value.type.element))
    let real = insert(
      Node("DequantizeLinear", axisAttributes(quantization), sources: graph.nodes[quantizer].sources),
      [stored, scale, zero], results: [Value(ValueType(.f32, value.type.shape))], before: quantizer)
    setOperand(0, of: quantizer, to: real[0])
  }

  /// Replaces the zero point of a conversion by that of a signed type.
  private mutating func setZeroPoint(
    of conversion: NodeID, _ signed: (quantization: Quantization, element: ElementType)
  ) throws(Diagnostic) {
    let operands = graph.operands(of: conversion)
    let zero = try parameters(signed).zero
    let attributes = graph.nodes[conversion].attributes.filter {
      $0.name != "output_dtype" || !isQuantizer(conversion)
    }
    let node = graph.nodes[conversion]
    redefine(
      conversion,
      as: Node(node.op, domain: node.domain, name: node.name, attributes, sources: node.sources),
      [operands[0], operands[1], zero])
  }

  private func isQuantizer(_ node: NodeID) -> Bool { graph.nodes[node].op == "QuantizeLinear" }

  /// Scale and zero point as operands of a conversion.
  private mutating func parameters(
    _ stated: (quantization: Quantization, element: ElementType)
  ) throws(Diagnostic) -> (scale: ValueID, zero: ValueID) {
    let quantization = stated.quantization
    let shape = quantization.axis == nil ? [] : [quantization.scale.count]
    let scale = try Tensor(TensorType(.f32, shape), quantization.scale)
    let zeros = try Tensor(TensorType(.i32, shape), quantization.zeroPoint).converted(to: stated.element)
    return (constant(scale), constant(zeros))
  }

  private func axisAttributes(_ quantization: Quantization) -> [Attribute] {
    quantization.axis.map { $0 == 1 ? [] : [Attribute("axis", .int(Int64($0)))] } ?? []
  }

  /// i32 in units of the product of the factors' scales; f32 where those do not give one such unit per
  /// element or the numbers do not fit.
  private mutating func bias(
    _ value: ValueID, _ real: [Double], _ shape: [Int], _ id: NodeID, _ operands: [ValueID]
  ) throws(Diagnostic) -> ValueID {
    let name = graph.values[value].name
    let node = graph.nodes[id]
    let isPlain = node.attribute("alpha") == nil && node.attribute("beta") == nil
    let factors = operands.prefix(2).map { graph.values[$0] }
    if isPlain, factors.allSatisfy({ $0.type.element.integerRange != nil }),
      let left = factors[0].quantization, left.axis == nil, let right = factors[1].quantization
    {
      let scales = right.scale.map { Double(left.scale[0]) * Double($0) }
      let isPerChannel = scales.count > 1
      if !isPerChannel || (shape.last == scales.count && real.count == scales.count) {
        let numbers = real.enumerated().map {
          ($1 / scales[isPerChannel ? $0 : 0]).rounded(.toNearestOrEven)
        }
        if numbers.allSatisfy({ $0.magnitude < 0x1p31 }) {
          let tensor = try Tensor(TensorType(.i32, shape), numbers.map { Int32($0) })
          let quantization = Quantization(
            scale: scales.map { Float($0) }, zeroPoint: scales.map { _ in 0 },
            axis: isPerChannel ? shape.count - 1 : nil)
          if quantization.fault(on: ValueType(tensor.type)) == nil {
            return constant(tensor, name: name, quantization: quantization)
          }
        }
      }
    }
    if graph.constant(value) != nil { return value }
    return constant(try Tensor(TensorType(.f32, shape), real.map { Float($0) }), name: name)
  }
}

extension Graph {
  /// Operators that pass stored numbers unchanged, so that operand and result may carry one quantization.
  private static let copyOperators: Set<String> = [
    "Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice",
  ]

  /// The values that are copies of a stored one and must carry its quantization if it does. Nil where something
  /// else than a DequantizeLinear reads it or one of them.
  fileprivate func copies(of value: ValueID) -> [ValueID]? {
    var all: [ValueID] = []
    for user in users(of: value) where conversion(user, "DequantizeLinear") == nil {
      let result = results(of: user)[0]
      guard Self.copyOperators.contains(nodes[user].op), nodes[user].domain.isEmpty,
        operands(of: user).dropFirst().allSatisfy({ $0 != value }), values[result].quantization == nil,
        let further = copies(of: result)
      else { return nil }
      all += [result] + further
    }
    return all
  }

  /// The values that carry a quantization if a stored value, so far without one, does: itself and those that
  /// it is a copy of, back to an input or a QuantizeLinear. Nil where that would change what something else
  /// reads.
  fileprivate func carriers(_ value: ValueID, user: NodeID) -> [ValueID]? {
    let definer = definer(of: value)
    let isRead = users(of: value).allSatisfy { $0 == user || conversion($0, "DequantizeLinear") != nil }
    guard values[value].quantization == nil, isRead else { return nil }
    guard !definer.isNone else { return values[value].definition == .input ? [value] : nil }
    if nodes[definer].op == "QuantizeLinear", nodes[definer].domain.isEmpty { return [value] }
    guard Self.copyOperators.contains(nodes[definer].op), nodes[definer].domain.isEmpty else { return nil }
    return carriers(operands(of: definer)[0], user: definer).map { $0 + [value] }
  }

  /// The quantization of a DequantizeLinear whose operand has meanwhile changed its type from `element`.
  func conversion(_ id: NodeID, _ op: String, element: ElementType) -> Quantization? {
    let operands = operands(of: id)
    guard nodes[id].op == op, let scale = constant(operands[1]) else { return nil }
    var axis = 1
    if case .int(let value)? = nodes[id].attribute("axis") { axis = Int(value) }
    let zero = operands.count > 2 ? constant(operands[2]) : nil
    return try? Quantization(scale: scale, zeroPoint: zero, rank: values[operands[0]].type.rank, axis: axis)
  }
}

extension ElementType {
  /// The signed type of as many bits and what stands between the two, for unsigned types.
  fileprivate var signed: (element: ElementType, shift: Int32) {
    switch self {
    case .u4: (.i4, 8)
    case .u8: (.i8, 128)
    case .u16: (.i16, 32768)
    default: (self, 0)
    }
  }
}

extension Quantization {
  /// The same for numbers that are shifted into the signed type.
  fileprivate func signed(
    _ element: ElementType
  ) throws(Diagnostic) -> (quantization: Quantization, element: ElementType) {
    let target = element.signed
    let zeros = zeroPoint.map { $0 - target.shift }
    return (Quantization(scale: scale, zeroPoint: zeros, axis: axis), target.element)
  }
}

extension Tensor {
  /// Unsigned numbers shifted into the signed type; others unchanged.
  fileprivate func signed() throws(Diagnostic) -> Tensor {
    let target = element.signed
    guard target.shift != 0 else { return self }
    let numbers = try int64Elements().map { Int32($0) - target.shift }
    return try Tensor(TensorType(.i32, shape), numbers).converted(to: target.element)
  }
}
