import Files
import Foundation
import GRDB
import NeuralNetwork

/// The SQLite file with features, runs and predictions. Thread-safe: writes are serialised, each one transaction.
package final class CacheFile: Sendable {
    package let path: String
    let database: DatabaseQueue
    /// Sequences whose checksums were verified.
    let check: RowCheck

    /// Opens a cache, or creates it in an existing folder. `create`: if false, a missing file is an error. `checks`:
    /// folder for the record of verified checksums. Throws `CacheError`; a file that is not a cache is not changed.
    package init(path: String, create: Bool = true, checks: String = UserCache.folder + "/checked") throws {
        try CacheConnection.requireRegular(path)
        let exists = FileManager.default.fileExists(atPath: path)
        if !exists && !create { throw CacheError.missing(path: path) }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        if !exists, !FileManager.default.fileExists(atPath: folder) {
            throw CacheError.noFolder(path: path, folder: folder)
        }
        var configuration = CacheConnection.configuration()
        configuration.foreignKeysEnabled = true
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        self.path = path
        database = try CacheError.translating(path) {
            let queue = try CacheConnection.open(path, configuration)
            try Self.prepare(queue, path: path)
            return queue
        }
        check = RowCheck.of(path, folder: checks)
    }

    deinit {
        // Closing the last connection checkpoints the write-ahead log.
        check.writing { try? database.close() }
        check.remember()
    }

    private static func prepare(_ queue: DatabaseQueue, path: String) throws {
        let identity = try queue.read(CacheIdentity.init)
        if identity.isEmpty {
            try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = WAL") }
            try queue.write { database in
                // Another process may have created the tables meanwhile.
                guard try CacheIdentity(database).isEmpty else { return }
                let parts = [
                    Schema.tables, Schema.indexes, Schema.windows, Schema.membership, Schema.annotations, Schema.views,
                ]
                for part in parts {
                    try database.run(part)
                }
                try database.run("PRAGMA user_version = \(Schema.version)")
                try database.run("PRAGMA application_id = \(Schema.applicationID)")
            }
            return
        }
        try identity.check(path: path, oldest: 1)
        try queue.read { try SchemaCheck.check($0, path: path, version: identity.version) }
        if identity.version < Schema.version { try migrate(queue, from: identity.version, path: path) }
        // A killed merge leaves the cache with another journal mode.
        if identity.journal != "wal", !ExtractionLock.isHeld(cache: path) {
            try? queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = WAL") }
        }
    }

    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try CacheError.translating(path) { try database.read(body) }
    }

    func write<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try CacheError.translating(path) { try check.writing { try database.write(body) } }
    }

    func write(_ sql: String, _ arguments: StatementArguments = []) throws { try write { try $0.run(sql, arguments) } }

    func rows<Value>(
        _ sql: String, _ arguments: StatementArguments = [], _ make: (Row) throws -> Value
    ) throws -> [Value] { try read { try $0.rows(sql, arguments).map(make) } }

    /// Writes the write-ahead log back into the file, so that the file can be copied alone.
    package func checkpoint() throws {
        try CacheError.translating(path) {
            _ = try check.writing { try database.writeWithoutTransaction { try $0.checkpoint(.truncate) } }
        }
    }

    /// The current time in the cache's format: ISO 8601 in UTC with milliseconds.
    package static func now() -> String { Date.now.formatted(timeStyle) }

    static let timeStyle = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
}

/// The header fields that identify an SQLite file as a cache.
struct CacheIdentity {
    let version, application, tables: Int
    let journal: String

    init(_ database: Database) throws {
        version = try Int.one(database, "PRAGMA user_version") ?? 0
        application = try Int.one(database, "PRAGMA application_id") ?? 0
        tables = try Int.one(database, "SELECT count(*) FROM sqlite_master") ?? 0
        journal = try String.one(database, "PRAGMA journal_mode") ?? ""
    }

    var isEmpty: Bool { tables == 0 && version == 0 }

    /// - Throws: `CacheError` unless it is a cache with a version from `oldest` to the current one.
    func check(path: String, oldest: Int = Schema.version) throws {
        guard application == Schema.applicationID else { throw CacheError.notCache(path: path) }
        guard (oldest...Schema.version).contains(version) else {
            throw CacheError.otherVersion(path: path, found: version, expected: Schema.version)
        }
    }
}

/// A file lock held while an extraction writes to a cache. The system releases it when the process ends.
package final class ExtractionLock {
    private let descriptor: Int32
    private let lockPath: String

    /// - Throws: `CacheError.beingExtracted` if another process holds it.
    package init(cache path: String) throws {
        lockPath = path + ".lock"
        while true {
            let opened = open(lockPath, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o644)
            guard opened >= 0 else {
                throw errno == ENOSPC ? CacheError.full(path: path) : CacheError.readOnly(path: path)
            }
            guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
                close(opened)
                throw CacheError.beingExtracted(path: path)
            }
            // The previous holder may have removed the file between opening and locking it.
            var (ours, theirs) = (stat(), stat())
            if fstat(opened, &ours) == 0, stat(lockPath, &theirs) == 0, ours.st_ino == theirs.st_ino {
                descriptor = opened
                return
            }
            close(opened)
        }
    }

    /// Whether a process is extracting into the cache.
    package static func isHeld(cache path: String) -> Bool {
        let opened = open(path + ".lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard opened >= 0 else { return false }
        defer { close(opened) }
        return flock(opened, LOCK_SH | LOCK_NB) != 0
    }

    deinit {
        unlink(lockPath)
        close(descriptor)
    }
}

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
