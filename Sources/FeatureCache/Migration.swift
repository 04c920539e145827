import Files
import Foundation
import GRDB

extension CacheFile {
    /// Where a cache is copied to before its schema changes.
    public static func backupPath(of path: String, version: Int) -> String { "\(path).v\(version)" }

    /// Brings a cache to this program's schema in one transaction, after a copy of it was made.
    ///
    /// - Throws: `CacheError`; the cache is then as it was.
    static func migrate(_ queue: DatabaseQueue, from version: Int, path: String) throws {
        if ExtractionLock.isHeld(cache: path) { throw CacheError.beingExtracted(path: path) }
        try backUp(queue, to: backupPath(of: path, version: version))
        try queue.write { database in
            // Somebody else may have done it since we looked.
            var version = try CacheIdentity(database).version
            while version < Schema.version {
                guard let step = Schema.migrations[version] else {
                    throw CacheError.otherVersion(path: path, found: version, expected: Schema.version)
                }
                try database.execute(sql: step)
                version += 1
                try database.execute(sql: "PRAGMA user_version = \(version)")
            }
        }
    }

    /// A copy that is there whole or not at all; one that is there already stays.
    private static func backUp(_ queue: DatabaseQueue, to path: String) throws {
        guard !FileManager.default.fileExists(atPath: path) else { return }
        let partial = NewFile.partialPath(of: path)
        do {
            let copy = try DatabaseQueue(path: partial, configuration: CacheConnection.configuration())
            try queue.backup(to: copy)
            // One file, without a journal beside it.
            try copy.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
            try copy.close()
            try FileManager.default.moveItem(atPath: partial, toPath: path)
        } catch {
            for ending in ["", "-wal", "-shm", "-journal"] { unlink(partial + ending) }
            throw error
        }
    }
}
