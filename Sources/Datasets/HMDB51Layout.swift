import Escaping

/// HMDB51 (Kuehne et al. 2011) as unpacked: `<root>/<class>/<video>.avi`, and the official lists
/// `<class>_test_split<N>.txt` with lines `<video>.avi <k>`, where k is 1 for train, 2 for test, 0 for unused. Videos
/// may have another extension or be folders of frames, and names may have other special characters.
struct HMDB51Layout {
    let root: String
    let splits: String?
    let split: Int

    func listing() throws -> DatasetListing {
        guard let splits else {
            throw DatasetError.needsSplits(layout: "hmdb51", example: "brush_hair_test_split1.txt")
        }
        let ending = "_test_split\(split).txt"
        let files = try FolderLayout.names(in: splits).filter { $0.hasByteSuffix(ending) }
        guard !files.isEmpty else { throw DatasetError.missingList("\(splits)/*\(ending)") }
        var clips = OfficialClips(root: root)
        for file in files {
            let label = String(decoding: file.utf8.dropLast(ending.utf8.count), as: UTF8.self)
            try Self.add("\(splits)/\(file)", label: label, to: &clips)
        }
        return try clips.listing(of: "\(splits)/*\(ending)")
    }

    private static func add(_ list: String, label: String, to clips: inout OfficialClips) throws {
        for (number, line) in try SplitList.lines(of: list) {
            guard let match = line.wholeMatch(of: /(.+?)\s+([012])/) else {
                throw DatasetError.malformedList(file: list, line: number, text: line)
            }
            if match.2 == "0" { continue }
            let name = String(match.1)
            clips.add(
                name, folder: label, label: label, split: match.2 == "1" ? .train : .test, group: group(of: name, label)
            )
        }
    }

    /// `April_09_brush_hair_u_nm_np1_ba_goo_0.avi` → `brush_hair_April_09`: the source video precedes the class names.
    private static func group(of name: String, _ label: String) -> String? {
        guard let range = name.firstByteRange(of: "_\(label)_") else { return nil }
        return "\(label)_\(name[..<range.lowerBound])"
    }
}
