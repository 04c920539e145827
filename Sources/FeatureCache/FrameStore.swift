import Foundation
import GRDB

/// Decoded frames of clips in an SQLite file, so that fine-tuning decodes each video once: 8-bit RGB at the network's
/// input size, one row per clip. Thread-safe.
package final class FrameStore: Sendable {
    package let path: String
    private let database: DatabaseQueue

    package init(path: String) throws {
        self.path = path
        try CacheConnection.requireRegular(path)
        let configuration = CacheConnection.configuration()
        database = try CacheError.translating(path) {
            let queue = try CacheConnection.open(path, configuration)
            if try queue.read({ try $0.tableExists("clip") }) { try queue.read { try Self.check($0, path: path) } }
            try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = WAL") }
            try queue.write { database in
                try database.run(
                    """
                    CREATE TABLE IF NOT EXISTS clip (   -- frames of one video as one pipeline wants them
                      key TEXT PRIMARY KEY,             -- the video's digest, sampling and size
                      frames INTEGER NOT NULL, pixels BLOB NOT NULL) WITHOUT ROWID
                    """)
            }
            return queue
        }
    }

    /// Checks that `clip` is a plain table and that nothing else is defined. Throws `CacheError`.
    private static func check(_ database: Database, path: String) throws {
        let types = try String.all(
            database, "SELECT type || ' ' || name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        if types != ["table clip"] { throw CacheError.foreignSchema(path: path, what: types.joined(separator: ", ")) }
    }

    package func present(_ keys: [String]) throws -> Set<String> {
        try CacheError.translating(path) {
            try database.read { database in
                let statement = try database.makeStatement(sql: "SELECT key FROM clip WHERE key = ?")
                return Set(try keys.compactMap { try String.fetchOne(statement, arguments: [$0]) })
            }
        }
    }

    /// Stores a clip. `frames`: `[row, column, 3]` each, of one size. Throws `CacheError` with nothing of it stored.
    package func store(_ frames: [[UInt8]], key: String) throws {
        var pixels = Data()
        for frame in frames { pixels.append(contentsOf: frame) }
        let all = pixels
        try CacheError.translating(path) {
            try database.write {
                try $0.execute(
                    sql: "INSERT OR REPLACE INTO clip VALUES (?, ?, ?)", arguments: [key, frames.count, all])
            }
        }
    }

    package func counts(_ keys: [String]) throws -> [String: Int] {
        try CacheError.translating(path) {
            try database.read { database in
                let statement = try database.makeStatement(sql: "SELECT frames FROM clip WHERE key = ?")
                return try keys.reduce(into: [:]) { $0[$1] = try Int.fetchOne(statement, arguments: [$1]) }
            }
        }
    }

    /// The frames of a clip. Throws `CacheError.damagedSequence` if it is not stored.
    package func frames(key: String) throws -> [[UInt8]] {
        try CacheError.translating(path) {
            try database.read { database in
                let row = try database.row("SELECT frames, pixels FROM clip WHERE key = ?", [key])
                guard let row, let count = try row.get("frames") as Int?, count > 0 else {
                    throw CacheError.damagedSequence(path: path, video: key)
                }
                return try row.withUnsafeData(named: "pixels") { data in
                    guard let data, data.count % count == 0, !data.isEmpty else {
                        throw CacheError.damagedSequence(path: path, video: key)
                    }
                    let size = data.count / count
                    let first = data.startIndex
                    return (0..<count).map { Array(data[first + $0 * size..<first + ($0 + 1) * size]) }
                }
            }
        }
    }
}
