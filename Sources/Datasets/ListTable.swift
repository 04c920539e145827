import Escaping
import Foundation
import Video

/// The rows of a list of clips, whatever separates their fields, with the names of the columns.
struct ListTable {
    /// A row with its number in the file, from 1; of JSON, the number of the entry.
    struct Row {
        let number: Int
        let cells: [String]
    }

    /// Names of the columns as they are in the file; empty if it has no header row.
    let header: [String]
    /// Columns of a list without a header row.
    let order: ColumnOrder?
    /// Rows that are not blank.
    let rows: [Row]

    /// Where path, label and split are in a list without a header row.
    enum ColumnOrder { case pathLabel, labelPath, pathCountLabel, pathLabelSplit }

    /// Reads a text.
    ///
    /// - Parameter isClip: whether a clip of this name lies below the root.
    /// - Throws: `DatasetError`.
    init(_ text: String, file: String, isClip: @escaping (String) -> Bool) throws {
        if let table = try JSONList(text, file: file) {
            (header, rows, order) = (table.header, table.rows, nil)
            return
        }
        let detection = SeparatorDetection(text, isClip: isClip)
        guard let first = detection.first else { throw DatasetError.emptyList(file, detection.emptiness) }
        let records: [Row]
        switch detection.separator {
        case .character(let byte):
            do throws(CSVTable.Unterminated) {
                let all = try CSVTable.records(text, separator: byte)
                records = all.enumerated().map { Row(number: $0 + 1, cells: $1) }
            } catch {
                throw DatasetError.malformedRow(file: file, row: error.row, reason: "a quoted field does not end")
            }
        case .spaces(let columns):
            records = text.byteLines().enumerated().map {
                Row(number: $0 + 1, cells: SpacedLine($1, isClip: isClip).fields(columns: columns))
            }
        }
        let listed = records.drop { $0.number < first.number }
        let hasHeader = detection.hasHeader
        header = hasHeader ? Self.named(listed.first?.cells ?? []) : []
        rows = listed.dropFirst(hasHeader ? 1 : 0).filter {
            !Self.isBlank($0.cells) && !Self.isComment($0.cells, isClip)
        }
        if case .spaces(let columns?) = detection.separator, let row = rows.first(where: { $0.cells.count != columns })
        {
            throw DatasetError.malformedRow(
                file: file, row: row.number,
                reason:
                    "it has \(row.cells.count) fields, and the header row \(columns): quote fields that contain spaces")
        }
        if rows.isEmpty {
            throw DatasetError.emptyList(file, hasHeader ? "it has a header row only" : detection.emptiness)
        }
        order = hasHeader ? nil : try Self.order(rows, file: file, isClip: isClip)
    }

    static func isBlank(_ cells: [String]) -> Bool {
        cells.allSatisfy { $0.trimmingCharacters(in: .whitespaces).isEmpty }
    }

    /// Whether a row is a comment: it begins with `#` and names no clip.
    static func isComment(_ cells: [String], _ isClip: (String) -> Bool) -> Bool {
        guard let first = cells.first?.trimmingCharacters(in: .whitespaces), first.hasBytePrefix("#") else {
            return false
        }
        return (cells.count == 1 || first.hasBytePrefix("# ") || first.utf8.count == 1)
            && !VideoReader.isVideo(first) && !isClip(first)
    }

    /// A header row may be commented out.
    private static func named(_ header: [String]) -> [String] {
        guard let first = header.first, first.hasBytePrefix("#") else { return header }
        return [String(first.drop { $0 == "#" || $0 == " " })] + header.dropFirst()
    }

    /// What the columns are if no header row says it.
    private static func order(_ rows: [Row], file: String, isClip: (String) -> Bool) throws -> ColumnOrder {
        let sample = rows.prefix(1000).map { $0.cells.map { $0.trimmingCharacters(in: .whitespaces) } }
        let columns = sample.map(\.count).max() ?? 0
        func all(_ column: Int, _ condition: (String) -> Bool) -> Bool {
            sample.allSatisfy { $0.indices.contains(column) && condition($0[column]) }
        }
        let isNumber = { (text: String) in Int(text) != nil }
        func isPath(_ text: String) -> Bool { VideoReader.isVideo(text) || isClip(text) }
        if columns == 2 { return all(1, isPath) && !all(0, isPath) ? .labelPath : .pathLabel }
        // Of videos, two numbers may also be two labels.
        if columns == 3, all(1, isNumber), all(2, isNumber), all(0, { !VideoReader.isVideo($0) }) {
            return .pathCountLabel
        }
        if columns == 3, all(2, { SplitNames.split(named: $0) != nil }) { return .pathLabelSplit }
        throw DatasetError.noHeader(file: file, columns: columns, first: sample.first?.joined(separator: " ") ?? "")
    }
}
