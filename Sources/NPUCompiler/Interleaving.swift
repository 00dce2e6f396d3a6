import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// A contraction over few channels of an image: rows and columns of a window, then channels.
///
/// Where the channels of a pixel follow each other, a row of the window is one run of elements: its columns and channels are
/// one axis, which fills packets, where packets along either alone would be nearly empty.
struct Interleaving {
  /// Of operand 0: the dimensions of columns and channels.
  let columns: Int
  let channels: Int
  /// The window's axis along the columns, and that of the channels.
  let window: AxisID
  let sum: AxisID
  /// The axis of the result that moves along the columns.
  private let along: AxisID

  private static let mostChannels = 4

  /// - Returns: nil for kernels of another form.
  init?(_ kernel: Kernel) {
    guard kernel.form == .contract, kernel.accumulation == .integer, kernel.operands.count >= 2 else {
      return nil
    }
    let (image, weights) = (kernel.operands[0], kernel.operands[1])
    guard image.type.element.size == 1, weights.type.element.size == 1, weights.outside == .never else {
      return nil
    }
    func weighsWhole(_ axis: AxisID) -> Bool {
      guard let dimension = weights.dimension(of: axis) else { return false }
      return weights.maps[dimension] == .axis(axis)
        && weights.type.shape[dimension] == kernel.axes[axis].extent
    }
    func isAlone(_ axis: AxisID, in operand: Operand) -> Bool {
      operand.maps.count { $0.coefficient(of: axis) != 0 } == 1
    }
    var found: (columns: Int, channels: Int, window: AxisID, sum: AxisID, along: AxisID)?
    for (channels, map) in image.maps.enumerated() {
      guard map.terms.count == 1, let sum = map.terms.first?.axis, map == .axis(sum),
        kernel.axes[sum].role == .reduce, kernel.axes[sum].extent == image.type.shape[channels],
        (2...Self.mostChannels).contains(kernel.axes[sum].extent), isAlone(sum, in: image),
        weighsWhole(sum)
      else { continue }
      // The last dimension that a window moves along.
      for (columns, map) in image.maps.enumerated() {
        let inner = map.terms.filter { kernel.axes[$0.axis].role != .parallel }
        let outer = map.terms.filter { kernel.axes[$0.axis].role == .parallel }
        guard inner.count == 1, outer.count == 1, inner[0].coefficient == 1, outer[0].coefficient > 0,
          kernel.axes[inner[0].axis].extent > 1, isAlone(inner[0].axis, in: image),
          isAlone(outer[0].axis, in: image), weighsWhole(inner[0].axis)
        else { continue }
        found = (columns, channels, inner[0].axis, sum, outer[0].axis)
      }
    }
    guard let found else { return nil }
    (columns, channels, window, sum, along) = found
  }

  /// The kernel over an image with `pitch` channels to a pixel, of which those beyond the first have no weight, as rows of
  /// elements; its weights, and the shape of the image.
  func apply(to kernel: Kernel, _ weights: Tensor, pitch: Int) -> (kernel: Kernel, weights: Tensor)? {
    var result = Kernel(kernel.form, kernel.element)
    for axis in kernel.axes.ids {
      let (name, extent, role) = (kernel.axes[axis].name, kernel.axes[axis].extent, kernel.axes[axis].role)
      result.axis(name, axis == window ? extent * pitch : axis == sum ? 1 : extent, role)
    }
    (result.operands, result.post, result.tables) = (kernel.operands, kernel.post, kernel.tables)
    let others = kernel.operands[0].maps.indices.filter { $0 != columns && $0 != channels }
    var image = kernel.operands[0]
    image.type = TensorType(
      image.type.element, others.map { image.type.shape[$0] } + [image.type.shape[columns] * pitch])
    var row = AffineMap(kernel.operands[0].maps[columns].offset * pitch) + .axis(window)
    row.add(.init(axis: along, coefficient: kernel.operands[0].maps[columns].coefficient(of: along) * pitch))
    image.maps = others.map { kernel.operands[0].maps[$0] } + [row]
    result.operands[0] = image

    var constant = kernel.operands[1]
    guard let taps = constant.dimension(of: window), let depth = constant.dimension(of: sum), taps != depth
    else {
      return nil
    }
    let rest = constant.maps.indices.filter { $0 != taps && $0 != depth }
    let (old, strides) = (constant.type.shape, constant.type.strides)
    let zero = UInt8(truncatingIfNeeded: constant.pre.subtractedInteger ?? 0)
    var bytes: [UInt8] = []
    weights.withBytes { source in
      var index = [Int](repeating: 0, count: rest.count)
      repeat {
        let base = zip(rest, index).reduce(0) { $0 + strides[$1.0] * $1.1 }
        for tap in 0..<old[taps] {
          for channel in 0..<pitch {
            bytes.append(
              channel < old[depth] ? source[base + tap * strides[taps] + channel * strides[depth]] : zero)
          }
        }
      } while Nest.advance(&index, rest.map { old[$0] })
    }
    constant.type = TensorType(constant.type.element, rest.map { old[$0] } + [old[taps] * pitch])
    constant.maps = rest.map { kernel.operands[1].maps[$0] } + [.axis(window)]
    result.operands[1] = constant
    guard let packed = try? Tensor(constant.type, bytes) else { return nil }
    return (result, packed)
  }

  /// The move that brings the channels of a pixel side by side, `pitch` of them.
  func packing(_ operand: Operand, pitch: Int) -> Kernel {
    var move = Kernel(.move, operand.type.element)
    var maps = operand.maps
    for index in operand.maps.indices where index != columns && index != channels {
      maps[index] = .axis(move.axis("d\(index)", operand.type.shape[index]))
    }
    maps[columns] = .axis(move.axis("d\(columns)", operand.type.shape[columns]))
    maps[channels] = .axis(move.axis("d\(channels)", pitch))
    let zero = UInt32(bitPattern: operand.pre.subtractedInteger ?? 0)
    move.operands = [
      Operand(
        operand.type, maps, outside: .fill(zero), box: move.axes(.parallel).map { 0..<move.axes[$0].extent })
    ]
    return move
  }
}

extension Kernel {
  /// Of a move that packs the channels of pixels: the dimensions of its operand along which they and the columns lie.
  fileprivate var packedDimensions: (columns: Int, channels: Int, fill: UInt32)? {
    guard form == .move, operands.count == 1, element.size == 1, case .fill(let fill) = operands[0].outside,
      operands[0].type.element == element
    else { return nil }
    let parallel = axes(.parallel)
    guard parallel.count >= 2, axes[parallel[parallel.count - 1]].extent == 4 else { return nil }
    let places = parallel.map { operands[0].dimension(of: $0) }
    guard operands[0].maps.allSatisfy({ $0.terms.count == 1 && $0.offset == 0 }),
      let columns = places[places.count - 2], let channels = places[places.count - 1],
      operands[0].type.shape[channels] <= 4
    else { return nil }
    for (axis, place) in zip(parallel.dropLast(), places) {
      guard let place, operands[0].type.shape[place] == axes[axis].extent else { return nil }
    }
    return (columns, channels, fill)
  }
}

extension ProgramCompiler {
  /// Tiles in which the channels of pixels may be packed.
  func packings(_ node: KernelNode, _ kernel: Kernel) -> [Geometry] {
    guard kernel.packedDimensions != nil, let channels = kernel.axes(.parallel).last else { return [] }
    let axes = kernel.axes(.parallel).filter { $0 != channels && kernel.axes[$0].extent > 1 }
    var geometries: [Geometry] = []
    if let placement = homes[node.operands[0]]?.placement, placement.memory == .sram {
      geometries = movingGeometries(kernel.operands[0], placement, kernel).filter {
        $0.parts[channels] == nil
      }
    }
    return geometries + tiles(axes, kernel, limit: 12)
  }

  /// Packs the channels of pixels, each slice those of its tile: rows come as they lie, and the transposer turns them.
  mutating func emitPacking(_ node: KernelNode, _ geometry: Geometry) throws(Failure) {
    let kernel = geometry.kernel
    guard let packed = kernel.packedDimensions else { throw .doesNotFit("no packing") }
    let axes = kernel.axes(.parallel)
    let (columnAxis, channelAxis) = (axes[axes.count - 2], axes[axes.count - 1])
    let operand = kernel.operands[0]
    let main = try tile(0, of: node, geometry, contiguous: packed.columns, isMasked: true)
    guard main.stride(columnAxis) == 1 else { throw .doesNotFit("columns with gaps") }
    let result = try resultTile(node, geometry, innermost: channelAxis, rounding: 1)
    let columns = geometry.ranges[columnAxis].count
    let width = [8, 4, 2, 1].first { columns % $0 == 0 } ?? 1
    let rows = 4

    var body = TensorInstruction()
    body.sliceCount = UInt16(geometry.sliceCount)
    body.fetch.base = Int32(main.base)
    body.fetch.element = operand.type.element
    body.fetch.packetElements = UInt8(width)
    var loops: [(axis: AxisID, step: Int, size: Int)] = axes.dropLast(2).map {
      ($0, 1, geometry.ranges[$0].count)
    }
    loops.append((columnAxis, width, columns / width))
    loops = loops.filter { $0.size > 1 }
    loops.append((channelAxis, 1, rows))
    body.loops = loops.map { axis, step, size in
      var loop = TensorInstruction.Loop()
      loop.size = UInt32(size)
      loop.fetchStride = Int32(step * main.stride(axis))
      loop.commitStride = Int32(step * result.stride(axis))
      return loop
    }
    for (map, extent) in zip(operand.maps, operand.type.shape)
    where geometry.leavesBounds(map, extent: extent) {
      var bound = TensorInstruction.Bound()
      bound.origin = Int32(geometry.origin(map))
      bound.coefficients = loops.map { Int32($0.step * map.coefficient(of: $0.axis)) }
      bound.elementCoefficient = Int32(map.coefficient(of: columnAxis))
      for term in map.terms {
        guard let part = geometry.parts[term.axis] else { continue }
        bound.divisor = UInt16(part.sliceStride)
        bound.modulus = UInt16(part.count)
        bound.step = Int32(term.coefficient * part.block)
      }
      bound.high = Int32(extent)
      body.fetch.bounds.append(bound)
    }
    body.fetch.outside = body.fetch.bounds.isEmpty ? nil : packed.fill
    guard body.loops.count <= 8, body.fetch.bounds.count <= 2 else {
      throw .doesNotFit("too many loops or bounds")
    }
    var commit = TensorInstruction.Commit()
    commit.base = Int32(result.base)
    commit.element = kernel.element
    commit.elements = UInt8(width)
    commit.transposeRows = UInt8(rows)
    commit.columnStride = Int32(result.stride(columnAxis))
    body.sink = .commit(commit)
    let slices = 0..<geometry.sliceCount
    run.appendToEither(
      body,
      [.read(.sram, main.bytes, slices: slices), .write(.sram, result.bytes, slices: slices)])
    settle(node.result, result.placement, owned: result.bytes)
  }
}
