import Escaping
import Foundation

/// The columns of a list that describe a clip, identified by name.
struct ListColumns {
    /// Nil if the list has other columns for labels, with the task `multilabel` only.
    let label: Int?
    /// Nil if Kinetics' columns name the file.
    let path: Int?
    /// YouTube identifier, start and end in seconds.
    let kinetics: [Int]
    var split: Int?
    var group: Int?
    /// Something-Something's template, which is the class there.
    var template: Int?
    /// Start or end of a segment of the video.
    let times: [Int]

    private static let paths = ["path", "video_name", "filename"]
    /// Names that older versions did not know; the older names take precedence.
    private static let otherPaths = [
        "video_path", "clip_path", "file_path", "filepath", "frame_dir", "video", "clip", "file", "file_name",
        "clip_name", "video_id", "clip_id", "id",
    ]
    /// The name of the label column in errors.
    static let labelNames = "label, tag or class"
    static let severalLabelNames = "label, labels, tag or class, and no columns with 0 and 1 for each label"
    private static let labels = ["label", "tag", "class"]
    private static let otherLabels = [
        "class_name", "classname", "label_name", "category", "action", "action_label", "target", "label_id", "class_id",
    ]
    /// Other names of the column with the task `multilabel`.
    private static let severalLabels = [
        "labels", "tags", "classes", "class_names", "label_names", "categories", "actions", "targets",
    ]
    private static let kinetics = ["youtube_id", "time_start", "time_end"]

    /// Lower case with `_` for spaces and hyphens.
    static func plain(_ name: String) -> String {
        name.trimmingCharacters(in: .whitespaces).lowercased().replacingBytes(" ", with: "_").replacingBytes(
            "-", with: "_")
    }

    private static let knownNames = Set(paths + otherPaths + labels + otherLabels + kinetics + ["split", "group"])

    static func known(in fields: [String]) -> Int { fields.count { knownNames.contains(plain($0)) } }

    static func isKnown(_ name: String) -> Bool { knownNames.contains(plain(name)) }

    /// Whether a column of a list with several labels a clip has this name for labels.
    static func isLabel(_ name: String) -> Bool { (labels + otherLabels + severalLabels).contains(plain(name)) }

    /// `group`: name of the source column; nil is `group`, if it exists. Throws `DatasetError.missingColumn`.
    init(
        _ header: [String], file: String, group groupName: String?, task: DatasetConfiguration.Task = .classification
    ) throws {
        let exact = Dictionary(
            header.enumerated().map { ($1.trimmingCharacters(in: .whitespaces).lowercased(), $0) },
            uniquingKeysWith: { first, _ in first })
        let plain = Dictionary(
            header.enumerated().map { (Self.plain($1), $0) }, uniquingKeysWith: { first, _ in first })
        func column(_ names: [String], or others: [String] = []) -> Int? {
            names.lazy.compactMap { exact[$0] }.first ?? (names + others).lazy.compactMap { plain[$0] }.first
        }
        label = column(Self.labels, or: Self.otherLabels + (task == .multilabel ? Self.severalLabels : []))
        if label == nil, task == .classification {
            throw DatasetError.missingColumn(file: file, Self.labelNames, header: header)
        }
        let times = Self.kinetics.compactMap { column([$0]) }
        kinetics = times.count == 3 ? times : []
        path = column(Self.paths) ?? (kinetics.isEmpty ? column([], or: Self.otherPaths) : nil)
        if path == nil && kinetics.isEmpty {
            throw DatasetError.missingColumn(file: file, "path, video_name or filename", header: header)
        }
        split = column(["split"])
        group = column([groupName?.lowercased() ?? "group"])
        if let groupName, group == nil { throw DatasetError.missingColumn(file: file, groupName, header: header) }
        template = column(["id"]) == nil ? nil : column(["template"])
        // Kinetics' files are already trimmed.
        let cut = column(["youtube_id"]) == nil ? [] : times
        self.times = header.indices.filter { Self.isTime(header[$0]) && !cut.contains($0) }
    }

    /// The columns of a list without a header row.
    init(_ order: ListTable.ColumnOrder, group: String?, file: String) throws {
        if let group { throw DatasetError.missingColumn(file: file, group, header: []) }
        (self.group, kinetics, times) = (nil, [], [])
        switch order {
        case .pathLabel: (path, label, split) = (0, 1, nil)
        case .labelPath: (path, label, split) = (1, 0, nil)
        case .pathCountLabel: (path, label, split) = (0, 2, nil)
        case .pathLabelSplit: (path, label, split) = (0, 1, 2)
        }
    }

    /// The words of a name in lower case: `startTime` and `start_time` have two.
    static func words(_ name: String) -> [String] {
        let spaced = name.reduce(into: "") { text, letter in
            if letter.isUppercase, text.last?.isLowercase == true { text.append("_") }
            text.append(letter)
        }
        return spaced.lowercased().split { !$0.isLetter }.map(String.init)
    }

    var used: Set<Int> { Set([label, path, split, group, template].compactMap { $0 } + kinetics + times) }

    /// Whether a column is named like the start or end of a segment: `start`, `t_end`, `start_frame`, `Stop (s)`.
    private static func isTime(_ name: String) -> Bool {
        let words = words(name)
        let ends: Set<String> = ["start", "begin", "onset", "end", "stop", "offset", "finish", "starts", "ends"]
        let others: Set<String> = [
            "t", "time", "times", "sec", "secs", "second", "seconds", "s", "ms", "frame", "frames", "timestamp",
            "index", "idx", "clip", "segment", "action", "trim", "video", "msec", "id", "num", "in", "of",
        ]
        return words.contains(where: ends.contains) && words.allSatisfy { ends.contains($0) || others.contains($0) }
            || ["starttime", "endtime", "startframe", "endframe", "tstart", "tend", "startsec", "endsec"].contains(
                words.joined())
    }
}
