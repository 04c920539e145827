import Foundation

/// The bytes of a file, read where they are asked for. Unlike a mapping it leaves no pages behind in memory,
/// and a file that is cut off meanwhile is an error, not a signal.
final class FileBytes: Sendable {
    let count: Int
    private let path: String
    private let descriptor: Int32

    /// - Throws: `WeightsError.unreadable`.
    init(path: String) throws {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw WeightsError.unreadable(file: path, reason: String(cString: strerror(errno)))
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw WeightsError.unreadable(file: path, reason: "it is not a file")
        }
        count = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// The bytes of a range inside the file. May be called from any thread.
    ///
    /// - Throws: `WeightsError.unreadable`, `WeightsError.tooLarge`.
    func read(_ range: Range<Int>) throws -> Data {
        try MemoryLimit.check(range.count, of: path)
        var data = Data(count: range.count)
        var done = 0
        while done < range.count {
            let read = data.withUnsafeMutableBytes { buffer in
                pread(descriptor, buffer.baseAddress! + done, range.count - done, off_t(range.lowerBound + done))
            }
            if read < 0 && errno == EINTR { continue }
            guard read > 0 else {
                let reason = read < 0 ? String(cString: strerror(errno)) : "it became shorter while it was read"
                throw WeightsError.unreadable(file: path, reason: reason)
            }
            done += read
        }
        return data
    }
}
