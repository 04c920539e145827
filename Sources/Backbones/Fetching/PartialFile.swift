import Escaping
import Files
import Foundation

/// The bytes that have arrived so far, `FILE.partial`, and what they are from, `FILE.partial.json`.
///
/// The file is opened without following links, locked, and stays open, so that what is written and what gets the final name
/// is the same file. One without a record of its origin is emptied, never continued.
final class PartialFile {
    /// What the bytes are from.
    struct Origin: Codable, Equatable {
        /// The address they were asked from.
        var address: String
        /// The `ETag` or `Last-Modified` they came with.
        var validator: String?
        /// The digest that the server stated for the complete file.
        var stated: String?
        /// The digest that the table has of the complete file.
        var published: String?

        /// The validator as it may be sent to a server.
        var sentValidator: String? { validator.flatMap { ResponseHeaders.isPlain($0) ? $0 : nil } }

        /// Whether bytes that `new` describes go on where these end. Without a published digest, which tells in the end,
        /// the server must state the same digest or validator; a `Last-Modified` may be missing in a part (RFC 9110).
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
    /// How many bytes there are.
    private(set) var bytes: Int
    /// Nil if the bytes cannot be continued.
    private(set) var origin: Origin?
    /// Whether the file was put together from several transfers, and not emptied since for that reason.
    var canRetry: Bool { wasContinued && !wasRetried }
    private var (wasContinued, wasRetried, isDiscarded) = (false, false, false)
    private var originPath: String { path + ".json" }

    /// Opens or creates the file.
    ///
    /// - Throws: `FetchError`.
    init(path: String) throws {
        self.path = path
        try Self.removeUnlessPlain(path)
        let flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
        let file = open(path, flags, 0o644)
        guard file >= 0 else { throw Self.failure(path) }
        var (opened, named) = (stat(), stat())
        guard fstat(file, &opened) == 0, opened.st_mode & S_IFMT == S_IFREG, opened.st_nlink <= 1 else {
            close(file)
            throw FetchError.unwritable(path, reason: "it is not a file of its own")
        }
        // Another process may have renamed or removed the file since it was opened.
        guard flock(file, LOCK_EX | LOCK_NB) == 0, lstat(path, &named) == 0, named.st_ino == opened.st_ino else {
            close(file)
            throw FetchError.busy(path)
        }
        (descriptor, bytes) = (file, 0)
        if fstat(file, &opened) == 0 { bytes = Int(opened.st_size) }
        let record = (try? RegularFile.contents(originPath, limit: 1 << 16)) ?? Data()
        origin = try? JSONDecoder().decode(Origin.self, from: record)
    }

    deinit { close(descriptor) }

    /// A link or special file is removed: following it would write to somebody else's file, or wait for ever.
    private static func removeUnlessPlain(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1, status.st_uid == geteuid() { return }
        guard unlink(path) == 0 else { throw failure(path) }
    }

    private static func failure(_ path: String) -> FetchError {
        .unwritable(path, reason: String(cString: strerror(errno)))
    }

    /// Whether the bytes may be continued: they have a published digest to compare with in the end, or they are from the
    /// same address and came with a validator or digest.
    func canContinue(from address: String, published: String?, below limit: Int) -> Bool {
        guard let origin, bytes > 0, bytes < limit else { return false }
        if published != nil, origin.published == published { return true }
        return origin.address == address && origin.published == published
            && (origin.sentValidator != nil || origin.stated != nil)
    }

    /// Empties the file.
    func restart() throws {
        origin = nil
        unlink(originPath)
        guard ftruncate(descriptor, 0) == 0 else { throw Self.failure(path) }
        bytes = 0
        wasRetried = wasContinued
    }

    /// Records what the bytes are from.
    func remember(_ origin: Origin) throws {
        if origin == self.origin { return }
        self.origin = origin
        let data = (try? JSONEncoder().encode(origin)) ?? Data()
        try Self.write(data, to: originPath)
    }

    /// Writes a small file anew, never through a link.
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

    /// Notes that the bytes to come are added to those that were there.
    func goOn() { wasContinued = true }

    /// Gives the file its final name.
    func finish(as name: String) throws {
        guard fsync(descriptor) == 0, rename(path, name) == 0 else { throw Self.failure(name) }
        unlink(originPath)
    }

    /// Removes the file.
    func discard() {
        if isDiscarded { return }
        isDiscarded = true
        unlink(path)
        unlink(originPath)
    }
}
