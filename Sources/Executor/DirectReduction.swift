import CKernels
import KernelIR
import Support
import Tensors

/// Reductions of f32 by the kernel in C, which reads the elements where they lie.
struct DirectReduction: Sendable {
  private let operation: Int32
  private let isSplit: Bool
  private let reader: Reader
  private let count: Int
  /// Of each element of a reduction, unless they lie side by side.
  private let offsets: [Int64]?
  /// What each element adds to the coordinates that are checked: element by element.
  private let checkOffsets: [Int]

  private static let mostOffsets = 1 << 20

  /// Nil for other rules and types, and where bounds change within a run of results.
  /// - Parameter results: the loops over results. - Parameter reduction: over the elements of one.
  /// - Parameter pre: the program of the operand.
  init?(_ rule: Kernel.Reduction, _ pre: Program, _ reader: Reader, results: Loops, _ reduction: Loops) {
    guard reader.element == .f32, reader.fill == nil || reader.checks.isEmpty else { return nil }
    switch (rule, pre) {
    case (.sum, .identity): operation = Int32(FURC_REDUCE_SUM)
    case (.sum, .square): operation = Int32(FURC_REDUCE_SQUARES)
    case (.maximum, .identity): operation = Int32(FURC_REDUCE_MAXIMUM)
    case (.minimum, .identity): operation = Int32(FURC_REDUCE_MINIMUM)
    default: return nil
    }
    self.reader = reader
    count = reduction.count
    isSplit = rule == .sum && count > 64
    guard reader.checks.allSatisfy({ results.innerStep($0.form) == 0 }), !isSplit || reader.checks.isEmpty
    else { return nil }
    if reduction.extents.count == 1, reduction.innerStep(reader.form) == 1, reader.checks.isEmpty {
      offsets = nil
      checkOffsets = []
      return
    }
    guard count <= Self.mostOffsets else { return nil }
    var offsets: [Int64] = []
    var checkOffsets: [Int] = []
    var walker = Walker(reduction)
    for _ in 0..<count {
      offsets.append(Int64(walker.values[reader.form]))
      for check in reader.checks { checkOffsets.append(walker.values[check.form]) }
      walker.advance(by: 1)
    }
    self.offsets = offsets
    self.checkOffsets = checkOffsets
  }

  /// The reductions at all points of the block, in memory of the scratch.
  func run(
    _ argument: UnsafeRawPointer, _ block: PointBlock, _ loops: Loops, level: Int32, _ scratch: Reader.Scratch
  ) -> UnsafePointer<UInt32> {
    var out = UnsafeMutableRawPointer(scratch.out).assumingMemoryBound(to: Float.self)
    let x = argument.assumingMemoryBound(to: Float.self)
    for run in 0..<block.runs {
      let values = block.values + run * block.forms
      var job = furc_reduce_job()
      job.x = x + values[reader.form]
      job.operation = operation
      job.is_split = isSplit
      job.results = Int64(block.lengths[run])
      job.step = Int64(loops.innerStep(reader.form))
      job.points = Int64(count)
      job.out = out
      if let offsets {
        let inside = reader.checks.isEmpty ? offsets : offsetsInside(offsets, values)
        job.points = Int64(inside.count)
        inside.withUnsafeBufferPointer { inside in
          job.offsets = inside.baseAddress
          furc_reduce(&job, level)
        }
      } else {
        furc_reduce(&job, level)
      }
      out += block.lengths[run]
    }
    return UnsafePointer(scratch.out)
  }

  /// The elements within bounds for results whose forms are `values`.
  private func offsetsInside(_ offsets: [Int64], _ values: UnsafePointer<Int>) -> [Int64] {
    let checks = reader.checks
    var inside: [Int64] = []
    inside.reserveCapacity(offsets.count)
    for (element, offset) in offsets.enumerated() {
      var isInside = true
      for (index, check) in checks.enumerated() {
        let coordinate = values[check.form] + checkOffsets[element * checks.count + index]
        isInside = isInside && coordinate >= 0 && coordinate < check.extent
      }
      if isInside { inside.append(offset) }
    }
    return inside
  }
}

extension Program {
  /// input · input.
  fileprivate static let square = Program { program in
    let value = program.append(.input)
    return program.append(.multiply, value, value)
  }
}
