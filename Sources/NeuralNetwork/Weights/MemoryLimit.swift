import Foundation

/// Memory available to this process.
package enum MemoryLimit {
    /// Physical memory in bytes, or the limit of the process or its container if that is lower.
    package static let bytes: Int = {
        var limits = [Int(clamping: ProcessInfo.processInfo.physicalMemory)]
        #if os(Linux)
            let resources = [RLIMIT_AS, RLIMIT_DATA].map { __rlimit_resource_t($0.rawValue) }
        #else
            let resources = [RLIMIT_AS, RLIMIT_DATA]
        #endif
        for resource in resources {
            var limit = rlimit()
            if getrlimit(resource, &limit) == 0 { limits.append(Int(clamping: limit.rlim_cur)) }
        }
        for file in ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"] {
            let text = try? String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(
                in: .whitespacesAndNewlines)
            if let limit = text.flatMap(Int.init) { limits.append(limit) }
        }
        return limits.min() ?? .max
    }()

    /// - Throws: `WeightsError.tooLarge` if `count` bytes of a file would not leave room to work on them.
    package static func check(_ count: Int, of file: String) throws {
        if count > bytes / 4 * 3 { throw WeightsError.tooLarge(file: file, bytes: count, memory: bytes) }
    }
}
