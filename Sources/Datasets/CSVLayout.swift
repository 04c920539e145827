import Escaping
import Foundation

/// Clips listed in CSV files with a header row: a path (`path`, `video_name` or `filename`) and a label
/// (`label`, `tag` or `class`), perhaps `split` and `group`. Kinetics' columns `label`, `youtube_id`,
/// `time_start`, `time_end`, `split` name files `<youtube_id>_<start>_<end>.mp4`, six digits each.
///
/// `splits` is one file, or a folder with `train.csv`, `validation.csv` (or `val.csv`) and `test.csv`, whose
/// names are then the split of rows without one. A file is looked for under the root, then under the root's
/// folder of its split, then of its label.
struct CSVLayout {
    let root: String
    let splits: String?
    /// Column that names the source of a clip; nil is `group`, where it stands.
    var groupColumn: String?

    private static let splitNames: [String: Split] = [
        "train": .train, "training": .train, "validation": .validation, "val": .validation, "validate": .validation,
        "test": .test, "testing": .test,
    ]

    func clips() throws -> [Clip] {
        guard let splits else { throw DatasetError.needsSplits(layout: "csv", example: "train.csv") }
        var files = [(path: splits, split: Split?.none)]
        if FolderLayout.isFolder(splits) {
            files = try FolderLayout.names(in: splits).filter { $0.lowercased().hasByteSuffix(".csv") }.compactMap {
                name in
                Self.splitNames[String(name.dropLast(4)).lowercased()].map { ("\(splits)/\(name)", $0) }
            }
            guard !files.isEmpty else { throw DatasetError.missingList("\(splits)/train.csv") }
        }
        // By bytes: paths in different Unicode forms are different files.
        var clips: [[UInt8]: Clip] = [:]
        for file in files {
            for (row, clip) in try self.clips(in: file.path, split: file.split) {
                let key = Array(clip.path.utf8)
                if let other = clips[key], other.label != clip.label || other.split != clip.split {
                    throw DatasetError.malformedRow(
                        file: file.path, row: row,
                        reason:
                            "\(clip.path) is \(clip.label) in \(clip.split), but was \(other.label) in \(other.split)")
                }
                clips[key] = clip
            }
        }
        return Array(clips.values)
    }

    private func clips(in file: String, split: Split?) throws -> [(row: Int, clip: Clip)] {
        let text = try SplitList.text(of: file)
        let table: CSVTable
        do throws(CSVTable.Unterminated) {
            table = try CSVTable(text)
        } catch {
            throw DatasetError.malformedRow(file: file, row: error.row, reason: "a quoted field does not end")
        }
        let columns = Dictionary(
            table.header.enumerated().map { ($1.trimmingCharacters(in: .whitespaces).lowercased(), $0) },
            uniquingKeysWith: { first, _ in first })
        func column(_ names: String...) -> Int? { names.lazy.compactMap { columns[$0] }.first }
        guard let label = column("label", "tag", "class") else {
            throw DatasetError.missingColumn(file: file, "label, tag or class", header: table.header)
        }
        let kinetics = [column("youtube_id"), column("time_start"), column("time_end")].compactMap { $0 }
        let path = column("path", "video_name", "filename")
        guard path != nil || kinetics.count == 3 else {
            throw DatasetError.missingColumn(file: file, "path, video_name or filename", header: table.header)
        }
        let group = column(groupColumn?.lowercased() ?? "group")
        if let groupColumn, group == nil {
            throw DatasetError.missingColumn(file: file, groupColumn, header: table.header)
        }
        return try table.rows.enumerated().compactMap { index, cells in
            let row = index + 2
            if cells.allSatisfy({ $0.trimmingCharacters(in: .whitespaces).isEmpty }) { return nil }
            func cell(_ column: Int?) -> String? {
                guard let column, column < cells.count else { return nil }
                let text = cells[column].trimmingCharacters(in: .whitespacesAndNewlines)
                return text.isEmpty ? nil : text
            }
            func malformed(_ reason: String) -> DatasetError { .malformedRow(file: file, row: row, reason: reason) }
            guard let label = cell(label) else { throw malformed("the label is empty") }
            guard let name = cell(path) ?? Self.kineticsName(kinetics.map(cell)) else {
                throw malformed("the path is empty")
            }
            guard Clip.staysInside(name) else {
                throw malformed("\(name) leads out of the root folder")
            }
            var own = split
            if let text = cell(column("split")) {
                guard let known = Self.splitNames[text.lowercased()] else {
                    throw malformed("the split \(text) is none of train, validation, test")
                }
                own = known
            }
            let clip = Clip(
                path: place(of: name, label: label, split: own), label: label, split: own ?? .train,
                group: cell(group))
            return (row, clip)
        }
    }

    private static func kineticsName(_ cells: [String?]) -> String? {
        guard cells.count == 3, let id = cells[0], let start = cells[1].flatMap({ Int($0) }),
            let end = cells[2].flatMap({ Int($0) })
        else { return nil }
        return String(format: "%@_%06d_%06d.mp4", id, start, end)
    }

    /// Where the file is below the root; as named where it is nowhere, so that it is reported as missing.
    private func place(of name: String, label: String, split: Split?) -> String {
        let candidates = [name] + (split.map { ["\($0.rawValue)/\(name)"] } ?? []) + ["\(label)/\(name)"]
        return candidates.first { FileManager.default.fileExists(atPath: "\(root)/\($0)") } ?? name
    }
}
