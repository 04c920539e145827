import Escaping
import Foundation
import Video

/// The rows of a list of clips with any separator, with column names.
struct ListTable {
    /// A row with the line on which it begins, from 1; for JSON, the number of the entry.
    struct Row {
        let number: Int
        let cells: [String]
        /// The label columns that are lists in JSON, whose cells are empty; nil for an element that is no text.
        var lists: [Int: [String?]] = [:]
    }

    /// Column names in the file; empty without a header row.
    let header: [String]
    let order: ColumnOrder?
    let isJSON: Bool
    /// Rows without blank lines, comments and repeated header rows.
    let rows: [Row]

    /// The order of columns in a list without a header row.
    enum ColumnOrder { case pathLabel, labelPath, pathCountLabel, pathLabelSplit }

    /// Parses a text. `isClip`: whether a clip of this name exists below the root. Throws `DatasetError`.
    init(
        _ text: String, file: String, task: DatasetConfiguration.Task = .classification,
        isClip: @escaping (String) -> Bool
    ) throws {
        if let table = try JSONList(text, file: file, task: task) {
            (header, rows, order, isJSON) = (table.header, table.rows, nil, true)
            return
        }
        isJSON = false
        let detection = SeparatorDetection(text, isClip: isClip)
        guard let first = detection.first else { throw DatasetError.emptyList(file, detection.emptiness) }
        let listed = try Self.records(text, first.number, detection.separator, file: file, isClip: isClip)
        let hasHeader = detection.hasHeader
        header = hasHeader ? Self.named(listed.first?.cells ?? []) : []
        // Concatenated lists repeat their header rows.
        let repeated = hasHeader ? Self.trimmed(header) : []
        rows = listed.dropFirst(hasHeader ? 1 : 0).filter {
            !Self.isBlank($0.cells) && (!hasHeader || Self.trimmed($0.cells) != repeated)
        }
        if case .spaces(let columns?) = detection.separator, let row = rows.first(where: { $0.cells.count != columns })
        {
            throw DatasetError.malformedRow(
                file: file, row: row.number,
                reason:
                    "it has \(row.cells.count) fields, but the header row has \(columns): quote fields that contain "
                    + "spaces")
        }
        if rows.isEmpty {
            throw DatasetError.emptyList(file, hasHeader ? "it has a header row only" : detection.emptiness)
        }
        order = hasHeader ? nil : try Self.order(rows, file: file, isClip: isClip)
    }

    private static func records(
        _ text: String, _ first: Int, _ separator: SeparatorDetection.Separator, file: String,
        isClip: @escaping (String) -> Bool
    ) throws -> [Row] {
        let lines = text.byteLines()
        switch separator {
        case .character(let byte):
            let rest = lines.indices.contains(first - 1) ? text[lines[first - 1].startIndex...] : ""
            let rules = CSVTable.ListRules(firstLine: first) { line in
                let cells = (try? CSVTable.records(line, separator: byte, limit: 1))?.first
                return isComment(cells ?? [line], isClip)
            }
            do throws(CSVTable.Unterminated) {
                return try CSVTable.records(String(rest), separator: byte, rules: rules)
                    .map { Row(number: $0.line, cells: $0.fields) }
            } catch { throw DatasetError.openQuote(file: file, line: error.line, what: nil) }
        case .spaces(let columns):
            return try lines.enumerated().dropFirst(first - 1).compactMap { index, text in
                let line = SpaceSeparatedLine(text, isClip: isClip)
                let cells = line.fields(columns: columns)
                if index >= first, line.isMarked, isComment(cells, isClip) { return nil }
                if line.isUnterminated, cells.contains(where: { $0.hasBytePrefix("\"") }) {
                    throw DatasetError.openQuote(file: file, line: index + 1, what: nil)
                }
                return Row(number: index + 1, cells: cells)
            }
        }
    }

    private static func trimmed(_ cells: [String]) -> [String] { cells.map { $0.trimmingCharacters(in: .whitespaces) } }

    static func isBlank(_ cells: [String]) -> Bool {
        cells.allSatisfy { $0.trimmingCharacters(in: .whitespaces).isEmpty }
    }

    /// Whether a line that begins with `#` is a comment: `#` and a space, or one field, unless a clip has that name.
    static func isComment(_ cells: [String], _ isClip: (String) -> Bool) -> Bool {
        guard let first = cells.first?.trimmingCharacters(in: .whitespaces), first.hasBytePrefix("#"), !isClip(first)
        else { return false }
        let next = first.utf8.first { $0 != UInt8(ascii: "#") }
        if next == nil || next == 0x20 || next == 0x09 { return true }
        return cells.count == 1 && !VideoReader.isVideo(first)
    }

    /// A header row may be commented out.
    private static func named(_ header: [String]) -> [String] {
        guard let first = header.first, first.hasBytePrefix("#") else { return header }
        return [String(first.drop { $0 == "#" || $0 == " " })] + header.dropFirst()
    }

    /// Detects the columns if there is no header row.
    private static func order(_ rows: [Row], file: String, isClip: (String) -> Bool) throws -> ColumnOrder {
        let sample = rows.prefix(1000).map { trimmed($0.cells) }
        let columns = sample.map(\.count).max() ?? 0
        func all(_ column: Int, _ condition: (String) -> Bool) -> Bool {
            sample.allSatisfy { $0.indices.contains(column) && condition($0[column]) }
        }
        let isNumber = { (text: String) in Int(text) != nil }
        func isPath(_ text: String) -> Bool { VideoReader.isVideo(text) || isClip(text) }
        if columns == 2 { return all(1, isPath) && !all(0, isPath) ? .labelPath : .pathLabel }
        // For videos, two numbers may also be two labels.
        if columns == 3, all(1, isNumber), all(2, isNumber), all(0, { !VideoReader.isVideo($0) }) {
            return .pathCountLabel
        }
        if columns == 3, all(2, { SplitNames.split(value: $0) != nil }) { return .pathLabelSplit }
        throw DatasetError.noHeader(file: file, columns: columns, first: sample.first?.joined(separator: " ") ?? "")
    }
}

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
