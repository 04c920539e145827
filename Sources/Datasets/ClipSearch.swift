import Foundation

/// Finds the files of a list: below the root, or in folders of their split, of their label, or both. Without an exact
/// match, a file with another extension, a folder of images, or one with another spelling is accepted if unique.
struct ClipSearch {
    struct Name {
        /// As written in the list.
        let text: String
        /// Paths that it may mean, the most literal first.
        let candidates: [String]
        /// Alternative file name, if it is unique among the clips.
        var identifier: String?

        init(_ text: String, candidates: [String]) { (self.text, self.candidates) = (text, candidates) }

        init(kinetics clip: KineticsClip) {
            candidates = clip.names
            text = clip.names.first ?? ""
            identifier = clip.identifier
        }
    }

    private var finder: FileFinder
    /// Number of clips of each identifier.
    private let identifiers: [String: Int]
    /// Cache of the folders of each split.
    private var splitFolders: [Split: [String]] = [:]
    private var renamed = RenamedClips()

    init(root: String, names: [Name]) {
        finder = FileFinder(root: root)
        identifiers = names.reduce(into: [:]) { counts, name in
            if let identifier = name.identifier { counts[identifier, default: 0] += 1 }
        }
    }

    /// Notes about the files that were found.
    var notes: [String] { [renamed.note, finder.note].compactMap { $0 } }

    /// Path of the clip below the root, or the listed name if it is missing.
    mutating func place(of name: Name, labels: [String], split: Split?) -> String {
        // The search order of older versions comes first.
        for path in name.candidates {
            let places =
                [path] + (split.map { ["\($0.rawValue)/\(path)"] } ?? []) + labels.map { "\($0)/\(path)" }
            if let found = places.first(where: { Clip.staysInside($0) && finder.exists($0) }) { return found }
        }
        if let found = similar(to: name, labels: labels, split: split ?? .train) {
            if found.isRenamed { renamed.add(found.path, for: name.text) }
            return found.path
        }
        return name.candidates.first ?? name.text
    }

    mutating func exists(_ name: Name, split: Split?) -> Bool {
        guard !name.candidates.isEmpty else { return false }
        if name.candidates.contains(where: finder.isClip) { return true }
        return folders(of: split ?? .train).contains { folder in
            name.candidates.contains { finder.isClip("\(folder)/\($0)") }
        }
    }

    private mutating func similar(to name: Name, labels: [String], split: Split) -> (path: String, isRenamed: Bool)? {
        let folder = folders(of: split)
        let ofLabels = labels.flatMap { label in ["\(label)/"] + folder.map { "\($0)/\(label)/" } }
        let places = [""] + folder.map { $0 + "/" } + ofLabels.filter(Clip.staysInside)
        var candidates = name.candidates
        // A name without times is unambiguous if the video has only one clip.
        if let identifier = name.identifier, identifiers[identifier] == 1 { candidates.append(identifier) }
        for candidate in candidates {
            for place in places where finder.isListed(place + candidate) { return (place + candidate, false) }
        }
        for candidate in candidates {
            for place in places { if let found = finder.only(like: place + candidate) { return (found, true) } }
        }
        return nil
    }

    /// Folders in the root whose names mean one split, such as `val` or `videos_val`.
    private mutating func folders(of split: Split) -> [String] {
        if let known = splitFolders[split] { return known }
        let folders = finder.rootFolders().filter { SplitNames.split(in: $0) == split }
        splitFolders[split] = folders
        return folders
    }
}

/// A trimmed YouTube video, as named in Kinetics' lists.
struct KineticsClip {
    private let id: String?
    private let start, end: Int?
    /// Why no file name can be formed, or nil.
    let problem: String?

    /// - Parameter cells: identifier, start and end in seconds, such as `1`, `1.0` or `000001`.
    init(_ cells: [String?]) {
        func cell(_ index: Int) -> String? { cells.indices.contains(index) ? cells[index] : nil }
        func seconds(_ index: Int) -> Int? {
            cell(index).flatMap { Int($0) ?? Double($0).flatMap { Int(exactly: $0) } }.flatMap { $0 < 0 ? nil : $0 }
        }
        (id, start, end) = (cell(0), seconds(1), seconds(2))
        func problem(_ name: String, _ index: Int) -> String {
            cell(index).map { "\(name) is \($0), not an integer number of seconds" } ?? "\(name) is empty"
        }
        self.problem =
            id == nil
            ? "the youtube_id is empty"
            : start == nil ? problem("time_start", 1) : end == nil ? problem("time_end", 2) : nil
    }

    /// The file name of videos without times in their names.
    var identifier: String { id ?? "" }

    /// Possible file names, the published one first.
    var names: [String] {
        guard let id, let start, let end else { return [] }
        return [
            String(format: "%@_%06d_%06d.mp4", id, start, end), "\(id)_\(start)_\(end).mp4",
            String(format: "%@_%06d.mp4", id, start),
        ]
    }
}
