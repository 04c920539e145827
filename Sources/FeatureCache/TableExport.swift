import Foundation
import GRDB

extension CacheFile {
    /// Writes a table or view as CSV (RFC 4180), with a header row. Blobs of numbers become lists, `[0.5,1.25]`.
    ///
    /// - `filters`: columns and what they must be; a table that lacks one is an error.
    /// - Returns: how many rows it holds.
    /// - Throws: `CacheError`, `ExportError`.
    public func exportTable(_ name: String, where filters: [String: String] = [:], to path: String) throws -> Int {
        let partial = "\(path).\(ProcessInfo.processInfo.processIdentifier).partial"
        defer { unlink(partial) }
        var count = 0
        try FileOutput.write(to: partial) { output in
            try read { database in
                let known = try String.fetchAll(
                    database,
                    sql:
                        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY 1"
                )
                guard known.contains(name) else { throw ExportError.unknownTable(name, known: known) }
                let columns = try String.fetchAll(
                    database, sql: "SELECT name FROM pragma_table_info(?)", arguments: [name])
                for filter in filters.keys where !columns.contains(filter) {
                    throw ExportError.noColumn(filter, table: name)
                }
                let chosen = filters.sorted { $0.key < $1.key }
                let condition = chosen.map { "\"\($0.key)\" = ?" }.joined(separator: " AND ")
                let types = name == "sequence" || name == "frame_feature" ? try storedTypes(database) : [:]
                let rows = try Row.fetchCursor(
                    database, sql: "SELECT * FROM \"\(name)\"" + (chosen.isEmpty ? "" : " WHERE \(condition)"),
                    arguments: StatementArguments(chosen.map(\.value)))
                try output.append(Data((columns.map(CSV.quoted).joined(separator: ",") + "\r\n").utf8))
                while let row = try rows.next() {
                    let key = (row["extraction_id"] as Int64?).map { "\($0)" } ?? row["extraction"] as String? ?? ""
                    let cells = columns.indices.map { Self.cell(row[$0], types[key] ?? .float32) }
                    try output.append(Data((cells.joined(separator: ",") + "\r\n").utf8))
                    count += 1
                }
            }
        }
        guard rename(partial, path) == 0 else { throw ExportError.writing(path: path, errno: errno) }
        return count
    }

    /// By the recipe's row and by its name.
    private func storedTypes(_ database: Database) throws -> [String: StoredType] {
        try Row.fetchAll(database, sql: "SELECT id, name, element_type FROM extraction").reduce(into: [:]) {
            types, row in
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
        case .string(let text): return CSV.quoted(text)
        case .blob(let data):
            let numbers = [Float](unsafeUninitializedCapacity: data.count / type.bytes) { buffer, count in
                count = data.count / type.bytes
                let target = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
                data.withUnsafeBytes {
                    type.copy(UnsafeRawBufferPointer(rebasing: $0[..<(count * type.bytes)]), to: target)
                }
            }
            return CSV.quoted("[" + numbers.map { "\($0)" }.joined(separator: ",") + "]")
        }
    }
}
