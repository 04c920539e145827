import Foundation

/// Files that are written under a name of their own and then renamed.
public enum NewFile {
    /// Where the content of `path` is written before it gets its name: beside it, under a name that nobody can guess.
    public static func partialPath(of path: String) -> String { "\(path).\(UUID().uuidString).partial" }

    /// Makes a file that is not there yet. What somebody else put under the name, such as a link to another file, is never
    /// written to.
    ///
    /// - Returns: a handle for writing, closed with its last reference.
    /// - Throws: `FileError`, also if something is there already.
    public static func create(_ path: String, permissions: mode_t = 0o644) throws(FileError) -> FileHandle {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, permissions)
        guard descriptor >= 0 else {
            throw FileError(path: path, problem: .unreadable(String(cString: strerror(errno))))
        }
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }
}
