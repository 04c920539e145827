import GRDB

/// Column access for files that may be damaged: GRDB's subscripts trap if a column is missing or has another type.
extension Row {
    /// - Throws: `DatabaseError` of a corrupt file.
    func get<Value: DatabaseValueConvertible & StatementColumnConvertible>(_ column: String) throws -> Value {
        do { return try decode(Value.self, forColumn: column) } catch is RowDecodingError { throw Self.damage(column) }
    }

    func get<Value: DatabaseValueConvertible & StatementColumnConvertible>(_ index: Int) throws -> Value {
        do { return try decode(Value.self, atIndex: index) } catch is RowDecodingError {
            throw Self.damage(Array(columnNames)[index])
        }
    }

    private static func damage(_ column: String) -> DatabaseError {
        DatabaseError(resultCode: .SQLITE_CORRUPT, message: "its column \(column) is missing or holds an invalid value")
    }
}
