import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// Values that are wanted while they lie complete in memory.
struct Capture: Sendable {
  private var wanted: [NPUProgram.Residence] = []

  /// - Throws: `invalidOperand` for a name that the program does not list.
  init(_ program: NPUProgram, names: [String]) throws(Diagnostic) {
    for name in names {
      guard let residence = program.residences.first(where: { $0.name == name }) else {
        throw Diagnostic(.invalidOperand, "the program says of no value \(name) where it lies")
      }
      guard residence.dimensions.count == residence.type.shape.count,
        residence.dimensions.allSatisfy({ $0.block >= 1 })
      else { throw Diagnostic(.invalidProgram, "the residence of \(name) does not fit \(residence.type)") }
      wanted.append(residence)
    }
  }

  var isEmpty: Bool { wanted.isEmpty }

  /// A value is complete once the instruction `from` has completed.
  func completes(
    _ context: Int, _ position: Int, _ state: MachineState, _ captured: inout [String: Tensor]
  ) throws(Diagnostic) {
    for residence in wanted
    where Int(residence.from.tag) == context && Int(residence.from.count) == position {
      captured[residence.name] = try state.read(residence)
    }
  }

  func starts(
    _ context: Int, _ position: Int, _ state: MachineState, _ captured: inout [String: Tensor]
  ) throws(Diagnostic) {}
}

extension MachineState {
  /// The value of a residence as memory holds it now. - Throws: `addressRange`; `invalidProgram`.
  func read(_ residence: NPUProgram.Residence) throws(Diagnostic) -> Tensor {
    let size = residence.type.element.size
    let shape = residence.type.shape
    let count = try residence.type.elementCount()
    var sources: [UnsafeMutableRawPointer] = []
    var index = [Int](repeating: 0, count: shape.count)
    for _ in 0..<count {
      var address = residence.place.base
      for (number, dimension) in residence.dimensions.enumerated() {
        let (block, rest) = Int64(index[number]).quotientAndRemainder(dividingBy: max(dimension.block, 1))
        for (factor, stride) in [(block, dimension.blockStride), (rest, dimension.stride)] {
          let (product, overflow) = factor.multipliedReportingOverflow(by: stride)
          let (sum, more) = address.addingReportingOverflow(product)
          guard !overflow, !more else {
            throw Diagnostic(.addressRange, "the residence of \(residence.name)")
          }
          address = sum
        }
      }
      sources.append(try self.address(residence.place.memory, address, size))
      for number in index.indices.reversed() {
        index[number] += 1
        if index[number] < shape[number] { break }
        index[number] = 0
      }
    }
    return try Tensor(residence.type) { memory in
      guard let base = memory.baseAddress else { return }
      for (number, source) in sources.enumerated() {
        (base + number * size).copyMemory(from: source, byteCount: size)
      }
    }
  }
}
