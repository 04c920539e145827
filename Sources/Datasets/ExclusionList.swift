import Foundation
import SwiftCSV

/// Paths that a data set is used without: CSV with a column `path`, or a path a line.
enum ExclusionList {
    /// - Throws: `DatasetError.missingList`.
    static func paths(in file: String) throws -> Set<String> {
        let lines = try SplitList.lines(of: file).map(\.text)
        if let text = try? String(contentsOfFile: file, encoding: .utf8),
            let table = try? EnumeratedCSV(string: text, delimiter: .comma, loadColumns: false),
            let column = table.header.firstIndex(of: "path")
        {
            return Set(table.rows.compactMap { column < $0.count && !$0[column].isEmpty ? $0[column] : nil })
        }
        return Set(lines)
    }
}
