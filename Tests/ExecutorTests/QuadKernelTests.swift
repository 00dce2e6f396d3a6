import CKernels
import Support
import TestSupport
import Testing

/// Kernels of the slice machine's interpreter that take four bytes at once.
struct QuadKernelTests {
  @Test(arguments: Seed.all) func `products of bytes have the same bits at every level`(seed: Seed) {
    var random = seed.random
    for _ in 0..<60 {
      let packet = [4, 8, 16][Int.random(in: 0..<3, using: &random)]
      let pixels = Int.random(in: 1...9, using: &random)
      let groups = Int.random(in: 1...5, using: &random)
      let count = Int.random(in: 1...12, using: &random)
      let slices = Int.random(in: 1...3, using: &random)
      let zero = [0, -128, 127, 3][Int.random(in: 0..<4, using: &random)]
      let edge = Int.random(in: 0..<3, using: &random) == 0
      func bytes(_ count: Int) -> [Int8] {
        (0..<count).map { _ in
          edge ? [-128, 127][Int.random(in: 0...1, using: &random)] : .random(in: -128...127, using: &random)
        }
      }
      let x = bytes(pixels * count * packet)
      let w = bytes(groups * count * 8 * 16)
      var blocks = [UInt8](repeating: 0, count: w.count)
      let units = (0..<(groups * count * 8)).map { Int32($0) }.shuffled(using: &random)
      let source = w.map { UInt8(bitPattern: $0) }
      furc_npu_load_quads(source, units.map { $0 * 16 }, units, Int64(units.count), &blocks)
      let numbers = (0..<(pixels * count)).map { Int32($0 * packet) }
      let places = numbers.map { Int.random(in: 0..<4, using: &random) == 0 ? -1 : $0 }
      let side = [Int8](repeating: Int8(zero), count: 16)
      for isPlaced in [false, true] {
        var expected: [Int32] = []
        for pixel in 0..<pixels {
          for group in 0..<groups {
            for lane in 0..<8 {
              var sum: Int32 = 0
              for k in 0..<count where !isPlaced || places[pixel * count + k] >= 0 {
                for e in 0..<packet {
                  let weight = w[((group * count + k) * 8 + lane) * 16 + e]
                  sum += (Int32(x[(pixel * count + k) * packet + e]) - Int32(zero)) * Int32(weight)
                }
              }
              expected.append(sum * Int32(slices))
            }
          }
        }
        let step = isPlaced ? 1 : packet
        let xb = (0..<pixels).map { Int32($0 * count * step) }
        let xo = (0..<count).map { Int32($0 * step) }
        let wb = (0..<groups).map { Int32($0 * count * 128) }
        let wo = (0..<count).map { Int32($0 * 128) }
        let rb = (0..<groups).map { Int32($0 * 8) }
        for level in 0...furc_cpu_best_level() {
          var result = [Int32](repeating: 7, count: expected.count)
          x.withUnsafeBufferPointer { x in
            blocks.map { Int8(bitPattern: $0) }.withUnsafeBufferPointer { blocks in
              places.withUnsafeBufferPointer { places in
                side.withUnsafeBufferPointer { side in
                  [xb, xo, wb, wo, rb].withLists { lists in
                    var job = furc_npu_quads()
                    (job.xb, job.xo, job.wb, job.wo) = (lists[0], lists[1], lists[2], lists[3])
                    (job.pixels, job.groups, job.count) = (Int64(pixels), Int64(groups), Int64(count))
                    job.packet = Int32(packet)
                    job.zero_point = Int32(zero)
                    job.row = Int64(groups * 8)
                    job.rb = lists[4]
                    let operands = furc_npu_operands(
                      x: x.baseAddress, places: isPlaced ? places.baseAddress : nil, side: side.baseAddress,
                      w: blocks.baseAddress)
                    let slices = [furc_npu_operands](repeating: operands, count: slices)
                    slices.withUnsafeBufferPointer {
                      (job.slices, job.slice_count) = ($0.baseAddress, Int64($0.count))
                      furc_npu_contract_quads(&job, &result, level)
                    }
                  }
                }
              }
            }
          }
          #expect(result == expected, "level \(level), packets of \(packet)")
        }
      }
    }
  }

  @Test func `blocks spread to the words that were loaded`() {
    let source = (0..<128).map { UInt8($0 * 37 % 256) }
    var block = [UInt8](repeating: 0, count: 128)
    furc_npu_load_quads(source, (0..<8).map { $0 * 16 }, (0..<8).map { $0 }, 8, &block)
    var words = [UInt32](repeating: 0, count: 128)
    furc_npu_spread_quads(block, &words)
    #expect(words == source.map { UInt32(bitPattern: Int32(Int8(bitPattern: $0))) })
  }
}

extension [[Int32]] {
  fileprivate func withLists(_ body: ([UnsafePointer<Int32>?]) -> Void) {
    var pointers: [UnsafePointer<Int32>?] = []
    func next(_ index: Int) {
      guard index < count else { return body(pointers) }
      self[index].withUnsafeBufferPointer {
        pointers.append($0.baseAddress)
        next(index + 1)
      }
    }
    next(0)
  }
}
