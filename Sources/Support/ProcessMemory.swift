import Glibc

/// The memory of this process, as the system counts it.
public enum ProcessMemory {
  /// Bytes that are in memory now, those of mapped files included; 0 where the system does not tell.
  public static var resident: Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
    let fields = line.prefix { $0 != 0 }.split(separator: 32).map {
      String(decoding: $0.map(UInt8.init), as: UTF8.self)
    }
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
  }
}
