import Foundation

/// UCF101 (Soomro, Zamir, Shah 2012) as it unpacks: `<root>/<Class>/v_<Class>_g<group>_c<clip>.avi`, and
/// the official lists `trainlist0N.txt` (`Class/v_….avi 1`) and `testlist0N.txt` (`Class/v_….avi`).
struct UCF101Layout {
    let root: String
    let splits: String?
    let split: Int

    func clips() throws -> [Clip] {
        guard let splits else { throw DatasetError.needsSplits(layout: "ucf101", example: "trainlist01.txt") }
        guard FolderLayout.isFolder(root) else { throw DatasetError.missingFolder(root) }
        return try Self.clips(in: "\(splits)/trainlist0\(split).txt", .train)
            + Self.clips(in: "\(splits)/testlist0\(split).txt", .test)
    }

    private static func clips(in file: String, _ split: Split) throws -> [Clip] {
        try SplitList.lines(of: file).map { number, line in
            guard let match = line.wholeMatch(of: /([^\/]+)\/([^\/]+?\.\w+)(?:\s+\d+)?/) else {
                throw DatasetError.malformedList(file: file, line: number, text: line)
            }
            let (label, name) = (String(match.1), String(match.2))
            return Clip(path: "\(label)/\(name)", label: label, split: split, group: group(of: name, label))
        }
    }

    /// `v_ApplyEyeMakeup_g08_c01.avi` → `ApplyEyeMakeup_g08`: g08 of another class is another source.
    private static func group(of name: String, _ label: String) -> String? {
        guard let match = name.firstMatch(of: /_(g\d+)_c\d+/) else { return nil }
        return "\(label)_\(match.1)"
    }
}
