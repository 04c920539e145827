import Escaping
import Foundation

/// Rejects rows with line breaks in used fields, and quoted fields that contain other rows: an unbalanced quote
/// combines several rows into one field.
struct LineBreakCheck {
    let file: String
    let columns: ListColumns
    /// For JSON, rows are numbered by entries, and no field contains rows.
    let isJSON: Bool
    let isClip: (String) -> Bool

    func check(_ row: ListTable.Row) throws {
        var line = row.number
        for (column, cell) in row.cells.enumerated() where cell.unicodeScalars.contains(where: Self.isLineBreak) {
            if columns.used.contains(column), let text = row.cell(column),
                text.unicodeScalars.contains(where: Self.isLineBreak)
            {
                if isJSON || cell.byteLines().count == 1 {
                    throw DatasetError.malformedRow(
                        file: file, row: row.number, reason: "the \(name(column)) contains a line break")
                }
                throw DatasetError.openQuote(
                    file: file, line: line, what: "and the \(name(column)) would contain the following lines")
            }
            if !isJSON, cell.byteLines().dropFirst().contains(where: isRow) {
                throw DatasetError.openQuote(file: file, line: line, what: "and it would contain the following rows")
            }
            line += cell.byteLines().count - 1
        }
    }

    private func isRow(_ line: Substring) -> Bool {
        ([",", ";", "\t", "|"] as [Unicode.Scalar]).contains { separator in
            let fields = line.splitBytes(omittingEmptySubsequences: false) { $0 == UInt8(ascii: separator) }
            guard fields.count > 1 else { return false }
            guard let path = columns.path else { return fields.count > columns.used.count - 1 }
            return fields.indices.contains(path)
                && isClip(fields[path].trimmingCharacters(in: .whitespaces).replacingBytes("\"", with: ""))
        }
    }

    private func name(_ column: Int) -> String {
        switch column {
        case columns.label, columns.template: "label"
        case columns.split: "split"
        case columns.group: "group"
        default: "path"
        }
    }

    private static func isLineBreak(_ scalar: Unicode.Scalar) -> Bool {
        (0x0A...0x0D).contains(scalar.value) || [0x85, 0x2028, 0x2029].contains(scalar.value)
    }
}
