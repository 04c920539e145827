import Foundation

/// The `dataset` section of a pipeline.
package struct DatasetConfiguration: Sendable, Equatable {
    package enum Layout: String, Sendable, CaseIterable {
        /// `<root>/<label>/<video>`, or the same under `train`, `validation` and `test`.
        case folders
        case ucf101, hmdb51, gtea61
        /// Clips in tables: CSV, lines of `path label`, JSON, and Kinetics' lists.
        case csv

        package var hasNumberedSplits: Bool { self == .ucf101 || self == .hmdb51 }
        package var hasLists: Bool { hasNumberedSplits || self == .csv }
    }

    package enum Classes: Sendable, Equatable {
        case all, named([String])
        /// The classes with the most training clips.
        case top(Int)
    }

    package var layout: Layout
    package var root: String
    /// Folder of the split lists, or one list, if the layout has them.
    package var splits: String?
    /// Number of the official split, from 1; if all are used, the first.
    package var split: Int
    /// Whether all official splits are evaluated one after the other, as in papers.
    package var allSplits: Bool
    /// Fraction of the training set, from 0 to below 1, for validation if the data set has no validation split.
    package var validation: Double
    /// Fraction of all clips used as a test set if the data set has none, from 0 to below 1.
    package var test: Double
    package var testSeed: Int
    /// Definition of a clip's source: for `csv` a column, otherwise a regular expression that is searched for in the
    /// path (its capture group, or the whole match). Nil uses the layout's own definition.
    package var group: String?
    package var exclude: String?
    package var classes: Classes
    package var task: Task
    /// Text between the labels in a cell of a list, for the task `multilabel`.
    package var labelSeparator: String
    /// The label or class folder that means no label, for the task `multilabel`; nil if there is none.
    package var negatives: String?
    private let givenName: String?

    package init(
        layout: Layout, root: String, splits: String? = nil, split: Int = 1, allSplits: Bool = false,
        validation: Double = 0.2, test: Double = 0, testSeed: Int = 0, group: String? = nil, exclude: String? = nil,
        classes: Classes = .all, name: String? = nil, task: Task = .classification, labelSeparator: String = "|",
        negatives: String? = nil
    ) {
        (self.layout, self.root, self.splits, self.split, self.allSplits) = (layout, root, splits, split, allSplits)
        (self.validation, self.test, self.testSeed, self.group) = (validation, test, testSeed, group)
        (self.exclude, self.classes) = (exclude, classes)
        (self.task, self.labelSeparator, self.negatives) = (task, labelSeparator, negatives)
        givenName = name
    }

    /// The value of `sample.dataset`: the root folder's name, with `/splitN` for layouts with numbered splits.
    package var name: String {
        if let givenName { return allSplits ? "\(givenName)/split\(split)" : givenName }
        let folder = URL(fileURLWithPath: root).standardizedFileURL.lastPathComponent
        return layout.hasNumberedSplits ? "\(folder)/split\(split)" : folder
    }

    /// One configuration per official split if all are used; otherwise this one alone.
    package var parts: [DatasetConfiguration] {
        guard allSplits else { return [self] }
        return (1...3).map { number in
            var part = self
            part.split = number
            return part
        }
    }

    /// The clips of the selected classes, or with the task `multilabel` all clips with the selected ones of their
    /// labels, ordered by path; of all official splits together if all are used, each clip
    /// then as in the first split that lists it. Throws `DatasetError`.
    package func clips() throws -> [Clip] { try listing().clips }

    /// The clips, and the files below the root that are not clips. Throws `DatasetError`.
    package func listing() throws -> DatasetListing {
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

    /// The clips of this split, ordered by path. Throws `DatasetError`.
    package func ownClips() throws -> [Clip] { try ownListing().clips }

    /// The clips of this split; nil if the folder or the lists are gone, so that only a cache can have them. Throws
    /// `DatasetError` if they are there and cannot be read.
    package func presentClips() throws -> [Clip]? {
        do { return try ownClips() } catch let error as DatasetError where error.isAbsence { return nil }
    }

    private func ownListing() throws -> DatasetListing {
        let excluded = try excludedPaths()
        let found = try listing(of: layout)
        var all = found.clips.filter { !excluded.contains($0.path) }
        for clip in all where !Clip.staysInside(clip.path) { throw DatasetError.outside(root: root, path: clip.path) }
        if test > 0 { all = try settingTestAside(all) }
        let labels = try chosenLabels(from: all.map { ($0.label, $0.split) })
        let leftOut = found.leftOut.filter { file in
            !excluded.contains(file.path) && (classes == .all || file.label.map { isKept($0, labels) } ?? true)
        }
        let clips = keeping(labels, of: all).sorted { $0.path < $1.path }
        if task == .multilabel, !all.isEmpty, labels.isEmpty { throw DatasetError.noLabelledClip(splits ?? root) }
        let names = clips.map { task.names(in: $0.label) }
        let hint =
            task == .multilabel && layout == .csv
            ? SuspiciousClassNames.separatorNote(names, separator: labelSeparator) : nil
        return DatasetListing(
            clips: clips.spelledAlike(task), leftOut: leftOut.sorted { $0.path < $1.path },
            notes: found.notes + SuspiciousClassNames(names.joined(), task: task).notes + [hint].compactMap { $0 })
    }

    package func excludedPaths() throws -> Set<String> {
        guard let exclude else { return [] }
        return try ExclusionList.paths(in: exclude)
    }

    func listedClips() throws -> [Clip] { try listing(of: layout).clips }

    private func listing(of layout: Layout) throws -> DatasetListing {
        var listing =
            switch layout {
            case .folders where task == .multilabel:
                try FolderLayout(root: root).listing().joiningLinks(root: root, negatives: negatives)
            case .folders: try FolderLayout(root: root).listing()
            case .ucf101: try UCF101Layout(root: root, splits: splits, split: split).listing()
            case .hmdb51: try HMDB51Layout(root: root, splits: splits, split: split).listing()
            case .gtea61: try GTEA61Layout(root: root).listing()
            case .csv:
                try CSVLayout(
                    root: root, splits: splits, groupColumn: group, task: task, labelSeparator: labelSeparator,
                    negatives: negatives
                ).listing()
            }
        listing.separateEquivalentPaths()
        if layout != .csv { listing.clips = try grouped(listing.clips) }
        return listing
    }

    /// Clips with the group that the pattern matches in their paths, or none.
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
            throw DatasetError.malformedPattern(group, "it matches no path, such as \(first.path)")
        }
        return grouped
    }
}
