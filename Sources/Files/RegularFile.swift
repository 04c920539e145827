import Foundation

/// Why a file was not read.
public struct FileError: LocalizedError, Equatable {
    /// What is wrong with it.
    public enum Problem: Equatable, Sendable {
        case missing
        /// Such as `a named pipe` or `a folder`.
        case notRegular(String)
        /// The system's reason.
        case unreadable(String)
        /// Bytes that it has, and the most that it may have.
        case tooLarge(Int, limit: Int)
    }

    /// The file.
    public let path: String
    /// What is wrong with it.
    public let problem: Problem

    package init(path: String, problem: Problem) { (self.path, self.problem) = (path, problem) }

    /// What is wrong, without the path, such as `it is a named pipe, not a regular file`.
    public var reason: String {
        switch problem {
        case .missing: "it does not exist"
        case .notRegular(let kind): "it is \(kind), not a regular file"
        case .unreadable(let reason): reason
        case .tooLarge(let bytes, let limit): "it has \(bytes) bytes, the most that is read is \(limit)"
        }
    }

    /// What happened, where, and what to do about it.
    public var errorDescription: String? { "\(path) cannot be read: \(reason). Name a regular file that may be read." }
}

/// Opens regular files and nothing else. A named pipe, socket or device is an error at once: opening a pipe would wait for
/// a writer for ever, and reading `/dev/zero` never ends.
public enum RegularFile {
    /// - Returns: a descriptor for reading, which the caller closes.
    /// - Throws: `FileError`.
    public static func open(_ path: String) throws(FileError) -> (descriptor: Int32, bytes: Int) {
        if path.utf8.contains(0) { throw FileError(path: path, problem: .missing) }
        // O_NONBLOCK: the open itself must not wait for a pipe's writer. Reading a regular file ignores it.
        let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        var status = stat()
        guard descriptor >= 0 else {
            let code = errno
            // A socket cannot be opened at all, and the system's reason does not name it.
            let isSocket = code == ENXIO && stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
            throw FileError(path: path, problem: isSocket ? .notRegular(kind(status.st_mode)) : problem(code))
        }
        guard fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw FileError(path: path, problem: problem(code))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw FileError(path: path, problem: .notRegular(kind(status.st_mode)))
        }
        return (descriptor, Int(status.st_size))
    }

    /// Throws unless `path` is a regular file that can be opened for reading.
    ///
    /// - Throws: `FileError`.
    public static func check(_ path: String) throws(FileError) { close(try open(path).descriptor) }

    /// Throws if something other than a regular file is at `path`; nothing at all is fine. Opens nothing: closing a second
    /// descriptor of a SQLite file would release the locks that this process has on it.
    ///
    /// - Throws: `FileError`.
    public static func checkUnopened(_ path: String) throws(FileError) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT != S_IFREG {
            throw FileError(path: path, problem: .notRegular(kind(status.st_mode)))
        }
        // Some files of /proc say that they are regular, and a reader of them waits for ever.
        var system = stat()
        if stat("/proc", &system) == 0, system.st_dev == status.st_dev, stat("/", &system) == 0,
            system.st_dev != status.st_dev
        {
            throw FileError(path: path, problem: .notRegular("a file of the system"))
        }
    }

    /// The whole content.
    ///
    /// - Parameter limit: the most bytes that are read.
    /// - Throws: `FileError`.
    public static func contents(_ path: String, limit: Int = 1 << 30) throws(FileError) -> Data {
        let (descriptor, bytes) = try open(path)
        defer { close(descriptor) }
        guard bytes <= limit else { throw FileError(path: path, problem: .tooLarge(bytes, limit: limit)) }
        // Files of /proc and /sys have more bytes than they say, so it is read to the end.
        var data = Data()
        data.reserveCapacity(bytes)
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
        defer { piece.deallocate() }
        while true {
            let count = read(descriptor, piece.baseAddress, piece.count)
            if count == 0 { return data }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw FileError(path: path, problem: problem(errno)) }
            data.append(contentsOf: UnsafeRawBufferPointer(rebasing: piece[..<count]))
            guard data.count <= limit else {
                throw FileError(path: path, problem: .tooLarge(data.count, limit: limit))
            }
        }
    }

    /// The whole content of a file that belongs to this process's user, or to root.
    ///
    /// - Throws: `FileError`.
    public static func owned(_ path: String, limit: Int = 1 << 30) throws(FileError) -> Data {
        try checkOwner(path)
        return try contents(path, limit: limit)
    }

    /// Throws unless a file belongs to this process's user or to root and nobody else may write to it.
    ///
    /// - Throws: `FileError`.
    public static func checkOwner(_ path: String) throws(FileError) {
        let descriptor = try open(path).descriptor
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError(path: path, problem: problem(errno)) }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw FileError(path: path, problem: .unreadable("it belongs to another user"))
        }
        guard status.st_mode & S_IWOTH == 0 else {
            throw FileError(path: path, problem: .unreadable("every user may write to it"))
        }
    }

    /// The whole content as UTF-8 text.
    ///
    /// - Throws: `FileError`.
    public static func text(_ path: String, limit: Int = 1 << 30) throws(FileError) -> String {
        guard let text = String(validating: try contents(path, limit: limit), as: UTF8.self) else {
            throw FileError(path: path, problem: .unreadable("it is not UTF-8 text"))
        }
        return text
    }

    /// The first bytes, at most `count`.
    ///
    /// - Throws: `FileError`.
    public static func start(of path: String, count: Int) throws(FileError) -> Data {
        let handle = FileHandle(fileDescriptor: try open(path).descriptor, closeOnDealloc: true)
        return (try? handle.read(upToCount: count)) ?? Data()
    }

    /// The content mapped into memory, read when it is touched.
    ///
    /// - Throws: `FileError`.
    public static func mapped(_ path: String) throws(FileError) -> Data {
        let (descriptor, bytes) = try open(path)
        defer { close(descriptor) }
        guard bytes > 0 else { return Data() }
        guard let start = mmap(nil, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
            throw FileError(path: path, problem: problem(errno))
        }
        return Data(bytesNoCopy: start, count: bytes, deallocator: .custom { munmap($0, $1) })
    }

    static func problem(_ code: Int32) -> FileError.Problem {
        code == ENOENT || code == ENOTDIR ? .missing : .unreadable(String(cString: strerror(code)))
    }

    static func kind(_ mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFREG: "a regular file"
        case S_IFDIR: "a folder"
        case S_IFIFO: "a named pipe"
        case S_IFSOCK: "a socket"
        case S_IFCHR, S_IFBLK: "a device"
        default: "a special file"
        }
    }
}
