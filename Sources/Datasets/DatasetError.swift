import Foundation

package enum DatasetError: LocalizedError, Equatable {
    case missingFolder(String)
    /// The root, and what was found there in parentheses.
    case noVideos(String, leftOut: String = "")
    case missingList(String), unreadableList(String, reason: String)
    case malformedList(file: String, line: Int, text: String)
    case malformedRow(file: String, row: Int, reason: String)
    case missingColumn(file: String, String, header: [String])
    /// A list without a header row whose columns are unknown, with its first row.
    case noHeader(file: String, columns: Int, first: String)
    /// The kind of file, with a remedy.
    case notAList(String, String, remedy: String)
    /// Why a list has no clips; official lists have no header row.
    case emptyList(String, String, isOfficial: Bool = false)
    case severalLists(folder: String, String, [String])
    /// A folder without a list whose name means a split, its lists, and the layout that reads them.
    case noLists(folder: String, found: [String], layout: DatasetConfiguration.Layout?)
    case severalSplitColumns(file: String, [String])
    /// A quoted field of several lines where none is possible.
    case openQuote(file: String, line: Int, what: String?)
    /// A list with an empty label column.
    case noLabels(file: String, column: String)
    case outsideRoot(file: String, row: Int, path: String, root: String)
    /// A list of segments of videos, with the columns of start and end.
    case timeRange(file: String, row: Int, columns: [String])
    case needsSplits(layout: String, example: String), outside(root: String, path: String)
    case unknownClass(String, available: [String]), malformedPattern(String, String), hasTest(String)
    case storedTest(String, clips: Int), emptyTest(TestShareProblem)
    /// Two links to one file in class folders of different splits.
    case linkedSplits(String, String)
    /// A clip that `dataset.negatives` says has no label, with its labels.
    case negativeWithLabels(String, negatives: String, labels: [String])
    /// No folder, or no row of the list, has the name of `dataset.negatives`.
    case unknownNegatives(String, place: String)
    /// All clips of a data set with the task `multilabel` are negatives.
    case noLabelledClip(String)

    /// Whether the folder or a list does not exist, or the folder has no videos any more.
    var isAbsence: Bool {
        switch self {
        case .missingFolder, .missingList, .noVideos: true
        default: false
        }
    }

    package var errorDescription: String? {
        switch self {
        case .missingFolder(let path):
            "The dataset folder \(path) does not exist or is not a folder. Correct `dataset.root`."
        case .noVideos(let path, let leftOut):
            "No videos under \(path)\(leftOut). Expected <root>/<label>/<video>, or <root>/train/<label>/<video> and "
                + "<root>/test/<label>/<video>; a folder of images counts as one clip."
        case .unreadableList(let path, let reason):
            "The list \(path) cannot be read: \(reason). Name a text file in UTF-8, or split it into several data sets."
        case .missingList(let path):
            "The split list \(path) cannot be read. Correct `dataset.splits` or `dataset.split`."
        case .malformedList(let file, let line, let text):
            "\(file), line \(line): \"\(text)\" does not have the format of the official lists. Correct the line, or "
                + "use the list as published."
        case .malformedRow(let file, let row, let reason): "\(file), row \(row): \(reason). Correct the row."
        case .missingColumn(let file, let column, let header) where header.isEmpty:
            "\(file) has no header row, and so no column \(column). Write a first line such as path,label,\(column)."
        case .missingColumn(let file, let column, let header):
            "\(file) has no column \(column). "
                + "\(Self.isJSON(file) ? "Its objects have the keys" : "Its header row is"): "
                + "\(header.joined(separator: ", ")). Name the \(Self.isJSON(file) ? "keys" : "columns") path, label, "
                + "split and group there"
                + (column == ListColumns.labelNames
                    ? "; for several labels a clip, set `dataset.task: multilabel`." : ".")
        case .noHeader(let file, 1, let first):
            "\(file) has no header row, and no labels: \(first). Write a label after each path, such as run/1.mp4,run"
                + "\(Self.hint(PublishedLists.found(in: [URL(fileURLWithPath: file).lastPathComponent]).layout))."
        case .noHeader(let file, let columns, let first):
            "\(file) has no header row that names its \(columns) columns: \(first). Write a first line with a name for "
                + "each, such as path, label and split; columns with other names are ignored."
        case .notAList(let path, let what, let remedy):
            "\(path) is not a list of clips: it is \(what). Name a text file with a path and a label on every line: "
                + "\(remedy)."
        case .emptyList(let path, let reason, let isOfficial):
            "The list \(path) has no clips: \(reason). "
                + (isOfficial
                    ? "Use the lists as published."
                    : "Write a line for each clip, below a header row such as path,label.")
        case .severalLists(let folder, let split, let names):
            "\(folder) has several lists of the \(split) part: \(Self.named(names)). Put one list per split into a "
                + "separate folder, as train.csv, validation.csv and test.csv, and correct `dataset.splits`."
        case .noLists(let folder, let found, let layout?):
            "\(folder) has official lists: \(Self.named(found)). Set `dataset.layout: \(layout.rawValue)`, which reads "
                + "them."
        case .noLists(let folder, let found, nil):
            "\(folder) has no list whose name contains a split: "
                + (found.isEmpty
                    ? "no file in it ends in .csv, .tsv, .txt, .json or .jsonl" : "it has \(Self.named(found))")
                + ". Name one list of each part train.csv, validation.csv and test.csv, or set `dataset.splits` to one "
                + "list."
        case .severalSplitColumns(let file, let columns):
            "\(file) has several columns with splits, and they differ: \(columns.joined(separator: ", ")). "
                + "Rename the correct one to split."
        case .openQuote(let file, let line, let what):
            "\(file), row \(line): a quoted field does not end on the line where it "
                + "begins\(what.map { ", " + $0 } ?? ""). Write the closing quotation mark on that line. Double "
                + "quotation marks that belong to the text, inside a quoted field."
        case .noLabels(let file, let column):
            "\(file) has no labels: the column \(column) is empty in every row. Write the class of each clip there."
        case .outsideRoot(let file, let row, let path, let root):
            "\(file), row \(row): \(path) leads out of the root folder \(root). Write paths relative to that folder, "
                + "or set `dataset.root` to a folder that contains all clips."
        case .timeRange(let file, let row, let columns):
            "\(file), row \(row): the column\(columns.count == 1 ? "" : "s") \(columns.joined(separator: ", ")) "
                + "name\(columns.count == 1 ? "s" : "") a part of a video, but `extract` reads whole videos. Cut the "
                + "parts out with ffmpeg -ss START -to END and list those files, or remove the "
                + "column\(columns.count == 1 ? "" : "s") if the files are cut already."
        case .needsSplits(let layout, let example):
            "The layout \(layout) needs the official lists. Set `dataset.splits` to the folder that holds \(example) "
                + "and the other lists."
        case .outside(let root, let path): "A list names \(path), which leads out of \(root). Correct the list."
        case .malformedPattern(let pattern, let reason):
            "`dataset.group` is the pattern \(pattern), but \(reason). Correct it."
        case .hasTest(let name): "`dataset.test` selects a test part, but \(name) already has one. Leave `test` out."
        case .emptyTest(let problem): problem.text
        case .storedTest(let name, let clips):
            "The cache has \(clips) test clips of the data set \(name), and `dataset.test` selects others: either the "
                + "data set has a test part of its own, or an older version stored another share. Run `zoetrope "
                + "extract` with this pipeline, which does not decode any video again, or leave `test` out."
        case .linkedSplits(let one, let other):
            "\(one) and \(other) are links to one file, but belong to different splits. Delete one of them, since a "
                + "clip belongs to one split."
        case .negativeWithLabels(let path, let negatives, let labels):
            "\(path) is \(negatives), which `dataset.negatives` defines as no label, and also "
                + "\(Self.named(labels)). Correct the label, or leave `negatives` out."
        case .unknownNegatives(let name, let place):
            "`dataset.negatives` names \(name), but \(place) has no such label. Correct the name, or leave `negatives` "
                + "out if clips without labels have no name."
        case .noLabelledClip(let place):
            "No clip of \(place) has a label: all are negatives. Add clips with labels, or correct the labels."
        case .unknownClass(let name, let available):
            "`dataset.classes` names \"\(name)\", which the dataset does not have. It has "
                + available.prefix(8).joined(separator: ", ") + (available.count > 8 ? ", …" : "") + "."
        }
    }

    var isAboutMissingLabels: Bool {
        switch self {
        case .noLabels, .noHeader(_, columns: 1, _): true
        case .missingColumn(_, let column, let header):
            [ListColumns.labelNames, ListColumns.severalLabelNames].contains(column) && !header.isEmpty
        default: false
        }
    }

    static func named(_ names: [String]) -> String {
        names.prefix(8).joined(separator: ", ") + (names.count > 8 ? " and \(names.count - 8) more" : "")
    }

    private static func isJSON(_ file: String) -> Bool {
        ["json", "jsonl"].contains(URL(fileURLWithPath: file).pathExtension.lowercased())
    }

    private static func hint(_ layout: DatasetConfiguration.Layout?) -> String {
        layout.map { ", or set `dataset.layout: \($0.rawValue)`, which reads official lists" } ?? ""
    }
}
