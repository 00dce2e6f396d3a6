import KernelIR
import Machine
import NPUISA
import Support

extension NPUCompiler {
  /// How a kernel was placed, and what the search thinks that it costs.
  public struct Decision: Sendable {
    /// Of the compiled graph.
    public let kernel: Int
    /// The axes that are cut over slices, as `axis count x block @ distance in slices`; how channels are shared; and
    /// whether constants are dealt out over the slices that share them.
    public let placement: String
    /// Of main, of sub, of copies that the kernel waits for, and of constants that stream.
    public let cycles: [Int]
  }

  /// A program and how it was found.
  public struct Result: Sendable {
    public let program: NPUProgram
    public let decisions: [Decision]
  }
}

extension ProgramCompiler {
  var decisions: [NPUCompiler.Decision] {
    zip(choices, works).enumerated().map { number, step in
      let work = step.1
      return NPUCompiler.Decision(
        kernel: number, placement: step.0.text,
        cycles: [work.main, work.sub, work.copies, work.streamed + work.staged].map {
          $0 / machine.ticksPerCycle
        })
    }
  }
}

extension ProgramCompiler.Choice {
  var text: String {
    let prefix = relief == .none ? "" : "\(relief): "
    return switch mapping {
    case .tiled(let geometry, let standing): prefix + "\(geometry.text) \(standing)"
    case .sliced(let geometry, let flitAxis):
      prefix + "\(geometry.text) flits along \(flitAxis.map { geometry.kernel.axes[$0].name } ?? "nothing")"
    case .local(let geometry, let flitAxis):
      "\(geometry.text) within slices, flits along \(flitAxis.map { geometry.kernel.axes[$0].name } ?? "nothing")"
    case .packed(let geometry): "\(geometry.text) channels side by side"
    case .renamed: "stays"
    case .copied, nil: prefix + "copies"
    }
  }
}

extension Geometry {
  fileprivate var text: String {
    var words = parts.keys.sorted().compactMap { axis in
      parts[axis].map { "\(kernel.axes[axis].name) \($0.count)x\($0.block)@\($0.sliceStride)" }
    }
    if let sharing {
      words.append(
        "\(sharing.mode) \(kernel.axes[sharing.sum].name) \(sharing.count)x\(sharing.sumBlock)@\(sharing.sliceStride)"
      )
      if sharing.mode == .reduce {
        let (columns, parts) = (sharing.columns, sharing.parts)
        let cut = columns.count > 1 ? "\(columns.count)@\(columns.sliceStride), " : ""
        words.append("\(kernel.axes[sharing.column].name) \(cut)\(parts) parts")
      }
    }
    return words.isEmpty ? "one slice," : words.joined(separator: ", ") + ","
  }
}
