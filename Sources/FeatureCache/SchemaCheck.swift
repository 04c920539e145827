import Escaping
import GRDB

/// Compares the schema of a cache with the expected one. SQL in a schema runs whenever a table is used: triggers, views
/// and virtual tables in place of tables, generated columns, checks, conflict clauses and cascading foreign keys. This
/// program's tables must therefore have exactly its own definitions; other tables are allowed but never used.
enum SchemaCheck {
    /// One entry of `sqlite_master`, with comments and whitespace removed from its SQL.
    private struct Entry: Equatable { let type, sql: String }

    private static let required = [
        "video", "sample", "extraction", "sequence", "failure", "run", "epoch", "prediction",
    ]
    private static func required(_ version: Int) -> [String] {
        required + (version >= 4 ? ["membership"] : []) + (version >= 5 ? ["annotation", "metric"] : [])
    }
    /// Tables and views that are created on first use.
    private static let optional = ["file", "fold", "twin_pair", "phrase"]

    /// `version`: of the file's schema, which may be an older one. Throws `CacheError.foreignSchema`.
    static func check(_ database: Database, path: String, version: Int = Schema.version) throws {
        let known = try reference(version)
        let found = try entries(database)
        if let trigger = try String.one(database, "SELECT name FROM sqlite_master WHERE type = 'trigger'") {
            throw CacheError.foreignSchema(path: path, what: "the trigger \(trigger)")
        }
        for name in required(version) + optional {
            guard let own = found[name] else {
                if optional.contains(name) { continue }
                throw CacheError.foreignSchema(path: path, what: "no table \(name)")
            }
            if own != known[name] { throw CacheError.foreignSchema(path: path, what: "another \(name)") }
        }
        // The migration would create a table of this name.
        if let name = required(Schema.version).first(where: { !required(version).contains($0) && found[$0] != nil }) {
            throw CacheError.foreignSchema(path: path, what: "another \(name)")
        }
        try checkIndexes(database, path: path)
    }

    /// Whether this program created a table or view: others may have values of any size and unlimited rows.
    static func isOwn(_ name: String, in database: Database) throws -> Bool {
        let own = try entries(database)[name.lowercased()]
        return try own != nil && own == reference(Schema.version)[name.lowercased()]
    }

    /// An index may contain an expression, which is evaluated for each row that is written.
    private static func checkIndexes(_ database: Database, path: String) throws {
        let indexes = try database.rows(
            "SELECT name, lower(tbl_name) FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        for index in indexes {
            let (name, table): (String, String) = try (index.get(0), index.get(1))
            guard (required(Schema.version) + optional).contains(table) else { continue }
            let columns = try Int.all(database, "SELECT cid FROM pragma_index_xinfo(?)", [name])
            let isPartial = try Int.one(
                database, "SELECT partial FROM pragma_index_list(?) WHERE name = ?", [table, name])
            if columns.contains(where: { $0 < -1 }) || isPartial != 0 {
                throw CacheError.foreignSchema(path: path, what: "the index \(name)")
            }
        }
    }

    /// Keys are lower case, because SQLite compares names without case.
    private static func entries(_ database: Database) throws -> [String: Entry] {
        let rows = try database.rows("SELECT lower(name), type, sql FROM sqlite_master WHERE type IN ('table', 'view')")
        return try rows.reduce(into: [:]) { entries, row in
            let sql: String? = try row.get(2)
            entries[try row.get(0)] = Entry(type: try row.get(1), sql: normalized(sql ?? ""))
        }
    }

    /// The expected schema, created in an in-memory database.
    private static func reference(_ version: Int) throws -> [String: Entry] {
        try DatabaseQueue().write { database in
            var parts = [Schema.tables]
            if version >= 3 { parts.append(Schema.windows) }
            if version >= 4 { parts.append(Schema.membership) }
            if version >= 5 { parts.append(Schema.annotations) }
            parts += [Schema.files, Schema.folds, Schema.nearDuplicates, Schema.phrases, Schema.views]
            for part in parts { try database.run(part) }
            return try entries(database)
        }
    }

    /// SQL without comments, in lower case, with whitespace collapsed.
    private static func normalized(_ sql: String) -> String {
        // In SQLite only a line feed ends a `--` comment.
        let lines = sql.splitBytes("\n", omittingEmptySubsequences: false).map { line in
            line.firstByteRange(of: "--").map { line[..<$0.lowerBound] } ?? line[...]
        }
        return lines.joined(separator: " ").lowercased().splitBytes { [0x09, 0x0A, 0x0D, 0x20].contains($0) }
            .joined(separator: " ")
    }
}
