import Foundation

package enum OutputError: LocalizedError, Equatable {
    case empty(option: String), missingFolder(option: String, path: String, folder: String)
    /// Such as `a folder` in place of a file, or `a regular file` in place of a folder.
    case occupied(option: String, path: String, by: String)
    case notWritable(option: String, path: String, reason: String)

    package var errorDescription: String? {
        switch self {
        case .empty(let option):
            "\(option) is empty; perhaps a shell variable is not set. Name a file or folder, or leave it out."
        case .missingFolder(let option, let path, let folder):
            "\(option): \(path) cannot be written, since the folder \(folder) does not exist. Make it with `mkdir -p`, "
                + "or name another path."
        case .occupied(let option, let path, let what):
            "\(option): \(path) cannot be written, since it is \(what). Name another path; this one was not changed."
        case .notWritable(let option, let path, let reason):
            "\(option): \(path) cannot be written: \(reason). Name another path, or change its permissions."
        }
    }
}

/// Checks output paths before any work begins. Nothing is created.
package enum OutputPath {
    /// Checks that a regular file can be written at `path`, whose folder must exist; nil passes. `option`: the option
    /// on the command line, such as `--report`. Throws `OutputError`.
    package static func requireFile(_ path: String?, _ option: String) throws(OutputError) {
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

    /// Checks that files can be written into the folder `path`, which may not exist yet; nil passes. `option`: the
    /// option on the command line, such as `--runs`. Throws `OutputError`.
    package static func requireFolder(_ path: String?, _ option: String) throws(OutputError) {
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

    /// The folder of `path`; "." for a bare name. Foundation's `deletingLastPathComponent` traps for one character.
    package static func parent(of path: String) -> String {
        var parts = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        if !parts.isEmpty { parts.removeLast() }
        let isAbsolute = path.utf8.first == UInt8(ascii: "/")
        return parts.isEmpty ? (isAbsolute ? "/" : ".") : (isAbsolute ? "/" : "") + parts.joined(separator: "/")
    }

    /// The file type at `path`, such as `S_IFREG`; nil if nothing exists.
    private static func kind(of path: String, _ option: String) throws(OutputError) -> mode_t? {
        if path.utf8.contains(0) {
            throw .notWritable(option: option, path: path, reason: "its name holds a zero byte")
        }
        var status = stat()
        if stat(path, &status) == 0 { return status.st_mode & S_IFMT }
        // A path component that is a file is reported when that component is checked.
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
