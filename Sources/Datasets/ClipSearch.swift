import Escaping
import Foundation

/// Finds the files of a list: below the root, in the root's folder of their split, of their label, and of their label in that of their
/// split. If none is there by the name in the list, a file with another ending, a folder of images, or a folder with another spelling
/// counts, if it is the only one.
struct ClipSearch {
    /// What a list calls a clip.
    struct Name {
        /// As it is written in the list.
        let text: String
        /// Paths that it can mean, the most literal first.
        let candidates: [String]
        /// By which the file may be called if no other clip has the same.
        var identifier: String?

        init(_ text: String, candidates: [String]) { (self.text, self.candidates) = (text, candidates) }

        init(kinetics clip: KineticsClip) {
            candidates = clip.names
            text = clip.names.first ?? ""
            identifier = clip.identifier
        }
    }

    private var finder: FileFinder
    /// How many clips have an identifier.
    private let identifiers: [String: Int]
    /// Folders of a split, once looked up.
    private var splitFolders: [Split: [String]] = [:]
    /// Clips that are called otherwise than in the list, and one of them.
    private var renamed = 0, example = ""

    init(root: String, names: [Name]) {
        finder = FileFinder(root: root)
        identifiers = names.reduce(into: [:]) { counts, name in
            if let identifier = name.identifier { counts[identifier, default: 0] += 1 }
        }
    }

    /// What to tell the user of the files that were found.
    var notes: [String] {
        [renamed > 0 ? RenamedClips.note(renamed, example: example) : nil, finder.note].compactMap { $0 }
    }

    /// Where the clip is below the root; as named if it is nowhere, so that it is reported as missing.
    mutating func place(of name: Name, label: String, split: Split?) -> String {
        // As older versions found it.
        for path in name.candidates {
            let places = [path] + (split.map { ["\($0.rawValue)/\(path)"] } ?? []) + ["\(label)/\(path)"]
            if let found = places.first(where: { Clip.staysInside($0) && finder.exists($0) }) { return found }
        }
        if let found = similar(to: name, label: label, split: split ?? .train) {
            renamed += found.isRenamed ? 1 : 0
            if example.isEmpty, found.isRenamed { example = "\(found.path) for \(name.text)" }
            return found.path
        }
        return name.candidates.first ?? name.text
    }

    /// Whether a clip of that name is there.
    mutating func exists(_ name: Name, split: Split?) -> Bool {
        guard !name.candidates.isEmpty else { return false }
        if name.candidates.contains(where: finder.isClip) { return true }
        return folders(of: split ?? .train).contains { folder in
            name.candidates.contains { finder.isClip("\(folder)/\($0)") }
        }
    }

    private mutating func similar(to name: Name, label: String, split: Split) -> (path: String, isRenamed: Bool)? {
        let folder = folders(of: split)
        let places =
            [""] + folder.map { $0 + "/" } + (["\(label)/"] + folder.map { "\($0)/\(label)/" }).filter(Clip.staysInside)
        var candidates = name.candidates
        // Without times, a name is that of the only clip of the video.
        if let identifier = name.identifier, identifiers[identifier] == 1 { candidates.append(identifier) }
        for candidate in candidates {
            for place in places where finder.isListed(place + candidate) { return (place + candidate, false) }
        }
        for candidate in candidates {
            for place in places {
                if let found = finder.only(like: place + candidate) { return (found, true) }
            }
        }
        return nil
    }

    /// Folders in the root that speak of one split, such as `val` or `videos_val`.
    private mutating func folders(of split: Split) -> [String] {
        if let known = splitFolders[split] { return known }
        let folders = finder.rootFolders().filter { SplitNames.split(in: $0) == split }
        splitFolders[split] = folders
        return folders
    }
}
