import Foundation
import Video

/// Size, time and number of a clip's files: whether it is still the one that was read.
public struct FileStamp: Sendable, Equatable {
    /// Of all its files.
    public var bytes: Int = 0
    /// Of the file that was changed last, in nanoseconds since 1970.
    public var modified: Int = 0
    /// The file system's number for the file or folder; 0 where it is unknown.
    public var inode: Int = 0

    /// Of a file, or of the images in a folder.
    ///
    /// - Throws: `VideoError`.
    public init(path: String) throws {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw errno == ENOENT
                ? VideoError.missing(path: path)
                : VideoError.unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        add(status)
        inode = Int(truncatingIfNeeded: status.st_ino)
        guard status.st_mode & S_IFMT == S_IFDIR else { return }
        for image in try ImageFolder.images(in: path) where stat(image, &status) == 0 { add(status) }
    }

    init(bytes: Int, modified: Int) { (self.bytes, self.modified) = (bytes, modified) }

    /// Whether size and time are the same, as far as a list of digests knows them.
    func agrees(with other: FileStamp) -> Bool { bytes == other.bytes && modified == other.modified }

    private mutating func add(_ status: stat) {
        #if canImport(Darwin)
            let time = status.st_mtimespec
        #else
            let time = status.st_mtim
        #endif
        // Sparse files, and times far from now, may be larger than the sum can hold.
        bytes &+= Int(status.st_size)
        modified = max(modified, Int(time.tv_sec) &* 1_000_000_000 &+ Int(time.tv_nsec))
    }
}
