import Support
import Tensors

/// Makes tensors of a model's tensor messages. Those whose bytes in the file are those in memory refer to
/// the mapping, all others are decoded within the budget.
struct TensorDecoder {
  /// The model's bytes, to which payloads refer.
  let file: Storage
  var external: ExternalData
  var budget: ImportBudget

  /// - Throws: `invalidModel` where dimensions and data disagree, `unsupportedModel`, `externalData`,
  ///   `inputMissing`, `importLimit`, `sizeOverflow`.
  mutating func tensor(_ message: TensorMessage) throws(Diagnostic) -> Tensor {
    let element = try DataType.element(message.type)
    guard !message.isSegment else {
      throw Diagnostic(.unsupportedModel, "tensor '\(message.name)' is stored in segments")
    }
    guard message.dims.count <= 64, message.dims.allSatisfy({ $0 >= 0 }) else {
      throw Diagnostic(.invalidModel, "tensor '\(message.name)' has \(message.dims) as dimensions")
    }
    let type = TensorType(element, message.dims.map { Int($0) })
    let count = try type.elementCount()
    if let entries = message.external {
      let (storage, range) = try external.bytes(entries)
      return try raw(type, count, storage, range, name: message.name)
    }
    if let range = message.payload?.raw {
      return try raw(type, count, file, range, name: message.name)
    }
    let lists = message.payload?.lists ?? []
    if count == 0, lists.allSatisfy({ $0.count == 0 }) { return try Tensor(type) }
    guard let list = lists.first(where: { $0.field == Self.field(of: element) }) else {
      throw Diagnostic(.invalidModel, "tensor '\(message.name)' is \(type) and holds no data of this type")
    }
    return try typed(type, count, list, name: message.name)
  }

  /// The field of TensorProto that holds elements of a type one by one.
  private static func field(of element: ElementType) -> UInt64 {
    switch element {
    case .f32: 4
    case .i64: 7
    case .f64: 10
    case .u32, .u64: 11
    default: 5
    }
  }

  private mutating func owned(
    _ type: TensorType, name: String, fill: (UnsafeMutableRawBufferPointer) -> Void
  ) throws(Diagnostic) -> Tensor {
    try budget.spend(try type.byteCount().bytes, for: "tensor '\(name)', \(type)")
    return try Tensor(type, fill: fill)
  }

  // MARK: Raw bytes

  private mutating func raw(
    _ type: TensorType, _ count: Int, _ storage: Storage, _ range: Range<Int>, name: String
  ) throws(Diagnostic) -> Tensor {
    let isPacked = type.element == .i4 || type.element == .u4
    let expected = isPacked ? count / 2 + count % 2 : try type.byteCount().bytes
    guard range.count == expected else {
      throw Diagnostic(
        .invalidModel, "tensor '\(name)' is \(type) of \(expected) bytes and holds \(range.count) bytes")
    }
    let bytes = UnsafeRawBufferPointer(rebasing: storage.bytes[range])
    if isPacked {
      let isSigned = type.element == .i4
      return try owned(type, name: name) { memory in
        for index in memory.indices { memory[index] = Self.nibble(bytes[index / 2], index, isSigned) }
      }
    }
    if type.element == .bool, bytes.contains(where: { $0 > 1 }) {
      return try owned(type, name: name) { memory in
        for index in memory.indices { memory[index] = bytes[index] == 0 ? 0 : 1 }
      }
    }
    return try Tensor(type, storage, offset: range.lowerBound)
  }

  /// The element of this index, of two to a byte, the first in the low half.
  private static func nibble(_ byte: UInt8, _ index: Int, _ isSigned: Bool) -> UInt8 {
    let bits = (index % 2 == 0 ? byte : byte >> 4) & 0xF
    return isSigned && bits >= 8 ? bits | 0xF0 : bits
  }

  // MARK: Numbers one by one

  private mutating func typed(
    _ type: TensorType, _ count: Int, _ list: NumberList, name: String
  ) throws(Diagnostic) -> Tensor {
    let isPacked = type.element == .i4 || type.element == .u4
    let expected = isPacked ? count / 2 + count % 2 : count
    guard list.count == expected else {
      throw Diagnostic(
        .invalidModel, "tensor '\(name)' is \(type) of \(expected) numbers and holds \(list.count)")
    }
    if list.wire != .varint, list.chunks.count == 1, list.chunks[0].isPacked {
      return try Tensor(type, file, offset: list.chunks[0].range.lowerBound)
    }
    let file = file
    var misfit: Int64?
    let tensor = try owned(type, name: name) { memory in
      var index = 0
      list.forEach(in: file.bytes) { bits in
        let isInside = Self.store(bits, type.element, at: index, in: memory)
        if !isInside, misfit == nil { misfit = Int64(bitPattern: bits) }
        index += 1
      }
    }
    if let misfit {
      throw Diagnostic(.invalidModel, "tensor '\(name)' is \(type) and holds the number \(misfit)")
    }
    return tensor
  }

  /// - Returns: false if the number is none of the type.
  private static func store(
    _ bits: UInt64, _ element: ElementType, at index: Int, in memory: UnsafeMutableRawBufferPointer
  ) -> Bool {
    let value = Int64(bitPattern: bits)
    switch element {
    case .f32, .u32, .i32:
      memory.storeBytes(of: UInt32(truncatingIfNeeded: bits), toByteOffset: 4 * index, as: UInt32.self)
      return element != .i32 || Int64(Int32(truncatingIfNeeded: value)) == value || bits >> 32 == 0
    case .f64, .i64, .u64:
      memory.storeBytes(of: bits, toByteOffset: 8 * index, as: UInt64.self)
      return true
    case .i16, .u16, .f16, .bf16:
      memory.storeBytes(of: UInt16(truncatingIfNeeded: bits), toByteOffset: 2 * index, as: UInt16.self)
      return (element == .i16 ? -32768...32767 : 0...65535).contains(value)
    case .i8, .u8, .f8e4m3, .f8e5m2:
      memory[index] = UInt8(truncatingIfNeeded: bits)
      return (element == .i8 ? -128...127 : 0...255).contains(value)
    case .bool:
      memory[index] = bits == 0 ? 0 : 1
      return true
    case .i4, .u4:
      let byte = UInt8(truncatingIfNeeded: bits)
      for half in (2 * index)..<min(2 * index + 2, memory.count) {
        memory[half] = nibble(byte, half, element == .i4)
      }
      return true
    }
  }

  // MARK: Sparse tensors

  /// The dense form of a sparse tensor.
  mutating func tensor(_ message: SparseTensorMessage) throws(Diagnostic) -> Tensor {
    guard let valuesMessage = message.values, let indicesMessage = message.indices else {
      throw Diagnostic(.invalidModel, "a sparse tensor has no values or no indices")
    }
    let name = valuesMessage.name
    let values = try tensor(valuesMessage)
    let indices = try tensor(indicesMessage)
    guard message.dims.count <= 64, message.dims.allSatisfy({ $0 >= 0 }) else {
      throw Diagnostic(.invalidModel, "tensor '\(name)' has \(message.dims) as dimensions")
    }
    let type = TensorType(values.element, message.dims.map { Int($0) })
    let count = try type.elementCount()
    let rank = type.shape.count
    let isLinear = indices.shape == [values.count]
    guard values.shape.count == 1, indices.element == .i64, isLinear || indices.shape == [values.count, rank]
    else {
      throw Diagnostic(
        .invalidModel, "sparse tensor '\(name)' has values \(values.type) and indices \(indices.type)")
    }
    let strides = type.strides
    let size = values.element.size
    var positions: [Int] = []
    let coordinates = indices.elements(as: Int64.self)
    for index in 0..<values.count {
      var position = isLinear ? Int(coordinates[index]) : 0
      var isInside = (0..<max(count, 1)).contains(position)
      if !isLinear {
        for axis in 0..<rank where isInside {
          let coordinate = Int(coordinates[index * rank + axis])
          isInside = (0..<type.shape[axis]).contains(coordinate)
          if isInside { position += coordinate * strides[axis] }
        }
      }
      guard isInside, count > 0 else {
        throw Diagnostic(.invalidModel, "an index of sparse tensor '\(name)' lies outside \(type)")
      }
      positions.append(position)
    }
    return try owned(type, name: name) { memory in
      values.withBytes { bytes in
        for (index, position) in positions.enumerated() {
          for byte in 0..<size { memory[position * size + byte] = bytes[index * size + byte] }
        }
      }
    }
  }
}
