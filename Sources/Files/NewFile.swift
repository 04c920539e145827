import Foundation

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
