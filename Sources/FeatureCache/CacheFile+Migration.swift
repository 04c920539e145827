import Files
import Foundation
import GRDB

extension CacheFile {
    /// Path of the backup made before the schema is migrated.
    package static func backupPath(of path: String, version: Int) -> String { "\(path).v\(version)" }

    /// Migrates a cache to the current schema in one transaction after a backup. Throws `CacheError`, changing nothing.
    static func migrate(_ queue: DatabaseQueue, from version: Int, path: String) throws {
        if ExtractionLock.isHeld(cache: path) { throw CacheError.beingExtracted(path: path) }
        try backUp(queue, to: backupPath(of: path, version: version))
        try queue.write { database in
            // Another process may have migrated it meanwhile.
            var version = try CacheIdentity(database).version
            while version < Schema.version {
                guard let step = Schema.migrations[version] else {
                    throw CacheError.otherVersion(path: path, found: version, expected: Schema.version)
                }
                try database.run(step)
                version += 1
                try database.run("PRAGMA user_version = \(version)")
            }
        }
    }

    /// Creates the backup atomically, unless it exists.
    private static func backUp(_ queue: DatabaseQueue, to path: String) throws {
        guard !FileManager.default.fileExists(atPath: path) else { return }
        let partial = NewFile.partialPath(of: path)
        do {
            let copy = try DatabaseQueue(path: partial, configuration: CacheConnection.configuration())
            try queue.backup(to: copy)
            // A single file without a write-ahead log.
            try copy.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
            try copy.close()
            try FileManager.default.moveItem(atPath: partial, toPath: path)
        } catch {
            for ending in ["", "-wal", "-shm", "-journal"] { unlink(partial + ending) }
            throw error
        }
    }
}
