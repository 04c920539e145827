import Crypto
import FeatureCache
import Foundation
import Video

/// SHA-256 of what a clip holds, so that renaming or moving it changes nothing.
public enum FileDigest {
    private static let chunk = 1 << 20

    /// Of a file's bytes; for a folder of images, of their names and bytes in frame order.
    ///
    /// - Throws: `VideoError` where it is missing or unreadable.
    public static func clip(path: String) throws -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw VideoError.missing(path: path)
        }
        guard isFolder.boolValue else { return try sha256(path: path) }
        var hash = SHA256()
        for image in try ImageFolder.images(in: path) {
            hash.update(data: Data((image as NSString).lastPathComponent.utf8))
            hash.update(data: Data([0]))
            hash.update(data: Data(try sha256(path: image).utf8))
        }
        return hash.finalize().map { String(format: "%02x", $0) }.joined()
    }

    /// Of a file's bytes, read in pieces.
    static func sha256(path: String) throws -> String {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw VideoError.unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        defer { try? file.close() }
        var hash = SHA256()
        do {
            while let piece = try file.read(upToCount: chunk), !piece.isEmpty { hash.update(data: piece) }
        } catch {
            throw VideoError.unreadable(path: path, reason: error.localizedDescription)
        }
        return hash.finalize().map { String(format: "%02x", $0) }.joined()
    }
}
