import CKernels
import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// The axes of what leaves a slice (retained loops, lanes, flits, elements) for the vector engine and the sink.
struct FastLayout {
  /// Of the staged elements: no more than the program engine has axes.
  var extents: [Int] = []
  var inputStrides: [Int] = []
  /// Of one part of what a reducer scatters, as steps of its own.
  var partStrides: [Int] = []
  /// By operand, in elements.
  var sourceStrides: [[Int]] = []
  var places = furc_npu_places()
  var stagedBytes = 0

  /// Nil for more axes than the engine has, or a second stream between elements.
  init?(_ plan: TensorPlan, _ machine: SliceMachine) {
    let body = plan.body
    if body.accumulate.finish == .keep {
      stagedBytes = plan.shape.cells * 8
      setPlaces(sizes: [], strides: [], run: stagedBytes)
      return
    }
    if case .registerFile = body.sink {
      let unit = machine.packetBytes * 4
      setPlaces(
        sizes: plan.nest.map { plan.sizes[$0] },
        strides: plan.nest.map { Int(body.loops[$0].registerStride) * unit }, run: unit)
      stagedBytes = plan.shape.nest * unit
      return
    }
    var elements = plan.shape.flitElements
    if case .commit(let commit) = body.sink { elements = Int(commit.elements) }
    let loops = plan.retained
    let (lanes, perLane) = (plan.shape.drainedLanes, plan.shape.flitsPerLane)
    extents = loops.map { plan.outputSizes[$0] } + [lanes, perLane, elements]
    func strides(_ sizes: [Int]) -> [Int] {
      var steps = [Int](repeating: plan.shape.flits * 8, count: loops.count)
      for index in loops.indices.dropLast().reversed() {
        steps[index] = steps[index + 1] * sizes[loops[index + 1]]
      }
      return steps + [perLane * 8, 8, 1]
    }
    inputStrides = strides(plan.sizes)
    partStrides = strides(plan.outputSizes)
    for (number, operand) in body.vector.operands.enumerated() {
      var strides = loops.map { plan.operandStrides[number][$0] }
      strides += [Int(operand.laneStride), Int(operand.flitStride), operand.isBroadcast ? 0 : 1]
      if case .second(let second) = operand.source {
        let size = second.element.size
        for index in strides.indices.dropLast() {
          guard strides[index] % size == 0 else { return nil }
          strides[index] /= size
        }
      }
      sourceStrides.append(strides)
    }
    placeOutputs(plan, elements)
    stagedBytes = extents.reduce(1, *) * outputSize(body)
    dropUnitAxes(loops.count)
    guard extents.count <= FURC_PROGRAM_MAX_RANK else { return nil }
  }

  private func outputSize(_ body: TensorInstruction) -> Int {
    if case .commit(let commit) = body.sink { commit.element.size } else { 4 }
  }

  private mutating func placeOutputs(_ plan: TensorPlan, _ elements: Int) {
    let body = plan.body
    var sizes = plan.retained.map { plan.outputSizes[$0] }
    var strides = plan.retained.map { Int(body.loops[$0].commitStride) }
    guard case .commit(let commit) = body.sink else {
      return setPlaces(sizes: sizes, strides: strides.map { $0 * 4 }, run: elements * 4)
    }
    let size = commit.element.size
    let rows = Int(commit.transposeRows)
    guard rows > 1 else {
      sizes += [plan.shape.drainedLanes, plan.shape.flitsPerLane]
      strides += [Int(commit.laneStride), Int(commit.flitStride)]
      return setPlaces(sizes: sizes, strides: strides, run: elements * size)
    }
    if let last = sizes.indices.last {
      sizes[last] /= rows
      strides[last] *= rows
    }
    setPlaces(
      sizes: sizes + [rows, elements], strides: strides + [size, Int(commit.columnStride)], run: size)
  }

  /// Axes of size 1 go, and the innermost joins the run where they touch.
  private mutating func setPlaces(sizes: [Int], strides: [Int], run: Int) {
    var axes = zip(sizes, strides).filter { $0.0 != 1 }
    var run = run
    while let last = axes.last, last.1 == run {
      run *= last.0
      axes.removeLast()
    }
    places.rank = Int32(axes.count)
    places.run_bytes = Int32(run)
    let (axisSizes, axisStrides) = (axes.map(\.0), axes.map(\.1))
    withUnsafeMutableBytes(of: &places.sizes) { memory in
      for (index, value) in axisSizes.enumerated() {
        memory.storeBytes(of: Int64(value), toByteOffset: index * 8, as: Int64.self)
      }
    }
    withUnsafeMutableBytes(of: &places.strides) { memory in
      for (index, value) in axisStrides.enumerated() {
        memory.storeBytes(of: Int64(value), toByteOffset: index * 8, as: Int64.self)
      }
    }
  }

  /// The engine has eight axes; a nest has eight loops, lanes, flits and elements.
  private mutating func dropUnitAxes(_ loops: Int) {
    guard extents.count > FURC_PROGRAM_MAX_RANK else { return }
    let kept = extents.indices.filter { $0 < loops || extents[$0] > 1 }
    guard kept.count < extents.count else { return }
    // Loops keep their places, so that a scatter finds its own.
    extents = kept.map { extents[$0] }
    inputStrides = kept.map { inputStrides[$0] }
    partStrides = kept.map { partStrides[$0] }
    sourceStrides = sourceStrides.map { strides in kept.map { strides[$0] } }
  }
}

/// Buffers that grow to what the largest instruction needs.
final class FastScratch {
  let packets = Growing()
  let masks = Growing()
  let sides = Growing()
  let words = Growing()
  let sums = Growing()

  final class Growing {
    private var bytes: Bytes?

    func reserve(_ count: Int) throws(Diagnostic) -> UnsafeMutableRawPointer {
      if let bytes, bytes.count >= count { return bytes.base }
      let grown = try Bytes(max(count, 4096), "scratch memory")
      bytes = grown
      return grown.base
    }
  }
}
