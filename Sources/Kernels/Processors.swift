import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension ThreadPool {
  /// Processors that this process may keep busy: those it may run on, or fewer if its control group (a container's
  /// limit) grants less time. At least 1.
  package static func availableProcessors() -> Int {
    let affinity = Int(ck_processor_affinity())
    let count = affinity > 0 ? affinity : Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    #if os(Linux)
      return max(1, min(count, processorQuota() ?? count))
    #else
      return max(1, count)
    #endif
  }

  /// Processors granted by a quota of `microseconds` per period, rounded up; nil if unlimited or unreadable.
  /// - Parameter text: `"quota period"`, as in cgroup v2's `cpu.max`, where a quota may be `max` (v1: `-1`).
  package static func processors(inQuota text: String) -> Int? {
    let words = text.split(whereSeparator: \.isWhitespace)
    guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]), quota > 0, period > 0 else {
      return nil
    }
    return (quota - 1) / period + 1
  }

  #if os(Linux)
    /// The least quota of this process's control group and those around it, cgroup v2 or v1.
    private static func processorQuota() -> Int? {
      var quotas: [Int] = []
      for line in contents(of: "/proc/self/cgroup").split(separator: "\n") {
        let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard fields.count == 3 else { continue }
        let isUnified = fields[0] == "0"
        guard isUnified || fields[1].split(separator: ",").contains("cpu") else { continue }
        // Inside a container the path may be the host's; its root is then what we see, and the walk ends there.
        var path = String(fields[2])
        while true {
          while path.hasSuffix("/") { path.removeLast() }
          if isUnified {
            quotas += [processors(inQuota: contents(of: "/sys/fs/cgroup\(path)/cpu.max"))].compactMap { $0 }
          } else {
            let folder = "/sys/fs/cgroup/cpu\(path)"
            let text = contents(of: folder + "/cpu.cfs_quota_us") + " " + contents(of: folder + "/cpu.cfs_period_us")
            quotas += [processors(inQuota: text)].compactMap { $0 }
          }
          guard let slash = path.lastIndex(of: "/") else { break }
          path = String(path[..<slash])
        }
      }
      return quotas.min()
    }

    /// A small text file; empty if it cannot be read.
    private static func contents(of path: String) -> String {
      guard let file = fopen(path, "r") else { return "" }
      defer { fclose(file) }
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = fread(&buffer, 1, buffer.count, file)
      return String(decoding: buffer[..<count], as: UTF8.self)
    }
  #endif
}
