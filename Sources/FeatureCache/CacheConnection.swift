import CSQLiteGuard
import Escaping
import Files
import Foundation
import GRDB

/// Connections to caches, which may be untrusted: SQLite in defensive mode, no triggers, untrusted schema functions.
enum CacheConnection {
    /// Time limit in milliseconds for each row of a user's statement or of a view.
    static let timeLimit = 60_000

    static func configuration(readonly: Bool = false) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = readonly
        configuration.busyMode = .timeout(30)
        configuration.prepareDatabase { database in
            guard let connection = database.connection else { return }
            let status = sqlite_guard(connection)
            if status != 0 { throw DatabaseError(resultCode: ResultCode(rawValue: status)) }
        }
        return configuration
    }

    /// Maximum bytes of a value in a table or view that this program did not create.
    private static let foreignValueLimit: Int32 = 64 << 20

    /// Runs `body`, which reads a table or view. One of this program may call functions that SQLite 3.40 considers
    /// unsafe in an untrusted schema, such as JSON's; the size of values of any other is limited.
    static func readingTable<Result>(_ database: Database, isOwn: Bool, _ body: () throws -> Result) throws -> Result {
        if isOwn {
            try database.run("PRAGMA trusted_schema = ON")
            defer { try? database.run("PRAGMA trusted_schema = OFF") }
            return try body()
        }
        guard let connection = database.connection else { return try body() }
        sqlite_limit_length(connection, foreignValueLimit)
        defer { sqlite_limit_length(connection, 0) }
        return try body()
    }

    /// Checks that `path` is a regular file or does not exist, because SQLite would block on a pipe. Rejects names that
    /// SQLite does not treat as files, such as `:memory:`, whose content is lost when the connection closes.
    static func requireRegular(_ path: String) throws(CacheError) {
        let isFileName = !path.isEmpty && path != ":memory:" && !path.hasBytePrefix("file:") && !path.utf8.contains(0)
        guard isFileName else { throw CacheError.notFileName(path: path) }
        do throws(FileError) {
            try RegularFile.checkUnopened(path)
        } catch { throw CacheError.notSQLite(path: path) }
        // SQLite opens these files too.
        for ending in ["-journal", "-wal", "-shm"] {
            do throws(FileError) {
                try RegularFile.checkUnopened(path + ending)
            } catch { throw CacheError.unusable(path: path, reason: "of \(path)\(ending), \(error.reason)") }
        }
    }

    /// Opens a file. If neither it nor its folder is writable, SQLite cannot create the `-wal` and `-shm` files; the
    /// cache is then opened as immutable, unless there is a write-ahead log.
    static func open(_ path: String, _ configuration: Configuration) throws -> DatabaseQueue {
        let folder = OutputPath.parent(of: path)
        let isFixed =
            access(path, R_OK) == 0 && access(path, W_OK) != 0 && access(folder.isEmpty ? "." : folder, W_OK) != 0
            && access(path + "-wal", F_OK) != 0
        guard isFixed else { return try DatabaseQueue(path: path, configuration: configuration) }
        var configuration = configuration
        configuration.readonly = true
        let escaped = path.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? path
        let address = (path.hasBytePrefix("/") ? "file://" : "file:") + escaped + "?immutable=1"
        return try DatabaseQueue(path: address, configuration: configuration)
    }

    /// A read-only connection for a user's SQL.
    static func restricted(path: String) throws -> DatabaseQueue {
        let queue = try open(path, configuration(readonly: true))
        try queue.inDatabase { database in
            guard let connection = database.connection else { return }
            // Functions such as `printf` create texts of any size.
            sqlite_limit_length(connection, foreignValueLimit)
            let status = sqlite_restrict(connection)
            if status != 0 { throw DatabaseError(resultCode: ResultCode(rawValue: status)) }
        }
        return queue
    }

    /// Runs statements with a time limit that restarts at each call of the closure passed to `body`. Throws
    /// `DatabaseError` with `SQLITE_INTERRUPT` after the limit.
    static func limited<Result>(
        _ database: Database, milliseconds: Int = timeLimit, _ body: (_ restart: () -> Void) throws -> Result
    ) rethrows -> Result {
        let connection = database.connection
        func limit(_ milliseconds: Int) {
            if let connection { sqlite_limit_time(connection, Int32(clamping: milliseconds)) }
        }
        limit(milliseconds)
        defer { limit(0) }
        return try body { limit(milliseconds) }
    }
}

extension Database {
    /// As the argument of C functions.
    fileprivate var connection: UnsafeMutableRawPointer? { sqliteConnection.map { UnsafeMutableRawPointer($0) } }
}
