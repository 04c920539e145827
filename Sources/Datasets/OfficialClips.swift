/// Clips of official lists with their paths below the root.
struct OfficialClips {
    private var finder: FileFinder
    private var clips: [Clip] = []
    /// The first spelling of each class, by its lower case.
    private var labels: [String: String] = [:]
    private var renamed = RenamedClips()

    init(root: String) { finder = FileFinder(root: root, isLenient: true) }

    mutating func label(_ label: String) -> String {
        let known = labels[label.lowercased()] ?? label
        labels[label.lowercased()] = known
        return known
    }

    /// Adds a listed clip; if it is not found, it is reported as missing under its listed name.
    mutating func add(_ name: String, folder: String, label: String, split: Split, group: String?) {
        let listed = "\(folder)/\(name)"
        let path = finder.isListed(listed) ? listed : finder.only(like: listed) ?? listed
        if path != listed { renamed.add(path, for: listed) }
        clips.append(Clip(path: path, label: label, split: split, group: group))
    }

    /// All clips. Throws `DatasetError.emptyList` if there are none.
    func listing(of list: String) throws -> DatasetListing {
        if clips.isEmpty {
            throw DatasetError.emptyList(list, "all lines are blank or list unused clips", isOfficial: true)
        }
        var listing = DatasetListing(clips: clips)
        listing.notes = [renamed.note, finder.note].compactMap { $0 }
        return listing
    }
}

/// Counts clips whose file names differ from the list.
struct RenamedClips {
    private var count = 0, example = ""

    mutating func add(_ path: String, for listed: String) {
        count += 1
        if example.isEmpty { example = "\(path) for \(listed)" }
    }

    var note: String? {
        switch count {
        case 0: nil
        case 1: "1 clip has another name than in the list: \(example)"
        default: "\(count) clips have other names than in the list, such as \(example)"
        }
    }
}
