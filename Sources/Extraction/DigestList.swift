import Digests
import Escaping
import FeatureCache
import Files
import Foundation
import Video

/// Digests of a data set's clips in a text file, so that machines which share the work need not read every clip to
/// select theirs. Each line is digest, bytes, modification time in nanoseconds and path. A clip with another size or
/// time is read again.
package struct DigestList: Sendable {
    private var entries: [String: (digest: String, stamp: FileStamp)] = [:]

    package init() {}

    /// A missing file gives an empty list. Throws `DigestListError`.
    package init(path: String) throws {
        let text: String
        do throws(FileError) {
            text = try RegularFile.text(path)
        } catch {
            if error.problem == .missing { return }
            throw DigestListError.unreadable(path: path)
        }
        for (number, line) in text.splitBytes("\n").enumerated() {
            let parts = line.splitBytes(" ", maxSplits: 3)
            guard parts.count == 4, parts[0].count == 64, parts[0].allSatisfy(\.isHexDigit), let bytes = Int(parts[1]),
                let modified = Int(parts[2])
            else { throw DigestListError.malformed(path: path, line: number + 1) }
            entries[String(parts[3])] = (parts[0].lowercased(), FileStamp(bytes: bytes, modified: modified))
        }
    }

    /// The digest of a clip, if size and time are unchanged.
    func digest(of path: String, _ stamp: FileStamp) -> String? {
        entries[path].flatMap { $0.stamp.agrees(with: stamp) ? $0.digest : nil }
    }

    /// - `path`: relative to the data set's root.
    mutating func add(_ path: String, _ clip: HashedClip) { entries[path] = (clip.digest, clip.stamp) }

    /// Replaces the file atomically; lines are sorted by path. Throws `DigestListError`.
    package func write(to path: String) throws {
        let lines = entries.filter { !$0.key.utf8.contains(0x0A) }.sorted { $0.key < $1.key }.map { path, entry in
            "\(entry.digest) \(entry.stamp.bytes) \(entry.stamp.modified) \(path)\n"
        }
        do {
            try Data(lines.joined().utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch { throw DigestListError.unwritable(path: path, reason: error.localizedDescription) }
    }
}

/// A clip's digest, and the stamp of its files when it was read.
package struct HashedClip: Sendable, Equatable {
    /// SHA-256, hex.
    package let digest: String
    package let stamp: FileStamp

    init(digest: String, stamp: FileStamp) { (self.digest, self.stamp) = (digest, stamp) }

    /// Reads the clip, unless its digest is in the list. `path`: relative to `root`. `known`: digests of clips that
    /// need not be read. Throws `VideoError`; `.changed` if the file is modified meanwhile.
    package init(_ path: String, in root: String, known: DigestList = DigestList()) throws {
        let full = root + "/" + path
        stamp = try FileStamp(path: full)
        if let digest = known.digest(of: path, stamp) {
            self.digest = digest
            return
        }
        digest = try FileDigest.clip(path: full)
        if try FileStamp(path: full) != stamp { throw VideoError.changed(path: full) }
    }
}

package enum DigestListError: LocalizedError, Equatable {
    case unreadable(path: String)
    case malformed(path: String, line: Int)
    case unwritable(path: String, reason: String)

    package var errorDescription: String? {
        switch self {
        case .unreadable(let path):
            "The list of digests \(path) cannot be read. Write it with `zoetrope dataset PIPELINE --digests`."
        case .malformed(let path, let line):
            "\(path), line \(line): expected a digest, a size, a time and a path. Delete the file and write it again "
                + "with `zoetrope dataset PIPELINE --digests`."
        case .unwritable(let path, let reason): "Cannot write \(path): \(reason). Name another file with --digests."
        }
    }
}

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
