import Escaping
import Files
import Foundation

/// The bytes received so far, `FILE.partial`, and their origin, `FILE.partial.json`. The file is opened without
/// following links, locked, and kept open, so that the file that is written is the one that is renamed. A file without
/// a record of its origin is truncated, never continued.
final class PartialFile {
    struct Origin: Codable, Equatable {
        var address: String
        /// The response's `ETag` or `Last-Modified`.
        var validator: String?
        /// The server's digest of the complete file.
        var stated: String?
        /// The table's digest of the complete file.
        var published: String?

        /// The validator, if it is safe to send to a server.
        var sentValidator: String? { validator.flatMap { ResponseHeaders.isPlain($0) ? $0 : nil } }

        /// Whether the response `new` continues these bytes. Without a published digest for the final check, the server
        /// must send the same digest or validator; a `Last-Modified` may be missing in a partial response (RFC 9110).
        func isContinued(by new: Origin) -> Bool {
            let isSameDigest = stated == new.stated
            let isSameVersion =
                validator == new.validator || new.validator == nil && validator?.hasBytePrefix("\"") == false
            if published != nil, published == new.published {
                return (isSameDigest || stated == nil || new.stated == nil)
                    && (isSameVersion || validator == nil || new.validator == nil)
            }
            if let stated, let other = new.stated { return stated == other }
            return validator != nil && isSameVersion
        }
    }

    let path: String
    private let descriptor: Int32
    private(set) var bytes: Int
    /// Nil if the bytes cannot be continued.
    private(set) var origin: Origin?
    /// Whether the file was assembled from several transfers and has not been restarted for that reason.
    var canRetry: Bool { wasContinued && !wasRetried }
    private var (wasContinued, wasRetried, isDiscarded) = (false, false, false)
    private var originPath: String { path + ".json" }

    /// Opens or creates the file. Throws `FetchError`.
    init(path: String) throws {
        self.path = path
        try Self.removeUnlessPlain(path)
        let flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
        let file = open(path, flags, 0o644)
        guard file >= 0 else { throw Self.failure(path) }
        var (opened, named) = (stat(), stat())
        guard fstat(file, &opened) == 0, opened.st_mode & S_IFMT == S_IFREG, opened.st_nlink <= 1 else {
            close(file)
            throw FetchError.unwritable(path, reason: "it is not a regular file with a single link")
        }
        // Another process may have renamed or removed the file after it was opened.
        guard Self.lock(file), lstat(path, &named) == 0, named.st_ino == opened.st_ino else {
            close(file)
            throw FetchError.busy(path)
        }
        (descriptor, bytes) = (file, 0)
        if fstat(file, &opened) == 0 { bytes = Int(opened.st_size) }
        let record = (try? RegularFile.contents(originPath, limit: 1 << 16)) ?? Data()
        origin = try? JSONDecoder().decode(Origin.self, from: record)
    }

    deinit { close(descriptor) }

    /// Locks an open file. A process that is being started inherits locks until it runs its own program, so a held lock
    /// is tried again for a fifth of a second.
    private static func lock(_ file: Int32) -> Bool {
        for _ in 0..<20 {
            if flock(file, LOCK_EX | LOCK_NB) == 0 { return true }
            usleep(10_000)
        }
        return flock(file, LOCK_EX | LOCK_NB) == 0
    }

    /// Removes links and special files: opening them could write to another file or block.
    private static func removeUnlessPlain(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1, status.st_uid == geteuid() { return }
        guard unlink(path) == 0 else { throw failure(path) }
    }

    private static func failure(_ path: String) -> FetchError {
        .unwritable(path, reason: String(cString: strerror(errno)))
    }

    /// Whether the bytes can be continued: they have a published digest for the final check, or they are from the same
    /// URL with a validator or digest.
    func canContinue(from address: String, published: String?, below limit: Int) -> Bool {
        guard let origin, bytes > 0, bytes < limit else { return false }
        if published != nil, origin.published == published { return true }
        return origin.address == address && origin.published == published
            && (origin.sentValidator != nil || origin.stated != nil)
    }

    func restart() throws {
        origin = nil
        unlink(originPath)
        guard ftruncate(descriptor, 0) == 0 else { throw Self.failure(path) }
        bytes = 0
        wasRetried = wasContinued
    }

    func remember(_ origin: Origin) throws {
        if origin == self.origin { return }
        self.origin = origin
        let data = (try? JSONEncoder().encode(origin)) ?? Data()
        try Self.write(data, to: originPath)
    }

    /// Replaces a small file without following links.
    static func write(_ data: Data, to path: String) throws {
        unlink(path)
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw failure(path) }
        let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
        do { try handle.write(contentsOf: data) } catch { throw failure(path) }
    }

    func append(_ piece: UnsafeRawBufferPointer) throws {
        var rest = piece
        while !rest.isEmpty {
            let count = Foundation.write(descriptor, rest.baseAddress, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw Self.failure(path) }
            bytes += count
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// Records that further bytes are appended to existing ones.
    func markContinued() { wasContinued = true }

    func finish(as name: String) throws {
        guard fsync(descriptor) == 0, rename(path, name) == 0 else { throw Self.failure(name) }
        unlink(originPath)
    }

    func discard() {
        if isDiscarded { return }
        isDiscarded = true
        unlink(path)
        unlink(originPath)
    }
}
