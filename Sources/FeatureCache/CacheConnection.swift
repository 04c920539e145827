import CSQLiteGuard
import Escaping
import Files
import Foundation
import GRDB

/// Connections to caches, which may come from strangers: SQLite is defensive, runs no trigger, and what the schema itself
/// names is not trusted.
enum CacheConnection {
    /// Milliseconds that a statement which somebody wrote, or a view, may take until its next row.
    static let timeLimit = 60_000

    /// How every connection of this module is opened.
    static func configuration(readonly: Bool = false) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = readonly
        configuration.busyMode = .timeout(30)
        configuration.prepareDatabase { database in
            guard let connection = database.sqliteConnection else { return }
            let status = sqlite_guard(UnsafeMutableRawPointer(connection))
            if status != 0 { throw DatabaseError(resultCode: ResultCode(rawValue: status)) }
        }
        return configuration
    }

    /// Lets a view call functions that SQLite 3.40 calls unsafe in a schema that is not trusted, such as JSON's.
    ///
    /// - Parameter isOwn: whether it is a view of this program's; else nothing changes.
    static func trusting<Result>(_ database: Database, isOwn: Bool, _ body: () throws -> Result) throws -> Result {
        guard isOwn else { return try body() }
        try database.execute(sql: "PRAGMA trusted_schema = ON")
        defer { try? database.execute(sql: "PRAGMA trusted_schema = OFF") }
        return try body()
    }

    /// Bytes of a value of a table or view that this program did not make.
    static let foreignValueLimit = 64 << 20

    /// Limits the size of values while something that this program did not make is read.
    static func limitingValues<Result>(_ database: Database, isOwn: Bool, _ body: () throws -> Result) rethrows
        -> Result
    {
        guard !isOwn, let connection = database.sqliteConnection.map({ UnsafeMutableRawPointer($0) }) else {
            return try body()
        }
        sqlite_limit_length(connection, Int32(foreignValueLimit))
        defer { sqlite_limit_length(connection, 0) }
        return try body()
    }

    /// Throws unless nothing or a regular file is at `path`: SQLite would wait for a pipe's other end. So do names that SQLite
    /// takes for something else than a file, such as `:memory:`, where whatever is stored is gone with the connection.
    ///
    /// - Throws: `CacheError.notFileName`, `CacheError.notSQLite`.
    static func requireRegular(_ path: String) throws(CacheError) {
        let isFileName = !path.isEmpty && path != ":memory:" && !path.hasBytePrefix("file:") && !path.utf8.contains(0)
        guard isFileName else { throw CacheError.notFileName(path: path) }
        do throws(FileError) {
            try RegularFile.checkUnopened(path)
        } catch {
            throw CacheError.notSQLite(path: path)
        }
        // SQLite opens these too.
        for ending in ["-journal", "-wal", "-shm"] {
            do throws(FileError) {
                try RegularFile.checkUnopened(path + ending)
            } catch {
                throw CacheError.unusable(path: path, reason: "of \(path)\(ending), \(error.reason)")
            }
        }
    }

    /// Opens a file. Where neither it nor its folder can be written, SQLite could not make the two files that readers and writers
    /// share: there it is read as a file that does not change, unless a writer's log lies beside it.
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

    /// A connection for SQL that a user wrote: it reads, computes, and can do nothing else.
    static func restricted(path: String) throws -> DatabaseQueue {
        let queue = try open(path, configuration(readonly: true))
        try queue.inDatabase { database in
            guard let connection = database.sqliteConnection else { return }
            // A function such as `printf` makes texts of any size.
            sqlite_limit_length(UnsafeMutableRawPointer(connection), Int32(foreignValueLimit))
            let status = sqlite_restrict(UnsafeMutableRawPointer(connection))
            if status != 0 { throw DatabaseError(resultCode: ResultCode(rawValue: status)) }
        }
        return queue
    }

    /// Runs statements that may never end, each until the limit after the last call of the closure it is given.
    ///
    /// - Throws: `DatabaseError` with `SQLITE_INTERRUPT` after the limit.
    static func limited<Result>(
        _ database: Database, milliseconds: Int = timeLimit, _ body: (_ goOn: () -> Void) throws -> Result
    ) rethrows -> Result {
        let connection = database.sqliteConnection.map { UnsafeMutableRawPointer($0) }
        func limit(_ milliseconds: Int) {
            if let connection { sqlite_limit_time(connection, Int32(clamping: milliseconds)) }
        }
        limit(milliseconds)
        defer { limit(0) }
        return try body { limit(milliseconds) }
    }
}
