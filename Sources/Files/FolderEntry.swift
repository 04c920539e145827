import Foundation

/// A visible entry of a folder from readdir(3), whose name is bytes that need not be UTF-8.
package struct FolderEntry: Sendable, Equatable {
    /// The type of an entry; symbolic links are followed.
    package enum Kind: Sendable, Equatable {
        case file, folder
        /// A special file such as `a named pipe`.
        case special(String)
        /// A broken link, or a file that cannot be accessed, with the system's error.
        case unreachable(String)
    }

    /// The name; bytes that are not UTF-8 are shown as `\xE9`, so that no file can be opened with it.
    package let name: String
    package let isUTF8: Bool
    package let kind: Kind
    package let isLink: Bool

    /// The entries of a folder in file-system order, without `isIgnored` ones. Throws `FileError`.
    package static func entries(of path: String) throws(FileError) -> [FolderEntry] {
        guard !path.utf8.contains(0), let folder = opendir(path) else {
            let reason: FileError.Problem = path.utf8.contains(0) ? .missing : RegularFile.problem(errno)
            throw FileError(path: path, problem: reason)
        }
        defer { closedir(folder) }
        var entries: [FolderEntry] = []
        while true {
            errno = 0
            guard let next = readdir(folder) else {
                if errno != 0 { throw FileError(path: path, problem: RegularFile.problem(errno)) }
                return entries
            }
            if let entry = FolderEntry(next, in: folder) { entries.append(entry) }
        }
    }

    /// Nil if it is ignored.
    private init?(_ entry: UnsafeMutablePointer<dirent>, in folder: OpaquePointer) {
        // Some file systems have longer names than the array in `dirent`.
        guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { return nil }
        let start = UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: CChar.self)
        let bytes = UnsafeRawBufferPointer(start: start, count: strlen(start))
        if let text = String(validating: bytes, as: UTF8.self) {
            (name, isUTF8) = (text, true)
        } else {
            (name, isUTF8) = (Self.escaped(bytes), false)
        }
        if Self.isIgnored(name) { return nil }
        let type = Int(entry.pointee.d_type)
        isLink = type == Int(DT_LNK)
        switch type {
        case Int(DT_REG): kind = .file
        case Int(DT_DIR): kind = .folder
        default: kind = Self.kind(of: start, in: folder)
        }
    }

    private static func kind(of name: UnsafePointer<CChar>, in folder: OpaquePointer) -> Kind {
        var status = stat()
        guard fstatat(dirfd(folder), name, &status, 0) == 0 else {
            return .unreachable(String(cString: strerror(errno)))
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .folder
        default: return .special(RegularFile.kind(status.st_mode))
        }
    }

    /// The text with non-ASCII bytes as `\xE9`.
    private static func escaped(_ bytes: UnsafeRawBufferPointer) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        return String(
            decoding: bytes.flatMap { byte in
                byte < 0x80 ? [byte] : Array("\\x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }, as: UTF8.self)
    }

    /// Names of files that file managers and systems create.
    private static let ignored: Set<String> = [
        "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "lost+found", "@eadir", "$recycle.bin",
        "system volume information",
    ]

    /// Whether a name is hidden (begins with a dot), or that of a system file such as `Thumbs.db`.
    package static func isIgnored(_ name: String) -> Bool {
        name.utf8.first == UInt8(ascii: ".") || ignored.contains(name.lowercased())
    }
}
