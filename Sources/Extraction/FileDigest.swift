import Digests
import FeatureCache
import Foundation
import Video

/// SHA-256 of a clip's content, independent of its name.
package enum FileDigest {
    /// Of a file's bytes; for a folder of images, of their names and bytes in frame order. Throws `VideoError` if it is
    /// missing or unreadable.
    package static func clip(path: String) throws -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw VideoError.missing(path: path)
        }
        guard isFolder.boolValue else { return try sha256(path: path) }
        var hash = Digest()
        let contents = try ImageFolderContents(path)
        guard contents.hasImages else { throw VideoError.noImages(path: path, holds: contents.summary) }
        for name in contents.images {
            hash.update(Data(name.utf8))
            hash.update(Data([0]))
            hash.update(Data(try sha256(path: path + "/" + name).utf8))
        }
        return hash.hex()
    }

    static func sha256(path: String) throws -> String {
        do throws(DigestError) {
            return try Digest.file(path)
        } catch {
            throw VideoError.unreadable(path: path, reason: error.reason)
        }
    }
}
