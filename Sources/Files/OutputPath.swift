import Foundation

/// Why nothing can be written where a user asked for it.
public enum OutputError: LocalizedError, Equatable {
    case empty(option: String)
    case missingFolder(option: String, path: String, folder: String)
    /// Such as `a folder` where a file is to be, or `a regular file` where a folder is to be.
    case occupied(option: String, path: String, by: String)
    /// The system's reason.
    case notWritable(option: String, path: String, reason: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .empty(let option):
            "\(option) is empty, as a variable of the shell is that was never set. Name a file or folder, or leave it out."
        case .missingFolder(let option, let path, let folder):
            "\(option): \(path) cannot be written, for there is no folder \(folder). Make it with `mkdir -p`, or name another place."
        case .occupied(let option, let path, let what):
            "\(option): \(path) cannot be written, for it is \(what). Name another place; this one is untouched."
        case .notWritable(let option, let path, let reason):
            "\(option): \(path) cannot be written: \(reason). Name another place, or change who may write there."
        }
    }
}

/// Checks that are made before any work: whether its result can be written where it is to go. Nothing is created.
public enum OutputPath {
    /// Throws unless a regular file can be written at `path`; nil is fine. Its folder must be there.
    ///
    /// - Parameter option: what the user typed in front of it, such as `--report`.
    /// - Throws: `OutputError`.
    public static func requireFile(_ path: String?, _ option: String) throws(OutputError) {
        guard let path else { return }
        if path.isEmpty { throw .empty(option: option) }
        if let kind = try kind(of: path, option) {
            if kind != S_IFREG { throw .occupied(option: option, path: path, by: RegularFile.kind(kind)) }
        } else if path.utf8.last == UInt8(ascii: "/") {
            throw .occupied(option: option, path: path, by: "the name of a folder")
        }
        let folder = parent(of: path)
        switch try kind(of: folder, option) {
        case S_IFDIR?: try requireAccess(to: folder, for: path, option)
        case nil: throw .missingFolder(option: option, path: path, folder: folder)
        case _?: throw .notWritable(option: option, path: path, reason: "\(folder) is not a folder")
        }
    }

    /// Throws unless files can be written into a folder `path`, which may have to be made first; nil is fine.
    ///
    /// - Parameter option: what the user typed in front of it, such as `--runs`.
    /// - Throws: `OutputError`.
    public static func requireFolder(_ path: String?, _ option: String) throws(OutputError) {
        guard let path else { return }
        if path.isEmpty { throw .empty(option: option) }
        var folder = path
        while true {
            switch try kind(of: folder, option) {
            case S_IFDIR?: return try requireAccess(to: folder, for: path, option)
            case let kind?:
                throw folder == path
                    ? .occupied(option: option, path: path, by: RegularFile.kind(kind))
                    : .notWritable(option: option, path: path, reason: "\(folder) is not a folder")
            case nil:
                let above = parent(of: folder)
                if above == folder { throw .missingFolder(option: option, path: path, folder: folder) }
                folder = above
            }
        }
    }

    /// The folder that holds `path`; "." for a bare name. Foundation's `deletingLastPathComponent` ends the program for a name of
    /// one character.
    public static func parent(of path: String) -> String {
        var parts = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        if !parts.isEmpty { parts.removeLast() }
        let isAbsolute = path.utf8.first == UInt8(ascii: "/")
        return parts.isEmpty ? (isAbsolute ? "/" : ".") : (isAbsolute ? "/" : "") + parts.joined(separator: "/")
    }

    /// The kind of what is at `path`, such as `S_IFREG`; nil if nothing is there.
    private static func kind(of path: String, _ option: String) throws(OutputError) -> mode_t? {
        if path.utf8.contains(0) {
            throw .notWritable(option: option, path: path, reason: "its name holds a zero byte")
        }
        var status = stat()
        if stat(path, &status) == 0 { return status.st_mode & S_IFMT }
        // A part of the path that is a file is found when that part is looked at.
        guard errno == ENOENT || errno == ENOTDIR else {
            throw .notWritable(option: option, path: path, reason: String(cString: strerror(errno)))
        }
        return nil
    }

    private static func requireAccess(to folder: String, for path: String, _ option: String) throws(OutputError) {
        guard access(folder, W_OK | X_OK) == 0 else {
            throw .notWritable(option: option, path: path, reason: "\(folder): " + String(cString: strerror(errno)))
        }
    }
}
