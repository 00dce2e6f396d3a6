import CKernels
import GraphIR
import Support
import Tensors

/// The largest magnitudes per channel of the values whose channels may be scaled.
package struct ChannelRanges {
  /// By the value's name or `%` and its number.
  package private(set) var ranges: [String: [Float]] = [:]
  private let sites: [EqualizationSite]
  private let keys: ValueKeys

  package init(_ graph: Graph) {
    sites = EqualizationSite.all(graph)
    keys = ValueKeys(graph)
  }

  /// The values that `observe` needs.
  package var needed: [ValueID] { sites.map(\.value) }

  package mutating func observe(_ values: SideTable<ValueID, Tensor?>) {
    for site in sites {
      guard let tensor = values[site.value], tensor.shape.count > 1, tensor.shape[1] == site.channels else {
        continue
      }
      var largest = ranges[keys[site.value]] ?? [Float](repeating: 0, count: site.channels)
      let inner = tensor.shape[2...].reduce(1, *)
      tensor.withFloats { x in
        guard let base = x.baseAddress, inner > 0 else { return }
        for (block, start) in stride(from: 0, to: x.count, by: inner).enumerated() {
          var (low, high) = (Float(0), Float(0))
          furc_range(base + start, Int64(inner), &low, &high, Kernels.level)
          let channel = block % site.channels
          if low <= high { largest[channel] = max(largest[channel], max(abs(low), abs(high))) }
        }
      }
      ranges[keys[site.value]] = largest
    }
  }
}
