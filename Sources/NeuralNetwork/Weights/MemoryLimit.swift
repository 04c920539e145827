import Foundation

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

package enum ShapeLimits {
    package static let rank = 32
    /// Maximum elements of a tensor, and maximum product of its non-zero lengths.
    package static let elements = 1 << 48

    /// Returns the number of elements of a shape, or nil if a length is negative or a limit is exceeded. Lengths of 0
    /// count as 1 towards the limit, so that no partial product overflows in any order.
    package static func elements(of shape: some Collection<Int>) -> Int? {
        guard shape.count <= rank else { return nil }
        var (product, isEmpty) = (1, false)
        for length in shape {
            if length == 0 { isEmpty = true }
            let (next, overflows) = product.multipliedReportingOverflow(by: max(1, length))
            guard length >= 0, !overflows, next <= elements else { return nil }
            product = next
        }
        return isEmpty ? 0 : product
    }
}
