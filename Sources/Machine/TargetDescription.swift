import Support
import Tensors

/// A target: the machine, and for every number of it where the number comes from.
public struct TargetDescription: Hashable, Sendable {
  public enum Source: String, CaseIterable, Hashable, Sendable {
    /// Read in a document of the vendor.
    case published
    /// Arithmetic on published numbers.
    case derived
    /// Not published: a choice of this project.
    case chosen
  }

  public struct Number: Hashable, Sendable {
    public let key: String
    /// As text: an integer, or names separated by commas.
    public let value: String
    public let source: Source
    public let reason: String

    public init(key: String, value: String, source: Source, reason: String) {
      self.key = key
      self.value = value
      self.source = source
      self.reason = reason
    }
  }

  public static let families = ["npu"]

  public let name: String
  public let family: String
  /// One line.
  public let summary: String
  public let machine: SliceMachine
  /// In the order of `MachineNumber.all`, then the contraction types.
  public let numbers: [Number]
  /// The file that it was read from, as it travels inside a container.
  public let yaml: [UInt8]

  /// - Throws: `invalidTarget` with the first rule that the machine breaks.
  public init(
    name: String, family: String, summary: String, machine: SliceMachine, numbers: [Number], yaml: [UInt8]
  ) throws(Diagnostic) {
    guard Self.families.contains(family) else {
      throw Diagnostic(
        .invalidTarget, "family is '\(family)', known is \(Self.families.joined(separator: ", "))")
    }
    var machine = machine
    machine.name = name
    try machine.validate()
    self.name = name
    self.family = family
    self.summary = summary
    self.machine = machine
    self.numbers = numbers
    self.yaml = yaml
  }
}

extension SliceMachine {
  /// The types that a tensor unit may multiply. Sums of E5M2 products are wider than a cell.
  public static let multipliable: [ElementType] = [.i4, .u4, .i8, .u8, .f8e4m3, .bf16, .f16, .f32]

  /// - Throws: `invalidTarget` with the first rule that the numbers break.
  public func validate() throws(Diagnostic) {
    for number in MachineNumber.all {
      let value = number.get(self)
      guard number.allowed.contains(value) else {
        let (low, high) = (number.allowed.lowerBound, number.allowed.upperBound)
        throw Diagnostic(.invalidTarget, "\(number.key) is \(value), allowed is \(low) … \(high)")
      }
      guard !number.isPowerOfTwo || value & (value - 1) == 0 else {
        throw Diagnostic(.invalidTarget, "\(number.key) is \(value), which is not a power of two")
      }
    }
    guard sramBytesPerSlice <= sramWindowBytes else {
      throw Diagnostic(
        .invalidTarget,
        "sram_bytes_per_slice is \(sramBytesPerSlice), more than sram_window_bytes, \(sramWindowBytes)")
    }
    guard registerFileBytes % (lanes * packetBytes) == 0 else {
      throw Diagnostic(
        .invalidTarget,
        "register_file_bytes is \(registerFileBytes), not a whole number of rows of \(lanes * packetBytes) bytes"
      )
    }
    guard vectorRegisterBytes % 4 == 0 else {
      throw Diagnostic(
        .invalidTarget, "vector_register_bytes is \(vectorRegisterBytes), not whole words of 4 bytes")
    }
    for (index, type) in contractionTypes.enumerated() {
      guard Self.multipliable.contains(where: { $0.rawValue == type }) else {
        let known = Self.multipliable.map(\.rawValue).joined(separator: ", ")
        throw Diagnostic(.invalidTarget, "contraction_types holds '\(type)', known is \(known)")
      }
      guard !contractionTypes[..<index].contains(type) else {
        throw Diagnostic(.invalidTarget, "contraction_types holds '\(type)' twice")
      }
    }
  }

  /// Units of the register file: packets of all lanes and rows.
  public var registerUnits: Int { registerFileBytes / packetBytes }
  /// Words of the vector registers.
  public var vectorWords: Int { vectorRegisterBytes / 4 }
  /// Words of all tables.
  public var tableWords: Int { 256 * tableSlots }

  public func multiplies(_ element: ElementType) -> Bool { contractionTypes.contains(element.rawValue) }
}
