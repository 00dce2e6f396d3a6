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
      tensor.forEachRun(along: 1) { base, _, count, channel in
        var (low, high) = (Float(0), Float(0))
        furc_range(base, Int64(count), &low, &high, Kernels.level)
        if low <= high { largest[channel] = max(largest[channel], abs(low), abs(high)) }
      }
      ranges[keys[site.value]] = largest
    }
  }
}
