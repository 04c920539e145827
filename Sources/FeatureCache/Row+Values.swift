import GRDB

typealias ColumnValue = DatabaseValueConvertible & StatementColumnConvertible

/// Column access for files that may be damaged: GRDB's subscripts trap if a column is missing or has another type.
extension Row {
    /// - Throws: `DatabaseError` of a corrupt file.
    func get<Value: ColumnValue>(_ column: String) throws -> Value {
        do { return try decode(Value.self, forColumn: column) } catch is RowDecodingError { throw Self.damage(column) }
    }

    func get<Value: ColumnValue>(_ index: Int) throws -> Value {
        do { return try decode(Value.self, atIndex: index) } catch is RowDecodingError {
            throw Self.damage(Array(columnNames)[index])
        }
    }

    private static func damage(_ column: String) -> DatabaseError {
        DatabaseError(resultCode: .SQLITE_CORRUPT, message: "its column \(column) is missing or holds an invalid value")
    }
}

/// Statements with their arguments.
extension Database {
    func run(_ sql: String, _ arguments: StatementArguments = []) throws { try execute(sql: sql, arguments: arguments) }

    func row(_ sql: String, _ arguments: StatementArguments = []) throws -> Row? {
        try Row.fetchOne(self, sql: sql, arguments: arguments)
    }

    func rows(_ sql: String, _ arguments: StatementArguments = []) throws -> [Row] {
        try Row.fetchAll(self, sql: sql, arguments: arguments)
    }

    /// A dictionary of the first two columns.
    func pairs<Key: ColumnValue & Hashable, Value: ColumnValue>(
        _ sql: String, _ arguments: StatementArguments = []
    ) throws -> [Key: Value] {
        try Dictionary(rows(sql, arguments).map { try ($0.get(0), $0.get(1)) }) { first, _ in first }
    }

    /// Runs one statement for each element.
    func run<Elements: Sequence>(
        _ sql: String, each elements: Elements, _ arguments: (Elements.Element) -> StatementArguments
    ) throws {
        let statement = try makeStatement(sql: sql)
        for element in elements { try statement.execute(arguments: arguments(element)) }
    }

    func cursor(_ sql: String, _ arguments: StatementArguments = []) throws -> RowCursor {
        try Row.fetchCursor(self, sql: sql, arguments: arguments)
    }
}

extension DatabaseValueConvertible {
    static func one(_ database: Database, _ sql: String, _ arguments: StatementArguments = []) throws -> Self? {
        try fetchOne(database, sql: sql, arguments: arguments)
    }

    static func all(_ database: Database, _ sql: String, _ arguments: StatementArguments = []) throws -> [Self] {
        try fetchAll(database, sql: sql, arguments: arguments)
    }
}
