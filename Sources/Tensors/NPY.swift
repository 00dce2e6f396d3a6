import Support

/// Arrays in NumPy's file format. Row-major little-endian arrays are windows of the storage that they are
/// read from; others are rearranged into memory of their own.
public enum NPY {
  /// Maps and reads a `.npy` file. - Throws: `inputMissing`, `malformedFile`, `unsupportedFile`.
  public static func read(_ path: String) throws(Diagnostic) -> Tensor {
    let storage = try Storage(mapping: path)
    return try tensor(storage, 0..<storage.count, name: "'\(path)'")
  }

  /// The array in a range of bytes that holds nothing else.
  /// - Parameter name: what diagnostics call it.
  /// - Throws: `malformedFile`; `unsupportedFile` for elements that are not numbers.
  public static func tensor(
    _ storage: Storage, _ range: Range<Int>, name: String
  ) throws(Diagnostic) -> Tensor {
    let (header, data) = try parse(storage, range, name: name)
    guard case .number(let element) = header.element else {
      throw Diagnostic(.unsupportedFile, "\(name): an array of text where numbers are needed")
    }
    let type = TensorType(element, header.shape)
    let size = try byteCount(header, name: name)
    guard size == data.count else {
      throw Diagnostic(.malformedFile, "\(name): \(type) has \(size) bytes, the file has \(data.count)")
    }
    let swaps = header.isBigEndian && element.size > 1
    let transposes = header.isColumnMajor && type.shape.filter { $0 != 1 }.count > 1
    guard swaps || transposes else { return try Tensor(type, storage, offset: data.lowerBound) }
    let source = UnsafeRawBufferPointer(rebasing: storage.bytes[data])
    return try Tensor(type) { result in
      withExtendedLifetime(storage) {
        if transposes {
          copyColumnMajor(source, to: result, type)
        } else {
          result.copyMemory(from: source)
        }
        if swaps { reverseBytes(of: result, element.size) }
      }
    }
  }

  /// The array of text (`U` or `S`) in a range of bytes, in row-major order without its shape.
  /// - Throws: `malformedFile`; `unsupportedFile` for numbers and for column-major arrays.
  public static func strings(
    _ storage: Storage, _ range: Range<Int>, name: String
  ) throws(Diagnostic) -> [String] {
    let (header, data) = try parse(storage, range, name: name)
    if case .number = header.element {
      throw Diagnostic(.unsupportedFile, "\(name): an array of numbers where text is needed")
    }
    guard !header.isColumnMajor || header.shape.filter({ $0 != 1 }).count <= 1 else {
      throw Diagnostic(.unsupportedFile, "\(name): text in column-major order")
    }
    let size = try byteCount(header, name: name)
    // Empty texts would cost nothing in the file, so that their number could not be trusted.
    guard size == data.count, header.element.size > 0 || header.shape.contains(0) else {
      throw Diagnostic(.malformedFile, "\(name): \(size) bytes of text are needed, there are \(data.count)")
    }
    var result: [String] = []
    for start in stride(from: data.lowerBound, to: data.upperBound, by: max(header.element.size, 1)) {
      let item = UnsafeRawBufferPointer(rebasing: storage.bytes[start..<(start + header.element.size)])
      guard let text = withExtendedLifetime(storage, { decode(item, header) }) else {
        throw Diagnostic(.malformedFile, "\(name): element \(result.count) is not Unicode text")
      }
      result.append(text)
    }
    return result
  }

  /// A whole `.npy` file, version 1.0. Types that NumPy has not are widened exactly: FP8 and bf16 to f32, i4
  /// and u4 to a byte.
  public static func encode(_ tensor: Tensor) throws(Diagnostic) -> [UInt8] {
    let element: ElementType =
      switch tensor.element {
      case .f8e4m3, .f8e5m2, .bf16: .f32
      case .i4: .i8
      case .u4: .u8
      default: tensor.element
      }
    let stored = try tensor.converted(to: element)
    let name = NPYHeader.types.first { $0.type == element }?.name ?? ""
    let header = NPYHeader.bytes((element.size == 1 ? "|" : "<") + name, tensor.shape)
    return stored.withBytes { header + $0 }
  }

  /// A whole `.npy` file of text, one dimension.
  public static func encode(_ strings: [String]) -> [UInt8] {
    let width = max(1, strings.map(\.unicodeScalars.count).max() ?? 1)
    var writer = ByteWriter()
    writer.append(NPYHeader.bytes("<U\(width)", [strings.count]))
    for string in strings {
      for scalar in string.unicodeScalars { writer.integer(scalar.value) }
      for _ in string.unicodeScalars.count..<width { writer.integer(UInt32(0)) }
    }
    return writer.bytes
  }

  private static func parse(
    _ storage: Storage, _ range: Range<Int>, name: String
  ) throws(Diagnostic) -> (NPYHeader, data: Range<Int>) {
    let bytes = UnsafeRawBufferPointer(rebasing: storage.bytes[range])
    var reader = ByteReader(bytes, name: name, owner: storage)
    let header = try NPYHeader(&reader)
    return (header, (range.lowerBound + reader.position)..<range.upperBound)
  }

  private static func byteCount(_ header: NPYHeader, name: String) throws(Diagnostic) -> Int {
    do throws(Diagnostic) {
      return try TensorType(.u8, header.shape + [header.element.size]).byteCount().bytes
    } catch {
      throw Diagnostic(.malformedFile, "\(name): \(error.message)")
    }
  }

  private static func decode(_ item: UnsafeRawBufferPointer, _ header: NPYHeader) -> String? {
    if case .bytes = header.element {
      let end = item.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0
      return String(validating: item[..<end], as: UTF8.self)
    }
    var scalars = String.UnicodeScalarView()
    var zeros = 0
    for start in stride(from: 0, to: item.count, by: 4) {
      let word = item.loadUnaligned(fromByteOffset: start, as: UInt32.self)
      guard let scalar = Unicode.Scalar(header.isBigEndian ? word.byteSwapped : word) else { return nil }
      // Zeros are padding unless a code point follows.
      if scalar.value == 0 {
        zeros += 1
      } else {
        for _ in 0..<zeros { scalars.append("\0") }
        zeros = 0
        scalars.append(scalar)
      }
    }
    return String(scalars)
  }

  private static func copyColumnMajor(
    _ source: UnsafeRawBufferPointer, to result: UnsafeMutableRawBufferPointer, _ type: TensorType
  ) {
    guard let from = source.baseAddress, let into = result.baseAddress else { return }
    let size = type.element.size
    var strides: [Int] = []
    var stride = size
    for extent in type.shape {
      strides.append(stride)
      stride *= extent
    }
    var point = [Int](repeating: 0, count: type.shape.count)
    var position = 0
    for target in Swift.stride(from: 0, to: result.count, by: size) {
      (into + target).copyMemory(from: from + position, byteCount: size)
      for axis in point.indices.reversed() {
        point[axis] += 1
        position += strides[axis]
        if point[axis] < type.shape[axis] { break }
        position -= strides[axis] * point[axis]
        point[axis] = 0
      }
    }
  }

  private static func reverseBytes(of memory: UnsafeMutableRawBufferPointer, _ size: Int) {
    for start in stride(from: 0, to: memory.count, by: size) {
      memory[start..<(start + size)].reverse()
    }
  }
}
