import Foundation

/// The columns of a list with 0 or 1 for each class.
struct FlagColumns {
    struct Column {
        let index: Int
        /// Of the class.
        let name: String
    }

    private(set) var columns: [Column] = []
    private(set) var notes: [String] = []

    /// Statistics of a column's cells.
    private struct Cells {
        var flags = 0, empty = 0, others = 0
        /// The first cell that is neither 0, 1 nor empty, and its row.
        var first: (row: Int, text: String)?

        init(_ column: Int, _ rows: [ListTable.Row]) {
            for row in rows {
                guard let text = row.cell(column) else {
                    empty += 1
                    continue
                }
                if FlagColumns.flag(text) != nil {
                    flags += 1
                } else {
                    others += 1
                    first = first ?? (row.number, text)
                }
            }
        }
    }

    /// `used`: columns with another meaning. `isOptional`: whether the list has a label column, so that other columns
    /// may have any content. Throws `DatasetError.malformedRow` if a column has 0 or 1 in most rows, but not in all.
    init(_ table: ListTable, except used: Set<Int>, file: String, isOptional: Bool) throws {
        var (ignored, empty) = ([String](), 0)
        for (index, title) in table.header.enumerated() where !used.contains(index) {
            let name = title.trimmingCharacters(in: .whitespaces)
            let cells = Cells(index, table.rows)
            guard cells.flags > 0, !name.isEmpty, !ListColumns.isKnown(name),
                !SplitColumn.isAboutParts(name, index, table.rows)
            else {
                if !name.isEmpty { ignored.append(name) }
                continue
            }
            if cells.others == 0 {
                if !isOptional, columns.contains(where: { $0.name == name }) {
                    throw DatasetError.malformedRow(
                        file: file, row: 1, reason: "the header row names two columns \(name)")
                }
                columns.append(Column(index: index, name: name))
                empty += cells.empty
            } else if let first = cells.first, !isOptional, cells.others < cells.flags {
                throw DatasetError.malformedRow(
                    file: file, row: first.row,
                    reason: "the column \(name) has 0 or 1 in other rows, but \(first.text) in this one; write 0 or 1 "
                        + "if it is a class, or remove the column")
            } else {
                ignored.append(name)
            }
        }
        guard !columns.isEmpty else { return }
        let names = DatasetError.named(columns.map(\.name))
        let what = columns.count == 1 ? "the column with 0 and 1 is a label" : "the columns with 0 and 1 are labels"
        let others = ignored.isEmpty ? "" : "; other columns are not read: \(DatasetError.named(ignored))"
        notes.append("\(file): \(what): \(names)\(others)")
        if empty > 0 { notes.append("\(file): \(empty) empty cell\(empty == 1 ? " counts" : "s count") as 0") }
    }

    /// `0`, `1`, `0.0`, `1.0`, `true` or `false`; nil for another text.
    static func flag(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true": true
        case "false": false
        default:
            switch Double(text) {
            case 0: false
            case 1: true
            default: nil
            }
        }
    }
}
