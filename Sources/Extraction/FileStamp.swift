import FeatureCache
import Files
import Foundation
import Video

/// Size, modification time and inode of a clip's files, to detect changes.
package struct FileStamp: Sendable, Equatable {
    package var bytes: Int = 0
    /// Of the most recently modified file, in nanoseconds since 1970.
    package var modified: Int = 0
    /// Inode of the file or folder; 0 if unknown.
    package var inode: Int = 0

    /// Of a file, or of the images in a folder. Throws `VideoError`.
    package init(path: String) throws {
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

    /// Whether a file of the cache is unchanged.
    func agrees(with file: KnownFile) -> Bool {
        bytes == file.bytes && modified == file.modified && inode == file.inode
    }

    /// For the cache: nil if the file was modified less than two seconds before it was read, because a later change
    /// might alter neither size nor time, depending on the file system's clock resolution.
    func known(_ digest: String, readAt begin: Date) -> KnownFile? {
        guard modified < Int((begin.timeIntervalSince1970 - 2) * 1e9) else { return nil }
        return KnownFile(digest: digest, bytes: bytes, modified: modified, inode: inode)
    }

    /// Whether size and time are equal; a digest list has no inode.
    func agrees(with other: FileStamp) -> Bool { bytes == other.bytes && modified == other.modified }

    private mutating func add(_ status: stat) {
        // Wrapping addition, since sparse files can overflow the sum.
        bytes &+= Int(status.st_size)
        modified = max(modified, status.modified)
    }
}
