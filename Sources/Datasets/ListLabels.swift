import Escaping
import Foundation

/// Reads the labels of a clip from the rows of a list.
struct ListLabels {
    enum Form {
        /// A column with one class, for the task `classification`.
        case oneClass
        /// A column with labels, separated by a text.
        case separated(String)
        /// A column with 0 or 1 for each class.
        case flags([FlagColumns.Column])
        /// Charades' column of actions.
        case charades(CharadesList)
    }

    /// The labels that a row states for its clip.
    struct Row {
        /// With the task `classification`, one or none.
        let names: [String]
        /// The labels that the clip does not have, if the row states them.
        var absent: [String] = []
    }

    let form: Form
    private(set) var notes: [String] = []
    private let columns: ListColumns
    private let file: String

    static let severalLabels =
        "the label is a list; for several labels a clip, set `dataset.task: multilabel`, or write one label"

    /// `separator`: text between labels. Throws `DatasetError`.
    init(
        _ table: ListTable, _ columns: ListColumns, file: String, task: DatasetConfiguration.Task, separator: String
    ) throws {
        (self.columns, self.file) = (columns, file)
        guard task == .multilabel else {
            form = .oneClass
            return
        }
        if CharadesList.isHeader(table.header) {
            let list = try CharadesList(table.header, file: file)
            (form, notes) = (.charades(list), [list.note])
            return
        }
        let flags = try FlagColumns(table, except: columns.used, file: file, isOptional: columns.label != nil)
        if columns.label != nil {
            form = .separated(separator)
            if table.order == nil, !flags.columns.isEmpty, let label = columns.label {
                notes = [
                    "\(file): the labels are those of the column \(table.header[label]); the columns with 0 and 1 are "
                        + "not read: \(DatasetError.named(flags.columns.map(\.name)))"
                ]
            }
            return
        }
        guard !flags.columns.isEmpty else {
            throw DatasetError.missingColumn(file: file, ListColumns.severalLabelNames, header: table.header)
        }
        (form, notes) = (.flags(flags.columns), flags.notes)
    }

    /// The name of the column in errors.
    func name(in header: [String]) -> String {
        switch form {
        case .flags(let columns): DatasetError.named(columns.map(\.name))
        case .charades: "actions"
        case .oneClass, .separated:
            columns.label.map { header.indices.contains($0) ? header[$0] : "\($0 + 1)" } ?? "label"
        }
    }

    /// The path of a clip that a list names.
    func path(_ name: String) -> String {
        if case .charades = form { return CharadesList.path(name) }
        return name
    }

    /// Throws `DatasetError.malformedRow`.
    func labels(of row: ListTable.Row) throws -> Row {
        switch form {
        case .oneClass:
            if let label = columns.label, let list = row.lists[label], !list.isEmpty {
                throw DatasetError.malformedRow(file: file, row: row.number, reason: Self.severalLabels)
            }
            return Row(names: text(of: row).map { [$0] } ?? [])
        case .separated(let separator): return Row(names: try names(of: row, separator))
        case .flags(let columns):
            let flags = columns.map { ($0.name, row.cell($0.index).flatMap(FlagColumns.flag)) }
            return Row(names: flags.filter { $0.1 == true }.map(\.0), absent: flags.filter { $0.1 == false }.map(\.0))
        case .charades(let list): return Row(names: try list.labels(of: row, file: file))
        }
    }

    private func text(of row: ListTable.Row) -> String? {
        // Something-Something's template is the class with brackets; the label names the objects.
        guard let template = row.cell(columns.template) else { return row.cell(columns.label) }
        return template.replacingBytes("[", with: "").replacingBytes("]", with: "")
    }

    private func names(of row: ListTable.Row, _ separator: String) throws -> [String] {
        func malformed(_ reason: String) -> DatasetError { .malformedRow(file: file, row: row.number, reason: reason) }
        var names: [String] = []
        if let label = columns.label, let list = row.lists[label] {
            names = list.compactMap { $0 }
            if names.count < list.count { throw malformed("the label is neither a text nor a list of texts") }
        } else if let text = text(of: row) {
            // Cells are trimmed, so a separator at an end has lost its spaces.
            let bare = separator.trimmingCharacters(in: .whitespaces)
            let separator = bare.isEmpty ? separator : bare
            names = text.replacingBytes(separator, with: "\n").splitBytes("\n").map(String.init)
        } else if let label = columns.label, !row.cells.indices.contains(label) {
            // A line that was cut off must not become a clip without labels.
            throw malformed("it ends before the label; write the separator of the fields for a clip without labels")
        }
        names = names.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }.filter { !$0.isEmpty }
        if names.contains(where: { $0.contains(where: \.isNewline) }) {
            throw malformed("a label contains a line break")
        }
        return names
    }
}
