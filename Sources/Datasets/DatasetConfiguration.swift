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
        /// Clips that tables list: CSV, `path label` a line, JSON; Kinetics' lists among them.
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
    /// Folder of the split lists, or one list, if the layout has them.
    public var splits: String?
    /// Which official split, from 1; where there are all, the first.
    public var split: Int
    /// Whether all official splits are meant, one after the other, as papers report them.
    public var allSplits: Bool
    /// Share of train that `sequence` sets aside where the dataset has no validation part, from 0 to below 1.
    public var validation: Double
    /// Share of all clips that is set aside as a test part where the dataset has none, from 0 to below 1.
    public var test: Double
    /// Of that choice.
    public var testSeed: Int
    /// What names the source of a clip: for `csv` a column, else a regular expression that is looked for in the path
    /// (what its parentheses hold, or all it matches). Nil is as the layout knows it.
    public var group: String?
    /// A list of paths that are left out: CSV with a column `path`, or a path a line. Nil leaves none out.
    public var exclude: String?
    /// Which classes are used.
    public var classes: Classes
    private let givenName: String?

    /// A dataset; what is left out has the default of a pipeline file.
    public init(
        layout: Layout, root: String, splits: String? = nil, split: Int = 1, allSplits: Bool = false,
        validation: Double = 0.2, test: Double = 0, testSeed: Int = 0, group: String? = nil, exclude: String? = nil,
        classes: Classes = .all, name: String? = nil
    ) {
        self.layout = layout
        self.root = root
        self.splits = splits
        self.split = split
        self.allSplits = allSplits
        self.validation = validation
        self.test = test
        self.testSeed = testSeed
        self.group = group
        self.exclude = exclude
        self.classes = classes
        givenName = name
    }

    /// What `sample.dataset` holds: the root folder's name, with `/splitN` where the layout numbers them.
    public var name: String {
        if let givenName { return allSplits ? "\(givenName)/split\(split)" : givenName }
        let folder = URL(fileURLWithPath: root).standardizedFileURL.lastPathComponent
        return layout.hasNumberedSplits ? "\(folder)/split\(split)" : folder
    }

    /// The same videos under each official split, where all are meant; else this alone.
    public var parts: [DatasetConfiguration] {
        guard allSplits else { return [self] }
        return (1...3).map { number in
            var part = self
            part.split = number
            return part
        }
    }

    /// The clips of the chosen classes, ordered by path; of all official splits together where all are meant, each clip
    /// then as the first split that lists it has it.
    ///
    /// - Throws: `DatasetError`.
    public func clips() throws -> [Clip] { try listing().clips }

    /// The same clips, and what under the root is no clip.
    ///
    /// - Throws: `DatasetError`.
    public func listing() throws -> DatasetListing {
        guard allSplits else { return try ownListing() }
        let listings = try parts.map { try $0.ownListing() }
        var seen: Set<[UInt8]> = []
        var all = DatasetListing(clips: listings.flatMap(\.clips).filter { seen.insert(Array($0.path.utf8)).inserted })
        for file in listings.flatMap(\.leftOut) where !all.leftOut.contains(file) { all.leftOut.append(file) }
        for note in listings.flatMap(\.notes) where !all.notes.contains(note) { all.notes.append(note) }
        all.separateEquivalentPaths()
        all.clips.sort { $0.path < $1.path }
        return all
    }

    /// The clips of this split, ordered by path.
    ///
    /// - Throws: `DatasetError`.
    public func ownClips() throws -> [Clip] { try ownListing().clips }

    private func ownListing() throws -> DatasetListing {
        let excluded = try excludedPaths()
        let found = try listing(of: layout)
        var all = found.clips.filter { !excluded.contains($0.path) }
        for clip in all where !Clip.staysInside(clip.path) { throw DatasetError.outside(root: root, path: clip.path) }
        if test > 0 { all = try settingTestAside(all) }
        let labels = try chosenLabels(from: all.map { ($0.label, $0.split) })
        let leftOut = found.leftOut.filter { file in
            !excluded.contains(file.path) && (classes == .all || file.label.map(labels.contains) ?? true)
        }
        let clips = all.filter { labels.contains($0.label) }.sorted { $0.path < $1.path }
        return DatasetListing(
            clips: clips, leftOut: leftOut.sorted { $0.path < $1.path },
            notes: found.notes + DoubtfulLabels(clips.map(\.label)).notes)
    }

    /// Paths that are left out.
    ///
    /// - Throws: `DatasetError.missingList`.
    public func excludedPaths() throws -> Set<String> {
        guard let exclude else { return [] }
        return try ExclusionList.paths(in: exclude)
    }

    func listedClips() throws -> [Clip] { try listing(of: layout).clips }

    /// All that the folder or the lists have.
    private func listing(of layout: Layout) throws -> DatasetListing {
        var listing =
            switch layout {
            case .folders: try FolderLayout(root: root).listing()
            case .ucf101: try UCF101Layout(root: root, splits: splits, split: split).listing()
            case .hmdb51: try HMDB51Layout(root: root, splits: splits, split: split).listing()
            case .gtea61: try GTEA61Layout(root: root).listing()
            case .csv: try CSVLayout(root: root, splits: splits, groupColumn: group).listing()
            }
        listing.separateEquivalentPaths()
        if layout != .csv { listing.clips = try grouped(listing.clips) }
        return listing
    }

    /// Clips with the group that the pattern finds in their paths; a clip in which it finds nothing has none.
    private func grouped(_ clips: [Clip]) throws -> [Clip] {
        guard let group else { return clips }
        let pattern: Regex<AnyRegexOutput>
        do { pattern = try Regex(group) } catch { throw DatasetError.malformedPattern(group, "\(error)") }
        let grouped = clips.map { clip in
            let found = clip.path.firstMatch(of: pattern).map { match in
                let captures = match.output.dropFirst().compactMap { $0.substring.map(String.init) }
                return match.output.count > 1 ? captures.joined(separator: "/") : String(clip.path[match.range])
            }
            return Clip(path: clip.path, label: clip.label, split: clip.split, group: found)
        }
        if let first = clips.first, grouped.allSatisfy({ $0.group == nil }) {
            throw DatasetError.malformedPattern(group, "it is found in no path, such as \(first.path)")
        }
        return grouped
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
