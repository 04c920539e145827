import Files
import Foundation

/// Random access to the bytes of a file. Unlike a memory map it leaves no resident pages, and a file that is truncated
/// meanwhile causes an error rather than SIGBUS.
final class FileBytes: Sendable {
    let count: Int
    private let path: String
    private let descriptor: Int32

    /// - Throws: `WeightsError.unreadable`, also for a named pipe, a device or a folder.
    init(path: String) throws {
        self.path = path
        do {
            (descriptor, count) = try RegularFile.open(path)
        } catch { throw WeightsError.unreadable(file: path, reason: error.reason) }
    }

    deinit { close(descriptor) }

    /// Calls `body` with the open descriptor, which must stay open with its position unchanged.
    func withDescriptor<Result>(_ body: (Int32) throws -> Result) rethrows -> Result { try body(descriptor) }

    /// The bytes of a range inside the file. May be called from any thread.
    func read(_ range: Range<Int>) throws -> Data {
        try MemoryLimit.check(range.count, of: path)
        var data = Data(count: range.count)
        var done = 0
        while done < range.count {
            let read = data.withUnsafeMutableBytes { buffer -> Int in
                guard let start = buffer.baseAddress else { return 0 }
                return pread(descriptor, start + done, range.count - done, off_t(range.lowerBound + done))
            }
            if read < 0 && errno == EINTR { continue }
            guard read > 0 else {
                let reason = read < 0 ? String(cString: strerror(errno)) : "it was truncated while it was read"
                throw WeightsError.unreadable(file: path, reason: reason)
            }
            done += read
        }
        return data
    }
}
