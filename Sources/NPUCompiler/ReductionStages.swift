import KernelIR
import Support
import Tensors

// Reductions that the tensor unit does faster in another way, with the same bits.
extension Kernel {
  /// The extreme of stored integers in the place of the extreme of what a function makes of each, if that never falls: the
  /// post-program applies it to the one that is left. So a Softmax needs no copy of its scores in f32.
  func reducingStored() -> Kernel? {
    guard case .reduce(let reduction) = form, reduction == .maximum || reduction == .minimum,
      let operand = operands.first, operand.outside == .never, !operand.pre.isIdentity,
      inputKind == .float, let table = operand.pre.tabulated(over: operand.type.element, tables)
    else { return nil }
    let values = table.entries.map { Float(bitPattern: $0) }
    let rises = values.indices.dropFirst().allSatisfy {
      values[$0 - 1] < values[$0] || table.entries[$0 - 1] == table.entries[$0]
    }
    guard rises, !values.contains(where: \.isNaN) else { return nil }
    var kernel = self
    kernel.operands[0].pre = .identity
    kernel.post = Program { program in
      let stored = program.append(.input)
      let value = operand.pre.inline(into: &program, input: stored) { $0.append(.operand($1)) }
      return post.inline(into: &program, input: value) { $0.append(.operand($1)) }
    }
    return kernel
  }

  /// A reduction of a long row to few elements in two: of every so-manieth, which lie side by side in a packet, and of what that
  /// leaves. Nil where it is short, or where its order says otherwise.
  func inStages() -> (first: Kernel, second: Kernel)? {
    guard case .reduce(let reduction) = form, elements > 0, elements <= 4, let operand = operands.first,
      operand.outside == .never, operand.pre.isIdentity
    else { return nil }
    let long = reductionAxes.filter { axes[$0].extent > 1 }
    guard long.count == 1, let dimension = operand.dimension(of: long[0]),
      operand.maps[dimension] == .axis(long[0]), axes[long[0]].extent >= 128
    else { return nil }
    let extent = axes[long[0]].extent
    let group: Int
    switch reduction {
    case .maximum, .minimum: group = 8
    // Sums of the sixteen chains that the rule has; as many steps each make one chain.
    case .sum where operand.type.element == .f32 && extent <= 1024: group = 16
    default: return nil
    }
    var (first, second) = (Kernel(form, operand.type.element), Kernel(form, element))
    var (places, results): ([AxisID: AxisID], [AxisID: AxisID]) = ([:], [:])
    for axis in axes(.parallel) {
      places[axis] = first.axis(axes[axis].name, axes[axis].extent)
      results[axis] = second.axis(axes[axis].name, axes[axis].extent)
    }
    let own = second.axes.ids.map { AffineMap.axis($0) }
    let place = first.axis("place", group)
    let step = first.axis("step", (extent + group - 1) / group, .reduce)
    var part = operand.moving(places)
    part.maps[dimension] = .axis(step, times: group) + .axis(place)
    part.outside = extent % group == 0 ? .never : .skip
    first.operands = [part]
    // More than 64 elements are added by a tree of sixteen: those that there are, the others are skipped.
    let count = reduction == .sum ? 80 : group
    let all = second.axis("place", count, .reduce)
    second.operands =
      [Operand(first.result, own + [.axis(all)], outside: count > group ? .skip : .never)]
      + operands.dropFirst().map { $0.moving(results) }
    (second.post, second.tables) = (post, tables)
    return (first, second)
  }
}

extension Operand {
  /// With other axes; what moves along none of them stays at index 0.
  fileprivate func moving(_ axes: [AxisID: AxisID]) -> Operand {
    var operand = self
    operand.maps = maps.map { $0.substituting { axes[$0].map { .axis($0) } ?? 0 } }
    return operand
  }
}
