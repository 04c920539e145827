import Foundation

/// Paths that a data set is used without: CSV with a column `path`, or a path a line.
enum ExclusionList {
    /// - Throws: `DatasetError.missingList`.
    static func paths(in file: String) throws -> Set<String> {
        let lines = try SplitList.lines(of: file).map(\.text)
        if let table = try? CSVTable(SplitList.text(of: file)), let column = table.header.firstIndex(of: "path") {
            return Set(table.rows.compactMap { column < $0.count && !$0[column].isEmpty ? $0[column] : nil })
        }
        return Set(lines)
    }
}
