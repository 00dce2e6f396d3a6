import KernelIR
import Machine
import NPUISA
import Support
import Tensors

extension ProgramCompiler {
  /// The ways to place a kernel that are worth a try: as its operands lie, then others.
  /// - Parameter effort: how many others.
  func candidates(_ node: KernelNode, _ kernel: Kernel, effort: Int) -> [Candidate] {
    if kernel.isCopy {
      var mappings: [Choice.Mapping] = kernel.transposition == nil ? [] : [.renamed]
      mappings += packings(node, kernel).map { .packed($0) }
      for geometry in localGeometries(node, kernel) {
        for flitAxis in flitAxes(node, kernel) { mappings.append(.local(geometry, flitAxis: flitAxis)) }
      }
      return (mappings + [.copied]).map { Candidate($0) }
    }
    let lying = lyingGeometries(node, kernel)
    if kernel.form == .contract {
      var tilings = lying
      for geometry in permutedGeometries(node, kernel)
      where !tilings.contains(where: geometry.isCutLike) {
        tilings.append(geometry)
      }
      let fresh = cache.geometries(
        .init(
          kind: .fresh(startsWithFewTiles: startsWithFewTiles, countsHalos: countsHalos), kernel: node.result,
          slices: machine.slices, limit: effort)
      ) { freshGeometries(node, kernel, limit: effort) }
      for geometry in fresh
      where !tilings.contains(where: geometry.isCutLike) {
        tilings.append(geometry)
      }
      let candidates = tilings.compactMap { geometry in
        tiling(node, geometry).map { tiled in
          Candidate(
            mappings: standings(tiled).map { .tiled(geometry, $0) }, tiled: tiled,
            least: tiled.leastTicks(machine))
        }
      }
      if !candidates.isEmpty { return candidates }
      let others = slicings(node, kernel, limit: effort) + tiles(node, kernel, limit: effort / 4)
      return (lying + others).filter { $0.sharing == nil }.map { Candidate(.sliced($0, flitAxis: nil)) }
    }
    let others = tiles(node, kernel, limit: effort / 4)
    let geometries =
      lying.isEmpty
      ? slicings(node, kernel, limit: effort) + others : lying + slicings(node, kernel, limit: 2) + others
    return geometries.flatMap { geometry in
      flitAxes(node, kernel).map { Candidate(.sliced(geometry, flitAxis: $0)) }
    }
  }

  func tiling(_ node: KernelNode, _ geometry: Geometry) -> TiledContraction? {
    let isConstant = node.operands.prefix(2).map { graph.buffers[$0].constant != nil }
    return TiledContraction(
      geometry, isConstant: isConstant, contiguous: contiguousSum(node, geometry.kernel), machine)
  }

  /// How slices may have the constant of a contraction.
  private func standings(_ tiled: TiledContraction) -> [Standing] {
    guard tiled.streamed.sliceCount > tiled.digit.count else { return [.dealt] }
    // The ring takes a cycle for a unit and every slice that it passes, a load of all two.
    let isFar = tiled.digit.sliceStride == 1 && tiled.digit.count > 2
    return resident != nil && isFar ? [.dealt, .own, .staged] : [.dealt, .own]
  }

  /// The summed axis whose elements follow each other where the streamed operand lies.
  private func contiguousSum(_ node: KernelNode, _ kernel: Kernel) -> AxisID? {
    for (operand, buffer) in zip(kernel.operands.prefix(2), node.operands)
    where graph.buffers[buffer].constant == nil {
      guard let placement = homes[buffer]?.placement else { continue }
      for (map, dimension) in zip(operand.maps, placement.dimensions)
      where dimension.stride == operand.type.element.size && dimension.extent > 1 {
        for term in map.terms
        where kernel.axes[term.axis].role != .parallel && term.coefficient == 1
          && kernel.axes[term.axis].extent > 1
        {
          return term.axis
        }
      }
    }
    return nil
  }

  /// Cut over slices by divisors of the parallel axes.
  func slicings(_ node: KernelNode, _ kernel: Kernel, limit: Int) -> [Geometry] {
    cache.geometries(.init(kind: .slicing, kernel: node.result, slices: machine.slices, limit: limit)) {
      Slicing.candidates(for: kernel, slices: machine.slices, limit: max(limit, 2))
    }
  }

  // MARK: As operands lie

  /// Geometries under which an operand is read where it lies.
  private func lyingGeometries(_ node: KernelNode, _ kernel: Kernel) -> [Geometry] {
    var geometries: [Geometry] = []
    for (index, (operand, buffer)) in zip(kernel.operands, node.operands).enumerated() {
      guard let placement = homes[buffer]?.placement, placement.memory == .sram else { continue }
      for lying in matching(operand, placement, kernel, isForm: index < 2) {
        // Slices between those that differ do the same.
        var geometry = lying
        guard geometry.repeatWork(upTo: lying.sliceCount) else { continue }
        for geometry in [geometry] + repetitions(lying, placement, isForm: index < 2)
        where !geometries.contains(where: geometry.isCutLike) && geometry.sliceCount > 1 {
          geometries.append(geometry)
        }
      }
    }
    return geometries
  }

  /// As the streamed operand lies, but with the digits of the slice number in another order: whole blocks are copied.
  private func permutedGeometries(_ node: KernelNode, _ kernel: Kernel) -> [Geometry] {
    guard let placement = homes[node.operands[0]]?.placement, placement.memory == .sram,
      graph.buffers[node.operands[0]].constant == nil
    else { return [] }
    let cut = placement.dimensions.indices.filter { placement.dimensions[$0].blocks > 1 }
      .sorted { placement.dimensions[$0].sliceStride < placement.dimensions[$1].sliceStride }
    let slices = cut.reduce(1) { $0 * placement.dimensions[$1].blocks }
    let most = max(placement.repeats, slices)
    guard !cut.isEmpty, cut.count <= 3, most % slices == 0 else { return [] }
    // Slices that have the same differ in the slowest digit, or in the fastest.
    var geometries: [Geometry] = []
    for first in most > slices ? [1, most / slices] : [1] {
      for order in Self.permutations(cut) {
        var permuted = placement
        var stride = first
        for index in order {
          permuted.dimensions[index].sliceStride = stride
          stride *= placement.dimensions[index].blocks
        }
        permuted.repeats = most
        guard permuted.dimensions != placement.dimensions else { continue }
        // Engines that stream constants have no time to bring blocks to where the switch collects them.
        let found = matching(
          kernel.operands[0], permuted, kernel, isForm: true, collects: resident != nil)
        for geometry in found {
          geometries += most > slices ? repetitions(geometry, permuted, isForm: true) : [geometry]
        }
      }
    }
    return geometries
  }

  /// The first is the list itself.
  private static func permutations(_ list: [Int]) -> [[Int]] {
    guard list.count > 1 else { return [list] }
    return list.indices.flatMap { index in
      var rest = list
      let first = rest.remove(at: index)
      return permutations(rest).map { [first] + $0 }
    }
  }

  /// The same in all slices that have the operand: a contraction may cut its columns there.
  private func repetitions(_ geometry: Geometry, _ placement: Placement, isForm: Bool) -> [Geometry] {
    var whole = geometry
    guard placement.repeats >= geometry.sliceCount, whole.repeatWork(upTo: placement.repeats) else {
      return []
    }
    var result = [whole]
    guard isForm, geometry.kernel.form == .contract else { return result }
    if let sharing = geometry.sharing {
      guard sharing.mode == .reduce, sharing.columns.count == 1 else { return result }
      for digit in whole.repeated {
        if var cut = cutting(geometry, sharing, beside: digit), cut.repeatWork(upTo: placement.repeats),
          !result.contains(where: cut.isCutLike)
        {
          result.append(cut)
        }
      }
      return result
    }
    for column in columns(of: geometry.kernel) where geometry.parts[column] == nil {
      for digit in whole.repeated {
        var count = 2
        while digit.count % count == 0, geometry.kernel.axes[column].extent >= 4 * count {
          var cut = geometry
          cut.slice(
            column, count: count, block: Self.columnBlock(geometry.kernel, column, count),
            stride: digit.sliceStride)
          if cut.repeatWork(upTo: placement.repeats) { result.append(cut) }
          count *= 2
        }
      }
    }
    return result
  }

  /// The columns of a sharing cut over as many slices of a digit beside it as there are eight columns for.
  private func cutting(
    _ geometry: Geometry, _ sharing: Geometry.Sharing, beside digit: Geometry.Digit
  ) -> Geometry? {
    let isAbove = digit.sliceStride == sharing.sliceStride * sharing.count
    guard isAbove || digit.sliceStride * digit.count == sharing.sliceStride,
      isAbove != sharing.alternates || sharing.parts == 1 || sharing.parts == sharing.count
    else { return nil }
    let extent = geometry.kernel.axes[sharing.column].extent
    var count = digit.count & -digit.count
    while count > 1, extent < 8 * count * sharing.parts { count /= 2 }
    guard count > 1 else { return nil }
    var shared = sharing
    shared.alternates = !isAbove
    shared.columns = Geometry.Digit(
      count: count, sliceStride: isAbove ? digit.sliceStride : sharing.sliceStride / count)
    shared.columnBlock = Self.columnBlock(geometry.kernel, sharing.column, count * sharing.parts)
    var result = geometry
    result.share(shared)
    return result
  }

  func matching(
    _ operand: Operand, _ placement: Placement, _ kernel: Kernel, isForm: Bool, collects: Bool = true
  ) -> [Geometry] {
    var geometry = Geometry(kernel)
    var shared: (axis: AxisID, count: Int, stride: Int, block: Int)?
    let columns = isForm ? columns(of: kernel) : []
    var forced: Geometry.Digit?
    for (map, dimension) in zip(operand.maps, placement.dimensions) where dimension.blocks > 1 {
      let moving = map.terms.filter { kernel.axes[$0.axis].extent > 1 }
      let own = moving.filter { kernel.axes[$0.axis].role == .parallel }
      if own.isEmpty, isForm, kernel.form == .contract, moving.count == 1, moving[0].coefficient == 1,
        map.offset == 0
      {
        let axis = moving[0].axis
        if columns.isEmpty {
          // Sums over slices: the reducer adds them, as long as all weigh alike.
          guard kernel.accumulation == .integer, !kernel.operands[1].depends(on: axis),
            dimension.step * dimension.blocks >= kernel.axes[axis].extent
          else { return [] }
          geometry.slice(
            axis, count: dimension.blocks, block: dimension.step, stride: dimension.sliceStride)
          continue
        }
        guard shared == nil else { return [] }
        shared = (axis, dimension.blocks, dimension.sliceStride, dimension.step)
        continue
      }
      guard own.count == 1, own[0].coefficient > 0 else { return [] }
      // A step of the kernel may be that of several blocks, which the switch can bring together.
      var count = 1
      while dimension.step * count % own[0].coefficient != 0, dimension.blocks % (2 * count) == 0 {
        count *= 2
      }
      guard dimension.step * count % own[0].coefficient == 0, count == 1 || !columns.isEmpty else {
        return []
      }
      let block = dimension.step * count / own[0].coefficient
      guard block > 0, block * (dimension.blocks / count) >= kernel.axes[own[0].axis].extent,
        geometry.parts[own[0].axis] == nil
      else { return [] }
      if count > 1 {
        guard forced == nil else { return [] }
        forced = Geometry.Digit(count: count, sliceStride: dimension.sliceStride)
        guard dimension.blocks > count else { continue }
      }
      geometry.slice(
        own[0].axis, count: dimension.blocks / count, block: block, stride: dimension.sliceStride * count)
    }
    let isReducing = geometry.parts.keys.contains { kernel.axes[$0].role != .parallel }
    guard !isReducing || geometry.reducing != nil else { return [] }
    let isRing = shared.map { $0.count & ($0.count - 1) == 0 && $0.stride & ($0.stride - 1) == 0 } ?? true
    func sharing(_ column: AxisID) -> Geometry.Sharing? {
      guard let shared, isRing else { return nil }
      return Geometry.Sharing(
        mode: .gather, sum: shared.axis, column: column, count: shared.count, sliceStride: shared.stride,
        sumBlock: shared.block, columnBlock: Self.columnBlock(kernel, column, shared.count))
    }
    let digit = shared.map { Geometry.Digit(count: $0.count, sliceStride: $0.stride) }
    let collecting =
      !collects ? [] : columns.flatMap { collections(geometry, $0, digit, forced, sharing($0)) }
    if forced != nil { return collecting }
    guard shared != nil else { return [geometry] + collecting }
    // Rings are powers of two.
    guard isRing else { return [] }
    return collecting
      + columns.flatMap { column in
        let all = sharing(column).map { [$0] } ?? []
        return (all + all.flatMap { Self.reductions($0, kernel) }).map { sharing in
          var result = geometry
          result.share(sharing)
          return result
        }
      }
  }

  /// Sums over the digit of a sharing, dealt out in more or fewer parts.
  private static func reductions(_ sharing: Geometry.Sharing, _ kernel: Kernel) -> [Geometry.Sharing] {
    var result: [Geometry.Sharing] = []
    var parts = sharing.count
    while parts >= 1 {
      if parts == 1 || parts == sharing.count || kernel.axes[sharing.column].extent >= 8 * parts {
        for alternates in parts == 1 || parts == sharing.count ? [false] : [false, true] {
          var reduced = sharing
          reduced.mode = .reduce
          reduced.parts = parts
          reduced.alternates = alternates
          reduced.columnBlock = columnBlock(kernel, sharing.column, parts)
          result.append(reduced)
        }
      }
      parts /= 2
    }
    return result
  }

  /// The switch may bring slices what their neighbours have (`collected`): they share the columns of a larger tile.
  /// - Parameters:
  ///   - shared: the digit that cuts the channels; every slice gets all of them.
  ///   - forced: that of the neighbouring tiles which the geometry already takes as one.
  ///   - sharing: as channels are cut: they may stay so where only tiles are brought together.
  private func collections(
    _ geometry: Geometry, _ column: AxisID, _ shared: Geometry.Digit?, _ forced: Geometry.Digit?,
    _ sharing: Geometry.Sharing?
  ) -> [Geometry] {
    let kernel = geometry.kernel
    guard geometry.parts[column] == nil else { return [] }
    var result: [Geometry] = []
    func addSharings(_ lying: Geometry, _ digits: [Geometry.Digit]) {
      guard let sharing, let digit = Geometry.Digit(joining: digits) else { return }
      for reduced in Self.reductions(sharing, kernel) {
        if let cut = cutting(lying, reduced, beside: digit), cut.sharing?.columns.count == digit.count {
          result.append(cut)
        }
      }
    }
    func add(_ lying: Geometry, _ digits: [Geometry.Digit]) {
      guard let digit = Geometry.Digit(joining: digits), kernel.axes[column].extent >= 4 * digit.count else {
        return
      }
      var collecting = lying
      let block = Self.columnBlock(kernel, column, digit.count)
      collecting.slice(column, count: digit.count, block: block, stride: digit.sliceStride)
      result.append(collecting)
    }
    let digits = [shared, forced].compactMap { $0 }.sorted { $0.sliceStride < $1.sliceStride }
    add(geometry, digits)
    let tiles = forced.map { [$0] } ?? []
    addSharings(geometry, tiles)
    for (axis, part) in geometry.parts.sorted(by: { $0.key < $1.key })
    where kernel.axes[axis].role == .parallel {
      var count = 2
      while count <= part.count, count <= 8 {
        defer { count *= 2 }
        guard part.count % count == 0 else { continue }
        var merged = geometry
        merged.merge(axis, count)
        let own = Geometry.Digit(count: count, sliceStride: part.sliceStride)
        add(merged, (digits + [own]).sorted { $0.sliceStride < $1.sliceStride })
        addSharings(merged, (tiles + [own]).sorted { $0.sliceStride < $1.sliceStride })
      }
    }
    return result
  }

  /// Columns of a slice, whole groups of eight.
  private static func columnBlock(_ kernel: Kernel, _ column: AxisID, _ count: Int) -> Int {
    ((kernel.axes[column].extent + count - 1) / count).roundedUp(toMultipleOf: 8)
  }

  /// The parallel axes of a contraction that its constant alone moves with.
  private func columns(of kernel: Kernel) -> [AxisID] {
    guard kernel.form == .contract else { return [] }
    return kernel.axes(.parallel).filter { axis in
      kernel.operands.prefix(2).count { $0.depends(on: axis) } == 1
        && kernel.operands[1].depends(on: axis) && kernel.axes[axis].extent > 1
    }
  }

  // MARK: Others

  /// Tiles of up to two axes and shared channels, those with the least work in a slice.
  private func freshGeometries(_ node: KernelNode, _ kernel: Kernel, limit: Int) -> [Geometry] {
    let columns = columns(of: kernel)
    guard columns.count == 1, kernel.accumulation == .integer else { return [] }
    let stream = kernel.operands[0]
    let rows = kernel.axes(.parallel).filter {
      stream.depends(on: $0) && !kernel.operands[1].depends(on: $0) && kernel.axes[$0].extent > 1
    }
    let sums = kernel.axes(.reduce).filter { stream.dimension(of: $0) != nil }
    let sum = sums.max { (kernel.axes[$0].extent, $1) < (kernel.axes[$1].extent, $0) }
    var found: [(work: Int, geometry: Geometry)] = []
    var shares = 1
    while shares <= machine.slices {
      defer { shares *= 2 }
      let columnBlock = Self.columnBlock(kernel, columns[0], shares)
      // As a column's block before or behind: what lies in blocks of eight is copied in runs of eight.
      let sumBlock = sum.map { Self.columnBlock(kernel, $0, shares) } ?? 1
      func isEven(_ block: Int, _ axis: AxisID?) -> Bool {
        axis.map { block * shares <= max(kernel.axes[$0].extent, 8) * 2 } ?? false
      }
      guard shares == 1 || (isEven(sumBlock, sum) && isEven(columnBlock, columns[0])) else { continue }
      for cut in cuts(rows, kernel, machine.slices / shares) {
        let cut = digits(cut)
        for order in orders(cut.count, shares > 1) {
          var stride = 1
          var geometry = Geometry(kernel)
          var sharedStride = 1
          for digit in order {
            if digit < cut.count {
              geometry.slice(
                cut[digit].axis, count: cut[digit].count, block: cut[digit].block, stride: stride)
              stride *= cut[digit].count
            } else {
              sharedStride = stride
              stride *= shares
            }
          }
          guard shares > 1, let sum else {
            found.append((work(geometry, rows, sum, columns[0]), geometry))
            continue
          }
          for mode in [Geometry.Sharing.Mode.reduce, .gather] {
            var shared = geometry
            shared.share(
              .init(
                mode: mode, sum: sum, column: columns[0], count: shares, sliceStride: sharedStride,
                parts: mode == .reduce ? shares : 1, sumBlock: sumBlock, columnBlock: columnBlock))
            found.append((work(shared, rows, sum, columns[0]), shared))
          }
        }
      }
    }
    let order = found.indices.sorted { (found[$0].work, $0) < (found[$1].work, $1) }
    var kept: [Geometry] = []
    for index in order where kept.count < limit {
      // What comes to lie alike goes on alike.
      let geometry = found[index].geometry
      if !kept.contains(where: { $0.liesLike(geometry) }) { kept.append(geometry) }
    }
    return kept
  }

  /// Tiles of up to two axes, but not of the one whose elements follow each other: those with the fewest points in a slice.
  func tiles(_ node: KernelNode, _ kernel: Kernel, limit: Int) -> [Geometry] {
    guard limit > 0, !kernel.operands.isEmpty, kernel.axes(.split).isEmpty else { return [] }
    let operand = kernel.operands[0]
    let innermost = homes[node.operands[0]]?.placement.order.last ?? operand.maps.count - 1
    let axes = kernel.axes(.parallel).filter { axis in
      kernel.axes[axis].extent > 1 && operand.depends(on: axis) && operand.dimension(of: axis) != innermost
    }
    return tiles(axes, kernel, limit: limit)
  }

  func tiles(_ axes: [AxisID], _ kernel: Kernel, limit: Int) -> [Geometry] {
    var found: [(points: Int, geometry: Geometry)] = []
    for cut in cuts(axes, kernel, machine.slices) where !cut.isEmpty {
      var geometry = Geometry(kernel)
      var stride = 1
      for part in digits(cut) {
        geometry.slice(part.axis, count: part.count, block: part.block, stride: stride)
        stride *= part.count
      }
      found.append((cut.reduce(1) { $0 * $1.block }, geometry))
    }
    let order = found.indices.sorted { (found[$0].points, $0) < (found[$1].points, $1) }
    return order.prefix(limit).map { found[$0].geometry }
  }

  private struct Cut {
    var axis: AxisID
    var count: Int
    var block: Int
  }

  /// Ways to cut up to two axes into at most `most` tiles, powers of two each; blocks also a little larger, so that
  /// halves of them are whole.
  private func cuts(_ rows: [AxisID], _ kernel: Kernel, _ most: Int) -> [[Cut]] {
    var result: [[Cut]] = [[]]
    for axis in rows.sorted(by: { (kernel.axes[$1].extent, $0) < (kernel.axes[$0].extent, $1) }).prefix(2) {
      let extent = kernel.axes[axis].extent
      var choices: [Cut] = []
      var count = 2
      while count <= most, count < 2 * extent {
        let block = (extent + count - 1) / count
        for unit in [1, 2, 4, 8, 16] {
          let rounded = block.roundedUp(toMultipleOf: unit)
          if rounded * count * 3 <= extent * 4,
            !choices.contains(where: { $0.count == count && $0.block == rounded })
          {
            choices.append(Cut(axis: axis, count: count, block: rounded))
          }
        }
        count *= 2
      }
      result += result.flatMap { cut in
        choices.filter { choice in cut.reduce(choice.count) { $0 * $1.count } <= most }.map { cut + [$0] }
      }
    }
    return result
  }

  /// In the order of their digits, the fastest first.
  private func digits(_ cut: [Cut]) -> [Cut] {
    guard startsWithFewTiles else { return cut }
    return cut.indices.sorted { (cut[$0].count, $0) < (cut[$1].count, $1) }.map { cut[$0] }
  }

  /// Orders of the digits of a slice's number, the fastest first; the last index stands for the shared channels.
  private func orders(_ cuts: Int, _ isShared: Bool) -> [[Int]] {
    switch (cuts, isShared) {
    case (0, false): [[]]
    case (0, true): [[0]]
    case (1, false): [[0]]
    case (1, true): [[1, 0], [0, 1]]
    case (_, false): [[0, 1]]
    case (_, true): [[2, 0, 1], [0, 2, 1], [0, 1, 2]]
    }
  }

  /// Cycles of the shifts that bring what neighbouring tiles share, about.
  private func halos(_ geometry: Geometry, _ rows: [AxisID], _ streaming: Geometry) -> Int {
    let kernel = geometry.kernel
    var cycles = 0
    for map in kernel.operands[0].maps {
      guard let own = map.terms.first(where: { rows.contains($0.axis) }), let part = geometry.parts[own.axis]
      else {
        continue
      }
      let reach = map.terms.filter { kernel.axes[$0.axis].role == .window }
        .reduce(0) { $0 + $1.coefficient * (kernel.axes[$1.axis].extent - 1) }
      let shared = reach + 1 - own.coefficient
      guard shared > 0 else { continue }
      let others = rows.filter { $0 != own.axis }.reduce(1) {
        $0 * streaming.ranges[$1].count * own.coefficient
      }
      let channels = kernel.axes(.reduce).reduce(1) { $0 * streaming.ranges[$1].count }
      let flits = others * (channels + machine.flitBytes - 1) / machine.flitBytes
      cycles += min(shared, 2) * machine.issueMainCycles + shared * part.sliceStride * flits
    }
    return cycles
  }

  /// Cycles of the longest stage, about: of the products, of the ring, or of loading the register file beside them.
  private func work(_ geometry: Geometry, _ rows: [AxisID], _ sum: AxisID?, _ column: AxisID) -> Int {
    let kernel = geometry.kernel
    let streaming = geometry.streaming()
    let points = rows.reduce(1) { $0 * streaming.ranges[$1].count }
    var packets = kernel.reductionAxes.filter { $0 != sum }.reduce(1) { $0 * kernel.axes[$1].extent }
    if let sum { packets *= (streaming.ranges[sum].count + machine.packetBytes - 1) / machine.packetBytes }
    let groups = (geometry.leaving().ranges[column].count + 7) / 8
    let shares = geometry.sharing?.count ?? 1
    let units = packets * shares * groups * machine.lanes
    let half = machine.registerFileBytes / machine.packetBytes / 2
    let loads = (units + half - 1) / half
    let issue = loads * machine.issueMainCycles + (countsHalos ? halos(geometry, rows, streaming) : 0)
    let products = points * packets * shares * groups + issue
    let loading = loads * machine.issueSubCycles + 3 * units / 2
    guard let sharing = geometry.sharing else { return max(products, loading) }
    let other =
      sharing.mode == .reduce
      ? sharing.sliceStride * (points * groups * sharing.count + 2 * sharing.count)
      : sharing.sliceStride * sharing.count * (points * packets + 2)
    return max(products, other + issue, loading)
  }
}
