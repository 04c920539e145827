import Escaping
import Files
import Foundation

/// Files in the user's cache folder, which can be recomputed if they are lost.
package enum UserCache {
    /// `zoetrope` in `XDG_CACHE_HOME`, or in `~/.cache`; it need not exist.
    package static var folder: String {
        let given = ProcessInfo.processInfo.environment["XDG_CACHE_HOME"] ?? ""
        return (given.hasBytePrefix("/") ? given : NSHomeDirectory() + "/.cache") + "/zoetrope"
    }

    /// Returns a file of the cache, or nil if it is missing, not a regular file, or owned by another user.
    package static func contents(_ path: String) -> Data? { try? RegularFile.owned(path, limit: 256 << 20) }

    /// Writes a file atomically into a folder of the user alone. Ignores failures: the content can be recomputed.
    package static func write(_ data: Data, to path: String) {
        let folder = OutputPath.parent(of: path)
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        chmod(folder, 0o700)
        try? data.write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// As `write`, then removes all but the `count` newest files of the folder.
    package static func write(_ data: Data, to path: String, keeping count: Int) {
        write(data, to: path)
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        let key = URLResourceKey.contentModificationDateKey
        let files = try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: [key])
        guard let files, files.count > count else { return }
        let dates = files.map { (file: $0, date: (try? $0.resourceValues(forKeys: [key]))?.contentModificationDate) }
        let oldest = dates.sorted { ($0.date ?? .distantPast) < ($1.date ?? .distantPast) }
        for (file, _) in oldest.prefix(files.count - count) { try? FileManager.default.removeItem(at: file) }
    }
}
