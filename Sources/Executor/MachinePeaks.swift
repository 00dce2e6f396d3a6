import CKernels
import Support

/// What the machine does at best, measured: multiply-adds from registers, and bytes from main memory.
public struct MachinePeaks: Sendable {
  /// Multiply-adds a second.
  public let f32: Double
  public let f64: Double
  /// At level AVX2 those of 16-bit products, which exact sums of bytes take there.
  public let i8: Double
  /// Bytes a second, read.
  public let memory: Double

  /// Takes about half a second. - Parameter options: threads that run at once, and their instructions.
  public static func measured(_ options: KernelExecutor.Options = .init()) -> MachinePeaks {
    let level = Int32(options.level)
    let threads = options.threads
    func best(_ work: @Sendable @escaping (Int) -> Int64) -> Double {
      var rate = 0.0
      for _ in 0..<8 {
        let start = ContinuousClock.now
        let counts = Parallel.map(threads, threads: threads, work)
        let seconds = (ContinuousClock.now - start).inSeconds
        rate = max(rate, Double(counts.reduce(0, +)) / seconds)
      }
      return rate
    }
    let rounds: Int64 = 1 << 20
    let f32 = best { _ in
      var sink: Float = 0
      return furc_peak_f32(rounds, level, &sink)
    }
    let f64 = best { _ in
      var sink = 0.0
      return furc_peak_f64(rounds, level, &sink)
    }
    let i8 = best { _ in
      var sink: Int32 = 0
      return furc_peak_i8(rounds, level, &sink)
    }
    // Larger than the caches that cores share.
    let words = 1 << 24
    let block = AlignedMemory(words * 8 * threads)
    block.base.initializeMemory(as: UInt8.self, repeating: 1, count: words * 8 * threads)
    let memory = best { thread in
      let part = (block.base + thread * words * 8).assumingMemoryBound(to: UInt64.self)
      return furc_peak_read(part, Int64(words), level) == 1 ? 0 : Int64(words * 8)
    }
    return MachinePeaks(f32: f32, f64: f64, i8: i8, memory: memory)
  }
}
