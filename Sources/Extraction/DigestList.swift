import Datasets
import Escaping
import Files
import Foundation
import Video

/// Digests of a dataset's clips in a text file, so that many machines need not read every clip to learn which are
/// theirs. A line is digest, bytes, time in nanoseconds, path; a clip of another size or time is read anew.
public struct DigestList: Sendable {
    private var entries: [String: (digest: String, stamp: FileStamp)] = [:]

    /// Knows nothing.
    public init() {}

    /// Where the file is missing, the list is empty.
    ///
    /// - Throws: `DigestListError`.
    public init(path: String) throws {
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

    /// The digest of a clip that is still as it was.
    func digest(of path: String, _ stamp: FileStamp) -> String? {
        entries[path].flatMap { $0.stamp.agrees(with: stamp) ? $0.digest : nil }
    }

    /// - Parameter path: relative to the dataset's root.
    mutating func add(_ path: String, _ clip: HashedClip) { entries[path] = (clip.digest, clip.stamp) }

    /// Replaces the file in one step; lines are sorted by path.
    ///
    /// - Throws: `DigestListError`.
    public func write(to path: String) throws {
        let lines = entries.filter { !$0.key.utf8.contains(0x0A) }.sorted { $0.key < $1.key }.map { path, entry in
            "\(entry.digest) \(entry.stamp.bytes) \(entry.stamp.modified) \(path)\n"
        }
        do {
            try Data(lines.joined().utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch { throw DigestListError.unwritable(path: path, reason: error.localizedDescription) }
    }
}

/// What a clip holds, and what its files looked like when it was read.
public struct HashedClip: Sendable, Equatable {
    /// SHA-256, hex.
    public let digest: String
    /// Before it was read.
    public let stamp: FileStamp

    init(digest: String, stamp: FileStamp) { (self.digest, self.stamp) = (digest, stamp) }

    /// Reads the clip, unless the list knows it.
    ///
    /// - `path`: relative to `root`.
    /// - `known`: digests of clips that need not be read.
    /// - Throws: `VideoError`; `.changed` where somebody writes to it meanwhile.
    public init(_ path: String, in root: String, known: DigestList = DigestList()) throws {
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

/// Why a list of digests cannot be used.
public enum DigestListError: LocalizedError, Equatable {
    case unreadable(path: String)
    case malformed(path: String, line: Int)
    case unwritable(path: String, reason: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .unreadable(let path):
            "The list of digests \(path) cannot be read. Write it with `zoetrope dataset PIPELINE --digests`."
        case .malformed(let path, let line):
            "\(path), line \(line): not a digest, bytes, a time and a path. Delete the file and write it again with "
                + "`zoetrope dataset PIPELINE --digests`."
        case .unwritable(let path, let reason): "Cannot write \(path): \(reason). Name another file with --digests."
        }
    }
}
