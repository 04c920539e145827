import Foundation
import Video

/// The lists in a folder, at most one per split: `train.csv` and so on, otherwise files whose names mean one split.
struct ListFolder {
    struct List {
        let path: String
        let split: Split
    }

    let lists: [List]
    /// Ignored files, and assumptions from parts of words.
    private(set) var notes: [String] = []

    private static let endings: Set<String> = ["csv", "tsv", "txt", "json", "jsonl"]

    /// A list that may be that of a split.
    private struct Candidate {
        let name: String
        let split: Split
        let rank: Int
        let isInsideWord: Bool

        /// Nil if the name means no split, or several.
        init?(_ name: String) {
            let url = URL(fileURLWithPath: name)
            let stem = url.deletingPathExtension().lastPathComponent
            self.name = name
            let isCSV = url.pathExtension.lowercased() == "csv"
            if let split = SplitNames.split(named: stem) {
                self.split = split
                rank = (isCSV ? 0 : 2) + (split.rawValue.utf8.elementsEqual(stem.lowercased().utf8) ? 0 : 1)
                isInsideWord = false
            } else if let split = SplitNames.split(in: stem) {
                (self.split, rank, isInsideWord) = (split, 4, false)
            } else if let split = SplitNames.split(insideWordsOf: stem) {
                (self.split, rank, isInsideWord) = (split, 4, true)
            } else {
                return nil
            }
        }
    }

    init(_ folder: String) throws {
        let names = try FolderLayout.names(in: folder)
        let readable = names.filter {
            Self.endings.contains(Self.ending($0)) && !FolderLayout.isFolder("\(folder)/\($0)")
        }
        let foreign = names.filter { Self.isForeign($0) && !FolderLayout.isFolder("\(folder)/\($0)") }
        let (official, layout) = PublishedLists.found(in: readable)
        let candidates = Self.without(official, readable).compactMap(Candidate.init)
        guard !candidates.isEmpty else {
            throw DatasetError.noLists(
                folder: folder, found: official.isEmpty ? readable + foreign : official, layout: layout)
        }
        var chosen: [Candidate] = []
        for split in Split.allCases {
            let ofPart = candidates.filter { $0.split == split }
            guard let rank = ofPart.map(\.rank).min() else { continue }
            let best = ofPart.filter { $0.rank == rank }
            guard best.count == 1, let list = best.first else {
                throw DatasetError.severalLists(folder: folder, split.rawValue, best.map(\.name))
            }
            chosen.append(list)
            let others = ofPart.filter { $0.rank > rank }.map(\.name)
            if !others.isEmpty {
                notes.append(
                    "\(folder): \(Self.named(others)) not read: \(list.name) is the list of the \(split.rawValue) part")
            }
        }
        // Ordered by name, as in earlier versions.
        lists = chosen.sorted { $0.name < $1.name }.map { List(path: "\(folder)/\($0.name)", split: $0.split) }
        for list in chosen where list.isInsideWord {
            notes.append("\(folder): \(list.name) is read as the \(list.split.rawValue) part because of its name")
        }
        let left = Self.without(candidates.map(\.name) + [CharadesList.classFile], readable)
        if !left.isEmpty {
            notes.append(
                "\(folder): \(Self.named(left)) not read: a list has the name of one part, such as train.csv, "
                    + "validation.csv or test.csv")
        }
        if !foreign.isEmpty {
            notes.append("\(folder): \(Self.named(foreign)) not read: lists end in .csv, .tsv, .txt, .json or .jsonl")
        }
    }

    private static func without(_ others: [String], _ names: [String]) -> [String] {
        let others = Set(others)
        return names.filter { !others.contains($0) }
    }

    private static func ending(_ name: String) -> String { URL(fileURLWithPath: name).pathExtension.lowercased() }

    /// Whether a file is named like a list of a split, with another extension: `test.xlsx`, `val.list`.
    private static func isForeign(_ name: String) -> Bool {
        guard !endings.contains(ending(name)), !VideoReader.isVideo(name), !ImageFolder.isImage(name) else {
            return false
        }
        return SplitNames.split(in: name) != nil
    }

    private static func named(_ names: [String]) -> String {
        DatasetError.named(names) + (names.count == 1 ? " is" : " are")
    }
}

/// File names of published lists.
enum PublishedLists {
    /// The official lists among the files, and the layout that reads the first one.
    static func found(in names: [String]) -> (names: [String], layout: DatasetConfiguration.Layout?) {
        let ucf = names.filter { $0.wholeMatch(of: /(train|test)list0[1-3]\.txt/) != nil }
        let hmdb = names.filter { $0.wholeMatch(of: /.+_test_split[1-3]\.txt/) != nil }
        // HMDB51 has one per class; `my_test_split1.txt` alone is not official.
        let isHMDB = Set(hmdb.map { $0.utf8.dropLast("1.txt".utf8.count).map { $0 } }).count > 1
        return (ucf + (isHMDB ? hmdb : []), ucf.isEmpty ? isHMDB ? .hmdb51 : nil : .ucf101)
    }
}
