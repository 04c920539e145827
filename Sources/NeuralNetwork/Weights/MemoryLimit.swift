import Foundation

/// How much memory this process may take.
package enum MemoryLimit {
    /// The machine's, or less where the process or its container was given less; in bytes.
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

    /// - Throws: `WeightsError.tooLarge` where `count` bytes of a file would not leave room for working on them.
    package static func check(_ count: Int, of file: String) throws {
        if count > bytes / 4 * 3 { throw WeightsError.tooLarge(file: file, bytes: count, memory: bytes) }
    }
}
