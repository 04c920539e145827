import Escaping

/// UCF101 (Soomro, Zamir, Shah 2012) as unpacked: `<root>/<Class>/v_<Class>_g<group>_c<clip>.avi`, and the official
/// lists `trainlist0N.txt` (`Class/v_….avi 1`) and `testlist0N.txt` (`Class/v_….avi`). Videos may have another
/// extension or be folders of frames, and classes another spelling: the lists have HandstandPushups, the files
/// HandStandPushups.
struct UCF101Layout {
    let root: String
    let splits: String?
    let split: Int

    func listing() throws -> DatasetListing {
        guard let splits else { throw DatasetError.needsSplits(layout: "ucf101", example: "trainlist01.txt") }
        guard FolderLayout.isFolder(root) else { throw DatasetError.missingFolder(root) }
        var clips = OfficialClips(root: root)
        for (name, part) in [("trainlist", Split.train), ("testlist", .test)] {
            try Self.add("\(splits)/\(name)0\(split).txt", part, to: &clips)
        }
        return try clips.listing(of: "\(splits)/trainlist0\(split).txt")
    }

    private static func add(_ file: String, _ split: Split, to clips: inout OfficialClips) throws {
        for (number, line) in try SplitList.lines(of: file) {
            // Lists of frame folders have the number of frames before the class.
            guard
                let match = line.replacingBytes("\\", with: "/").wholeMatch(
                    of: /(?:.*\/)?([^\/]+)\/([^\/]+?)(?:\s+\d+){0,2}/)
            else { throw DatasetError.malformedList(file: file, line: number, text: line) }
            let (label, name) = (clips.label(String(match.1)), String(match.2))
            clips.add(name, folder: String(match.1), label: label, split: split, group: group(of: name, label))
        }
    }

    /// `v_ApplyEyeMakeup_g08_c01.avi` → `ApplyEyeMakeup_g08`: g08 of another class is another source.
    private static func group(of name: String, _ label: String) -> String? {
        guard let match = name.firstMatch(of: /_(g\d+)_c\d+/) else { return nil }
        return "\(label)_\(match.1)"
    }
}
