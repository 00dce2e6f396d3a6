import Support

/// Builds a `.npz` file whose bytes depend on nothing but its arrays: all members carry the date 1980-01-01.
/// (Deflated members also depend on the version of zlib.)
public struct NPZWriter {
  private let isCompressed: Bool
  private var file = ByteWriter()
  private var directory = ByteWriter()
  private var names: [String] = []

  /// - Parameter compressed: deflate members that shrink by it; else they can be read as a mapping.
  public init(compressed: Bool = false) { isCompressed = compressed }

  /// - Throws: `sizeOverflow` once the file exceeds 4 GiB.
  /// - Precondition: no array of this name was added; the name has at most 60,000 bytes.
  public mutating func add(_ name: String, _ tensor: Tensor) throws(Diagnostic) {
    try add(member: name, try NPY.encode(tensor))
  }

  /// An array of text of rank 1.
  public mutating func add(_ name: String, strings: [String]) throws(Diagnostic) {
    try add(member: name, NPY.encode(strings))
  }

  /// The whole file.
  public func finish() -> [UInt8] {
    var result = file
    let start = result.count
    result.append(directory.bytes)
    result.integer(UInt32(0x0605_4B50))
    result.integer(UInt32(0))
    result.integer(UInt16(names.count))
    result.integer(UInt16(names.count))
    result.integer(UInt32(directory.count))
    result.integer(UInt32(start))
    result.integer(UInt16(0))
    return result.bytes
  }

  /// Writes the file aside and renames it. - Throws: `cannotWrite`.
  public func write(_ path: String) throws(Diagnostic) { try FileIO.writeAtomically(path, finish()) }

  private mutating func add(member: String, _ content: [UInt8]) throws(Diagnostic) {
    precondition(!names.contains(member) && member.utf8.count <= 60_000, "array '\(member)' cannot be added")
    let name = member + ".npy"
    let deflated = isCompressed ? content.withUnsafeBytes { Deflate.deflate($0) } : nil
    let data = deflated ?? content
    let total = [file.count, directory.count, data.count, content.count, 4 * name.utf8.count, 256]
    guard total.reduce(0, +) < 0xFFFF_FFFF, names.count < 0xFFFE else {
      throw Diagnostic(.sizeOverflow, "array '\(member)' makes the .npz file larger than 4 GiB")
    }
    var common = ByteWriter()
    common.integer(UInt16(20))
    common.integer(UInt16(name.utf8.allSatisfy { $0 < 0x80 } ? 0 : 0x800))
    common.integer(UInt16(deflated == nil ? 0 : 8))
    common.integer(UInt16(0))
    common.integer(UInt16(0x21))
    common.integer(CRC32.of(content))
    common.integer(UInt32(data.count))
    common.integer(UInt32(content.count))
    common.integer(UInt16(name.utf8.count))
    common.integer(UInt16(0))

    directory.integer(UInt32(0x0201_4B50))
    directory.integer(UInt16(20))
    directory.append(common.bytes)
    directory.append([UInt8](repeating: 0, count: 10))
    directory.integer(UInt32(file.count))
    directory.append(name)

    file.integer(UInt32(0x0403_4B50))
    file.append(common.bytes)
    file.append(name)
    file.append(data)
    names.append(member)
  }
}
