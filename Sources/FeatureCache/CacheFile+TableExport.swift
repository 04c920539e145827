import Escaping
import Files
import Foundation
import GRDB

extension CacheFile {
    /// Writes a table or view as CSV (RFC 4180) with a header row. Feature blobs become lists, `[0.5,1.25]`. `filters`:
    /// required values by column; a missing column is an error. `foreignLimit`: maximum size of the export of a table
    /// or view that this program did not create, in bytes; nil is 256 MB plus 16 times the size of the cache. Returns
    /// the number of rows. Throws `CacheError`, `ExportError`.
    package func exportTable(
        _ name: String, where filters: [String: String] = [:], to path: String, foreignLimit: Int? = nil
    ) throws -> Int {
        let partial = NewFile.partialPath(of: path)
        defer { unlink(partial) }
        var count = 0
        try FileOutput.write(to: partial) { output in
            count = try read { database in
                let known = try String.all(
                    database,
                    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER "
                        + "BY 1")
                guard known.contains(name) else { throw ExportError.unknownTable(name, known: known) }
                let isOwn = try SchemaCheck.isOwn(name, in: database)
                let limit = isOwn ? Int.max : foreignLimit ?? Self.foreignLimit(path: self.path)
                return try CacheConnection.readingTable(database, isOwn: isOwn) {
                    try Self.export(name, where: filters, database, to: output, limit: limit)
                }
            }
        }
        guard rename(partial, path) == 0 else { throw ExportError.writing(path: path, errno: errno) }
        return count
    }

    private static func export(
        _ name: String, where filters: [String: String], _ database: Database, to output: FileOutput, limit: Int
    ) throws -> Int {
        let columns = try String.all(database, "SELECT name FROM pragma_table_info(?)", [name])
        for filter in filters.keys where !columns.contains(filter) { throw ExportError.noColumn(filter, table: name) }
        let chosen = filters.sorted { $0.key < $1.key }
        let condition = chosen.map { "\(quoted($0.key)) = ?" }.joined(separator: " AND ")
        let types = name == "sequence" || name == "frame_feature" ? try storedTypes(database) : [:]
        let statement = try database.makeStatement(
            sql: "SELECT * FROM \(quoted(name))" + (chosen.isEmpty ? "" : " WHERE \(condition)"))
        try statement.setArguments(StatementArguments(chosen.map(\.value)))
        let recipe = columns.firstIndex { $0 == "extraction_id" || $0 == "extraction" }
        try output.append(Data((columns.map(Escaping.csv).joined(separator: ",") + "\r\n").utf8))
        var bytes = 0
        return try forEachRow(of: statement, table: name, database) { row in
            let values = Array(row.databaseValues)
            let type = recipe.flatMap { types[text(values[$0])] } ?? .float32
            let cells = values.map { cell($0, type) }
            let line = Data((cells.joined(separator: ",") + "\r\n").utf8)
            bytes += line.count
            guard bytes <= limit else {
                throw ExportError.boundless(table: name, reason: "it returns more than \(limit >> 20) MB")
            }
            try output.append(line)
        }
    }

    /// Maximum export of a table or view that this program did not create: a view can have unlimited rows.
    private static func foreignLimit(path: String) -> Int {
        let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int ?? 0
        return (256 << 20) + 16 * min(size, 1 << 50)
    }

    private static func text(_ value: DatabaseValue) -> String {
        switch value.storage {
        case .int64(let number): "\(number)"
        case .string(let text): text
        default: ""
        }
    }

    /// Iterates over rows with a time limit for each: a foreign view may never finish.
    private static func forEachRow(
        of statement: Statement, table: String, _ database: Database, _ body: (Row) throws -> Void
    ) throws -> Int {
        do {
            return try CacheConnection.limited(database) { restart in
                let rows = try Row.fetchCursor(statement)
                var count = 0
                while let row = try rows.next() {
                    try body(row)
                    count += 1
                    restart()
                }
                return count
            }
        } catch let error as DatabaseError where [.SQLITE_INTERRUPT, .SQLITE_TOOBIG].contains(error.resultCode) {
            throw ExportError.boundless(
                table: table,
                reason: error.resultCode == .SQLITE_TOOBIG ? "a value is too large" : "a row takes too long")
        }
    }

    private static func quoted(_ name: String) -> String { "\"" + name.replacingBytes("\"", with: "\"\"") + "\"" }

    /// Element types by row ID and by name of the recipe.
    private static func storedTypes(_ database: Database) throws -> [String: StoredType] {
        try database.rows("SELECT id, name, element_type FROM extraction").reduce(into: [:]) { types, row in
            let type = try StoredType(rawValue: row.get("element_type"))
            try types["\(row.get("id") as Int64)"] = type
            try types[row.get("name")] = type
        }
    }

    private static func cell(_ value: DatabaseValue, _ type: StoredType) -> String {
        switch value.storage {
        case .null: return ""
        case .int64(let number): return "\(number)"
        case .double(let number): return "\(number)"
        case .string(let text): return Escaping.csv(text)
        case .blob(let data):
            let numbers = data.withUnsafeBytes(type.values)
            return Escaping.csv("[" + numbers.map { "\($0)" }.joined(separator: ",") + "]")
        }
    }
}
