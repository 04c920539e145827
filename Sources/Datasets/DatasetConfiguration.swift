import Foundation

/// The `dataset` part of a pipeline.
public struct DatasetConfiguration: Sendable, Equatable {
    /// How the files lie on disk.
    public enum Layout: String, Sendable, CaseIterable {
        /// `<root>/<label>/<video>`, or the same under `train`, `validation` and `test`.
        case folders
        /// UCF101 as it unpacks, with its official lists.
        case ucf101
        /// HMDB51 as it unpacks, with its official lists.
        case hmdb51
        /// GTEA61 as folders of frames.
        case gtea61
        /// Clips listed in CSV files, Kinetics' among them.
        case csv

        /// Whether the data set has numbered official splits.
        public var hasNumberedSplits: Bool { self == .ucf101 || self == .hmdb51 }
        /// Whether `splits` names lists.
        public var hasLists: Bool { hasNumberedSplits || self == .csv }
    }

    /// Which classes are used.
    public enum Classes: Sendable, Equatable {
        case all
        case named([String])
        /// The classes with most clips in the training part.
        case top(Int)
    }

    /// How the files lie on disk.
    public var layout: Layout
    /// Folder of the videos.
    public var root: String
    /// Folder of the split lists, where the layout has them.
    public var splits: String?
    /// Which official split, from 1.
    public var split: Int
    /// Share of train that `sequence` sets aside where the dataset has no validation part, from 0 to below 1.
    public var validation: Double
    /// Which classes are used.
    public var classes: Classes
    private let givenName: String?

    /// A dataset; what is left out has the default of a pipeline file.
    public init(
        layout: Layout, root: String, splits: String? = nil, split: Int = 1, validation: Double = 0.2,
        classes: Classes = .all, name: String? = nil
    ) {
        self.layout = layout
        self.root = root
        self.splits = splits
        self.split = split
        self.validation = validation
        self.classes = classes
        givenName = name
    }

    /// What `sample.dataset` holds: the root folder's name, with `/splitN` where the layout numbers them.
    public var name: String {
        if let givenName { return givenName }
        let folder = URL(fileURLWithPath: root).standardizedFileURL.lastPathComponent
        return layout.hasNumberedSplits ? "\(folder)/split\(split)" : folder
    }

    /// The clips of the chosen classes, ordered by path.
    ///
    /// - Throws: `DatasetError`.
    public func clips() throws -> [Clip] {
        let all =
            switch layout {
            case .folders: try FolderLayout(root: root).clips()
            case .ucf101: try UCF101Layout(root: root, splits: splits, split: split).clips()
            case .hmdb51: try HMDB51Layout(root: root, splits: splits, split: split).clips()
            case .gtea61: try GTEA61Layout(root: root).clips()
            case .csv: try CSVLayout(root: root, splits: splits).clips()
            }
        for clip in all where !Clip.staysInside(clip.path) { throw DatasetError.outside(root: root, path: clip.path) }
        let labels = try chosenLabels(from: all.map { ($0.label, $0.split) })
        return all.filter { labels.contains($0.label) }.sorted { $0.path < $1.path }
    }

    /// The labels that `classes` picks among those of a dataset.
    ///
    /// - Throws: `DatasetError.unknownClass` for a named class that is not there.
    public func chosenLabels(from samples: [(label: String, split: Split)]) throws -> Set<String> {
        let labels = Set(samples.map(\.label))
        switch classes {
        case .all: return labels
        case .named(let names):
            for name in names where !labels.contains(name) {
                throw DatasetError.unknownClass(name, available: labels.sorted())
            }
            return Set(names)
        case .top(let count):
            let counts = samples.filter { $0.split == .train }.reduce(into: [:]) { $0[$1.label, default: 0] += 1 }
            return Set(counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(count).map(\.key))
        }
    }
}

/// Why a dataset cannot be read.
public enum DatasetError: LocalizedError, Equatable {
    case missingFolder(String)
    case noVideos(String)
    case missingList(String)
    case malformedList(file: String, line: Int, text: String)
    case malformedRow(file: String, row: Int, reason: String)
    case missingColumn(file: String, String, header: [String])
    case needsSplits(layout: String, example: String)
    case outside(root: String, path: String)
    case unknownClass(String, available: [String])

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .missingFolder(let path): "The dataset folder \(path) does not exist or is not a folder (`dataset.root`)."
        case .noVideos(let path):
            "No videos under \(path). Expected <root>/<label>/<video>, or <root>/train/<label>/<video> and "
                + "<root>/test/<label>/<video>; a folder of images counts as one clip."
        case .missingList(let path): "The split list \(path) cannot be read (`dataset.splits`, `dataset.split`)."
        case .malformedList(let file, let line, let text):
            "\(file), line \(line): \"\(text)\" is not of the form of the official lists."
        case .malformedRow(let file, let row, let reason): "\(file), row \(row): \(reason)."
        case .missingColumn(let file, let column, let header):
            "\(file) has no column \(column). Its header row is: \(header.joined(separator: ", "))."
        case .needsSplits(let layout, let example):
            "The layout \(layout) needs `dataset.splits`: where \(example) and its kin are."
        case .outside(let root, let path): "A list names \(path), which leads out of \(root). Correct the list."
        case .unknownClass(let name, let available):
            "`dataset.classes` names \"\(name)\", which the dataset does not have. It has "
                + available.prefix(8).joined(separator: ", ") + (available.count > 8 ? ", …" : "") + "."
        }
    }
}
