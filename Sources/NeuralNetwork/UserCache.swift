import Escaping
import Files
import Foundation

/// Where the program keeps what it would otherwise find out again.
public enum UserCache {
    /// `zoetrope` in `XDG_CACHE_HOME`, or in `~/.cache`; need not exist.
    public static var folder: String {
        let given = ProcessInfo.processInfo.environment["XDG_CACHE_HOME"] ?? ""
        return (given.hasBytePrefix("/") ? given : NSHomeDirectory() + "/.cache") + "/zoetrope"
    }

    /// A file of the cache; nil if it is missing, no regular file or another user's.
    public static func contents(_ path: String) -> Data? { try? RegularFile.owned(path, limit: 256 << 20) }

    /// Writes a file of the cache whole or not at all, in a folder that only the user may enter. Without effect if that is
    /// impossible: what it holds is then found again.
    public static func write(_ data: Data, to path: String) {
        let folder = OutputPath.parent(of: path)
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        chmod(folder, 0o700)
        try? data.write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// As `write`, and removes all but the `count` newest files of the folder.
    public static func write(_ data: Data, to path: String, keeping count: Int) {
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
