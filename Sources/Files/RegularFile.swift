import Foundation

package struct FileError: LocalizedError, Equatable {
    package enum Problem: Equatable, Sendable {
        case missing
        /// Such as `a named pipe` or `a folder`.
        case notRegular(String)
        /// The system's error.
        case unreadable(String)
        /// Size and maximum size in bytes.
        case tooLarge(Int, limit: Int)
    }

    package let path: String
    package let problem: Problem

    package init(path: String, problem: Problem) { (self.path, self.problem) = (path, problem) }

    /// The problem without the path, such as `it is a named pipe, not a regular file`.
    package var reason: String {
        switch problem {
        case .missing: "it does not exist"
        case .notRegular(let kind): "it is \(kind), not a regular file"
        case .unreadable(let reason): reason
        case .tooLarge(let bytes, let limit): "it has \(bytes) bytes; the limit is \(limit)"
        }
    }

    package var errorDescription: String? { "\(path) cannot be read: \(reason). Name a readable regular file." }
}

/// Opens regular files only. Named pipes, sockets and devices are rejected immediately: opening a pipe would block
/// until there is a writer, and reading `/dev/zero` never ends.
package enum RegularFile {
    /// Returns a descriptor for reading, which the caller closes. Throws `FileError`.
    package static func open(_ path: String) throws(FileError) -> (descriptor: Int32, bytes: Int) {
        if path.utf8.contains(0) { throw FileError(path: path, problem: .missing) }
        // O_NONBLOCK prevents the open from waiting for a pipe's writer; it has no effect on regular files.
        let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        var status = stat()
        guard descriptor >= 0 else {
            let code = errno
            // A socket cannot be opened, and the system's error does not say that it is one.
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

    /// Checks that `path` is a regular file or does not exist. Does not open it: closing another descriptor of an
    /// SQLite file would release this process's locks on it. Throws `FileError`.
    package static func checkUnopened(_ path: String) throws(FileError) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT != S_IFREG {
            throw FileError(path: path, problem: .notRegular(kind(status.st_mode)))
        }
        // Some files of /proc claim to be regular, and reading them blocks.
        var system = stat()
        if stat("/proc", &system) == 0, system.st_dev == status.st_dev, stat("/", &system) == 0,
            system.st_dev != status.st_dev
        {
            throw FileError(path: path, problem: .notRegular("a file of the system"))
        }
    }

    /// Reads the whole file. `limit`: maximum size in bytes. Throws `FileError`.
    package static func contents(_ path: String, limit: Int = 1 << 30) throws(FileError) -> Data {
        let (descriptor, bytes) = try open(path)
        defer { close(descriptor) }
        guard bytes <= limit else { throw FileError(path: path, problem: .tooLarge(bytes, limit: limit)) }
        // Files of /proc and /sys are larger than their stated size, so they are read to the end.
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
            guard data.count <= limit else { throw FileError(path: path, problem: .tooLarge(data.count, limit: limit)) }
        }
    }

    /// Reads a file that belongs to this process's user or to root. Throws `FileError`.
    package static func owned(_ path: String, limit: Int = 1 << 30) throws(FileError) -> Data {
        try checkOwner(path)
        return try contents(path, limit: limit)
    }

    /// Checks that a file belongs to this process's user or to root and that nobody else may write to it.
    package static func checkOwner(_ path: String) throws(FileError) {
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

    /// Reads the whole file as UTF-8. Throws `FileError`.
    package static func text(_ path: String, limit: Int = 1 << 30) throws(FileError) -> String {
        guard let text = String(validating: try contents(path, limit: limit), as: UTF8.self) else {
            throw FileError(path: path, problem: .unreadable("it is not UTF-8 text"))
        }
        return text
    }

    /// Reads the first bytes, at most `count`. Throws `FileError`.
    package static func start(of path: String, count: Int) throws(FileError) -> Data {
        let handle = FileHandle(fileDescriptor: try open(path).descriptor, closeOnDealloc: true)
        return (try? handle.read(upToCount: count)) ?? Data()
    }

    /// Maps the file into memory. Throws `FileError`.
    package static func mapped(_ path: String) throws(FileError) -> Data {
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

/// Files that are written under a temporary name and then renamed.
package enum NewFile {
    /// A temporary path beside `path` with an unpredictable name.
    package static func partialPath(of path: String) -> String { "\(path).\(UUID().uuidString).partial" }

    /// Creates a file that does not exist yet; an existing file or link is never written to. Returns a handle for
    /// writing, closed with its last reference. Throws `FileError`, also if the path exists.
    package static func create(_ path: String, permissions: mode_t = 0o644) throws(FileError) -> FileHandle {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, permissions)
        guard descriptor >= 0 else {
            throw FileError(path: path, problem: .unreadable(String(cString: strerror(errno))))
        }
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }
}

extension stat {
    /// The modification time in nanoseconds since 1970; wraps, since damaged times can overflow it.
    package var modified: Int {
        #if canImport(Darwin)
            let time = st_mtimespec
        #else
            let time = st_mtim
        #endif
        return Int(time.tv_sec) &* 1_000_000_000 &+ Int(time.tv_nsec)
    }
}
