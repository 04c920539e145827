import Escaping
import Foundation
import Video

/// Clips listed in a table: CSV with a header row, or separated by tabs, semicolons or spaces, with or without a header
/// row, or JSON (`ListTable`). A row has a path (`path`, `video_name`, `filename`, …) and a label (`label`, `tag`,
/// `class`, …), optionally `split` and `group` (`ListColumns`). Kinetics' columns `label`, `youtube_id`, `time_start`,
/// `time_end`, `split` name files `<youtube_id>_<start>_<end>.mp4`, six digits each. `splits` is one file, or a folder
/// with one file per split (`ListFolder`), which is the split of rows without one. `ClipSearch` finds the files.
struct CSVLayout {
    let root: String
    let splits: String?
    /// Column with the source of a clip; nil is `group`, if it exists.
    var groupColumn: String?
    var task = DatasetConfiguration.Task.classification
    /// Text between the labels in a cell, and the label that means no label, for the task `multilabel`.
    var labelSeparator = "|", negatives: String?

    /// A row of a list before its file is searched for.
    private struct Entry {
        let file: String
        let row: Int
        let name: ClipSearch.Name
        let labels: ListLabels.Row
        let split: Split?
        let group: String?
    }

    func listing() throws -> DatasetListing {
        guard let splits else { throw DatasetError.needsSplits(layout: "csv", example: "train.csv") }
        let folder = FolderLayout.isFolder(splits) ? try ListFolder(splits) : nil
        var notes = folder?.notes ?? []
        let entries = try self.entries(folder?.lists.map { ($0.path, $0.split) } ?? [(splits, nil)], notes: &notes)
        guard !entries.isEmpty else { throw DatasetError.emptyList(splits, "its lists have no rows") }
        let name = URL(fileURLWithPath: splits).deletingPathExtension().lastPathComponent
        if folder == nil, SplitNames.split(in: name) ?? .train != .train, entries.allSatisfy({ $0.split == nil }) {
            notes.append(
                "\(splits): all clips count as train: set `dataset.splits` to a folder that has a list of each part")
        }
        var search = ClipSearch(root: root, names: entries.map(\.name))
        var clips = ListedClips(task: task, negatives: negatives)
        for entry in entries {
            let path = search.place(of: entry.name, labels: entry.labels.names, split: entry.split)
            try clips.add(
                path, entry.labels, split: entry.split ?? .train, group: entry.group, file: entry.file, row: entry.row)
        }
        var listing = DatasetListing(clips: try clips.clips(of: splits))
        listing.notes = notes + search.notes
        return listing
    }

    /// The rows of all lists; lists of a split without rows or labels are omitted with a note.
    private func entries(_ files: [(path: String, split: Split?)], notes: inout [String]) throws -> [Entry] {
        var entries: [Entry] = []
        var first: DatasetError?
        for file in files {
            do {
                entries += try self.entries(in: file.path, split: file.split, notes: &notes)
            } catch DatasetError.emptyList where files.count > 1 {
                notes.append("\(file.path) has no clips")
            } catch let error as DatasetError
                where error.isAboutMissingLabels && files.count > 1 && file.split != .train
            {
                first = first ?? error
                notes.append(
                    "\(file.path) is not read because it has no labels, so there are no "
                        + "\(file.split?.rawValue ?? "such") clips")
            }
        }
        if entries.isEmpty, let first { throw first }
        return entries
    }

    private func entries(in file: String, split: Split?, notes: inout [String]) throws -> [Entry] {
        let decoded = try SplitList.decoded(file)
        if let guess = decoded.guess { notes.append("\(file) \(guess)") }
        var search = ClipSearch(root: root, names: [])
        let listed = ListedPath(root: root, list: file)
        let isClip = { (name: String) in
            search.exists(ClipSearch.Name(name, candidates: listed.candidates(name)), split: split)
        }
        let table = try ListTable(decoded.text, file: file, task: task, isClip: isClip)
        var columns = try self.columns(of: table, file: file, split: split, notes: &notes)
        let labels = try ListLabels(
            table, columns, file: file, task: task, separator: labelSeparator)
        notes += labels.notes
        if case .charades = labels.form, columns.group == nil { columns.group = CharadesList.group(table.header) }
        if let row = table.rows.first(where: { row in columns.times.contains { row.cell($0) != nil } }) {
            let names = columns.times.map { table.header[$0].trimmingCharacters(in: .whitespaces) }
            throw DatasetError.timeRange(file: file, row: row.number, columns: names)
        }
        let rows = try table.rows.map { (row: $0, labels: try labels.labels(of: $0)) }
        // A list with 0 in all columns of labels has labels.
        let isLabelled = rows.contains { !$0.labels.names.isEmpty || !$0.labels.absent.isEmpty }
        guard isLabelled || split == nil && task == .classification else {
            throw DatasetError.noLabels(file: file, column: labels.name(in: table.header))
        }
        let check = LineBreakCheck(file: file, columns: columns, isJSON: table.isJSON) {
            VideoReader.isVideo($0) || isClip($0)
        }
        return try rows.map { row, own in
            try check.check(row)
            if task == .classification, own.names.isEmpty {
                throw DatasetError.malformedRow(file: file, row: row.number, reason: "the label is empty")
            }
            return Entry(
                file: file, row: row.number, name: try name(row, columns, labels, listed, file), labels: own,
                split: try Self.split(row, columns, file) ?? split, group: row.cell(columns.group))
        }
    }

    /// The columns of a list, and notes about ambiguous ones.
    private func columns(
        of table: ListTable, file: String, split: Split?, notes: inout [String]
    ) throws -> ListColumns {
        if let order = table.order { return try ListColumns(order, group: groupColumn, file: file) }
        var columns = try ListColumns(table.header, file: file, group: groupColumn, task: task)
        if columns.split == nil {
            let found = try SplitColumn(
                table.header, table.rows, except: columns.used, file: file, hasPart: split != nil)
            columns.split = found.index
            notes += found.notes
        }
        let without = columns.split == nil ? 0 : table.rows.count { $0.cell(columns.split) == nil }
        if without > 0 {
            notes.append(
                "\(file): \(without == 1 ? "1 row has" : "\(without) rows have") no split, and "
                    + "\(without == 1 ? "counts" : "count") as \((split ?? .train).rawValue)")
        }
        let width = table.header.count
        if let row = table.rows.first(where: { !ListTable.isBlank(Array($0.cells.dropFirst(width))) }) {
            // They may be the other labels of the clip.
            if task == .multilabel {
                throw DatasetError.malformedRow(
                    file: file, row: row.number,
                    reason: "it has \(row.cells.count) fields, but the header row has \(width): quote fields that "
                        + "contain the separator")
            }
            notes.append(
                "\(file), row \(row.number): it has \(row.cells.count) fields, but the header row has \(width); the "
                    + "additional fields are ignored; quote fields that contain the separator")
        }
        return columns
    }

    /// The row's clip name: a path, or Kinetics' identifier and times.
    private func name(
        _ row: ListTable.Row, _ columns: ListColumns, _ labels: ListLabels, _ listed: ListedPath, _ file: String
    ) throws -> ClipSearch.Name {
        let name: ClipSearch.Name
        if let path = row.cell(columns.path).map(labels.path) {
            name = ClipSearch.Name(path, candidates: listed.candidates(path))
        } else {
            let clip = columns.kinetics.isEmpty ? nil : KineticsClip(columns.kinetics.map(row.cell))
            if let problem = clip == nil ? "the path is empty" : clip?.problem {
                throw DatasetError.malformedRow(file: file, row: row.number, reason: problem)
            }
            name = clip.map { ClipSearch.Name(kinetics: $0) } ?? ClipSearch.Name("", candidates: [])
        }
        guard let first = name.candidates.first, Clip.staysInside(first) else {
            throw DatasetError.outsideRoot(file: file, row: row.number, path: name.text, root: root)
        }
        return name
    }

    private static func split(_ row: ListTable.Row, _ columns: ListColumns, _ file: String) throws -> Split? {
        guard let text = row.cell(columns.split) else { return nil }
        guard let known = SplitNames.split(value: text) else {
            throw DatasetError.malformedRow(
                file: file, row: row.number, reason: "the split \(text) is not train, validation or test")
        }
        return known
    }
}

extension ListTable.Row {
    /// The trimmed text of a column; nil if it is empty or missing.
    func cell(_ column: Int?) -> String? {
        guard let column, cells.indices.contains(column) else { return nil }
        let text = cells[column].trimmingCharacters(in: .whitespacesAndNewlines)
        return text.isEmpty ? nil : text
    }
}
