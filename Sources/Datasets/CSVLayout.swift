import Escaping
import Foundation

/// Clips that a table lists: CSV with a header row, or separated by tabs, semicolons or spaces, with or without one, or JSON
/// (`ListTable`). A row has a path (`path`, `video_name`, `filename`, …) and a label (`label`, `tag`, `class`, …), perhaps `split` and
/// `group` (`ListColumns`). Kinetics' columns `label`, `youtube_id`, `time_start`, `time_end`, `split` name files
/// `<youtube_id>_<start>_<end>.mp4`, six digits each.
///
/// `splits` is one file, or a folder with `train.csv`, `validation.csv` (or `val.csv`) and `test.csv`, or files of other names that
/// speak of one part; that is the split of rows without one. Where a file is looked for: `ClipSearch`.
struct CSVLayout {
    let root: String
    let splits: String?
    /// Column that names the source of a clip; nil is `group`, where it stands.
    var groupColumn: String?

    /// A row of a list, before its file is looked for.
    private struct Entry {
        let file: String
        let row: Int
        let name: ClipSearch.Name
        let label: String
        let split: Split?
        let group: String?
    }

    func listing() throws -> DatasetListing {
        guard let splits else { throw DatasetError.needsSplits(layout: "csv", example: "train.csv") }
        let files = FolderLayout.isFolder(splits) ? try Self.lists(in: splits) : [(path: splits, split: nil)]
        var notes: [String] = []
        var entries: [Entry] = []
        for file in files {
            do {
                entries += try self.entries(in: file.path, split: file.split, notes: &notes)
            } catch DatasetError.emptyList where files.count > 1 {
                notes.append("\(file.path) has no clips")
            }
        }
        guard !entries.isEmpty else { throw DatasetError.emptyList(splits, "its lists have no rows") }
        var search = ClipSearch(root: root, names: entries.map(\.name))
        // By bytes: paths in different Unicode forms are different files.
        var clips: [[UInt8]: Clip] = [:]
        for entry in entries {
            let path = search.place(of: entry.name, label: entry.label, split: entry.split)
            let clip = Clip(path: path, label: entry.label, split: entry.split ?? .train, group: entry.group)
            let key = Array(path.utf8)
            if let other = clips[key], other.label != clip.label || other.split != clip.split {
                throw DatasetError.malformedRow(
                    file: entry.file, row: entry.row,
                    reason: "\(clip.path) is \(clip.label) in \(clip.split), but was \(other.label) in \(other.split)")
            }
            clips[key] = clip
        }
        var listing = DatasetListing(clips: Array(clips.values))
        listing.notes = notes + search.notes
        return listing
    }

    /// The lists of a folder: `train.csv` and so on, else files whose names speak of one part each.
    private static func lists(in folder: String) throws -> [(path: String, split: Split?)] {
        let names = try FolderLayout.names(in: folder)
        let exact = names.filter { $0.lowercased().hasByteSuffix(".csv") }.compactMap { name in
            SplitNames.split(named: String(name.dropLast(4))).map { (path: "\(folder)/\(name)", split: Optional($0)) }
        }
        if !exact.isEmpty { return exact }
        let others = names.compactMap { name -> (path: String, split: Split?)? in
            let url = URL(fileURLWithPath: name)
            guard ["csv", "tsv", "txt", "json", "jsonl"].contains(url.pathExtension.lowercased()) else { return nil }
            return SplitNames.split(in: url.deletingPathExtension().lastPathComponent).map { ("\(folder)/\(name)", $0) }
        }
        guard !others.isEmpty else { throw DatasetError.missingList("\(folder)/train.csv") }
        for (split, files) in Dictionary(grouping: others, by: \.split) where files.count > 1 {
            throw DatasetError.severalLists(
                folder: folder, split?.rawValue ?? "", files.map { URL(fileURLWithPath: $0.path).lastPathComponent })
        }
        return others
    }

    private func entries(in file: String, split: Split?, notes: inout [String]) throws -> [Entry] {
        let decoded = try SplitList.decoded(file)
        if let guess = decoded.guess { notes.append("\(file) \(guess)") }
        var search = ClipSearch(root: root, names: [])
        let listed = ListedPath(root: root, list: file)
        let table = try ListTable(decoded.text, file: file) { name in
            search.exists(ClipSearch.Name(name, candidates: listed.candidates(name)), split: split)
        }
        let columns =
            try table.order.map { try ListColumns($0, group: groupColumn, file: file) }
            ?? ListColumns(table.header, file: file, group: groupColumn)
        if let row = table.rows.first(where: { row in columns.times.contains { row.cell($0) != nil } }) {
            let names = columns.times.map { table.header[$0].trimmingCharacters(in: .whitespaces) }
            throw DatasetError.timeRange(file: file, row: row.number, columns: names)
        }
        return try table.rows.map { row in
            guard let label = Self.label(row, columns) else {
                throw DatasetError.malformedRow(file: file, row: row.number, reason: "the label is empty")
            }
            return Entry(
                file: file, row: row.number, name: try name(row, columns, listed, file), label: label,
                split: try Self.split(row, columns, file) ?? split, group: row.cell(columns.group))
        }
    }

    /// What the row calls the clip: a path, or Kinetics' identifier and times.
    private func name(
        _ row: ListTable.Row, _ columns: ListColumns, _ listed: ListedPath, _ file: String
    ) throws -> ClipSearch.Name {
        let name: ClipSearch.Name
        if let path = row.cell(columns.path) {
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

    /// The split that the row names; nil if it names none.
    private static func split(_ row: ListTable.Row, _ columns: ListColumns, _ file: String) throws -> Split? {
        guard let text = row.cell(columns.split) else { return nil }
        guard let known = SplitNames.split(named: text) else {
            throw DatasetError.malformedRow(
                file: file, row: row.number, reason: "the split \(text) is none of train, validation, test")
        }
        return known
    }

    private static func label(_ row: ListTable.Row, _ columns: ListColumns) -> String? {
        // Something-Something's template is the class with brackets; the label names the objects.
        guard let template = row.cell(columns.template) else { return row.cell(columns.label) }
        return template.replacingBytes("[", with: "").replacingBytes("]", with: "")
    }
}

extension ListTable.Row {
    /// The trimmed text of a column; nil if it is empty or not there.
    func cell(_ column: Int?) -> String? {
        guard let column, cells.indices.contains(column) else { return nil }
        let text = cells[column].trimmingCharacters(in: .whitespacesAndNewlines)
        return text.isEmpty ? nil : text
    }
}
