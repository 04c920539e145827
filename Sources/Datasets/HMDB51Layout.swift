import Escaping
import Files
import Foundation

/// HMDB51 (Kuehne et al. 2011) as it unpacks: `<root>/<class>/<video>.avi`, and the official lists
/// `<class>_test_split<N>.txt` with lines `<video>.avi <k>`, k being 1 for train, 2 for test, 0 for unused.
struct HMDB51Layout {
    let root: String
    let splits: String?
    let split: Int

    func clips() throws -> [Clip] {
        guard let splits else {
            throw DatasetError.needsSplits(layout: "hmdb51", example: "brush_hair_test_split1.txt")
        }
        let ending = "_test_split\(split).txt"
        let files = try FolderLayout.names(in: splits).filter { $0.hasByteSuffix(ending) }
        guard !files.isEmpty else { throw DatasetError.missingList("\(splits)/*\(ending)") }
        return try files.flatMap { file in
            try clips(
                label: String(decoding: file.utf8.dropLast(ending.utf8.count), as: UTF8.self), list: "\(splits)/\(file)"
            )
        }
    }

    private func clips(label: String, list: String) throws -> [Clip] {
        try SplitList.lines(of: list).compactMap { number, line in
            guard let match = line.wholeMatch(of: /(.+\.\w+)\s+([012])/) else {
                throw DatasetError.malformedList(file: list, line: number, text: line)
            }
            if match.2 == "0" { return nil }
            let name = String(match.1)
            return Clip(
                path: "\(label)/\(name)", label: label, split: match.2 == "1" ? .train : .test,
                group: Self.group(of: name, label))
        }
    }

    /// `April_09_brush_hair_u_nm_np1_ba_goo_0.avi` → `brush_hair_April_09`: what stands before the class
    /// names the source video.
    private static func group(of name: String, _ label: String) -> String? {
        guard let range = name.firstByteRange(of: "_\(label)_") else { return nil }
        return "\(label)_\(name[..<range.lowerBound])"
    }
}

/// Text files of one clip a line.
enum SplitList {
    /// Lines that are not blank, trimmed, with their numbers from 1.
    ///
    /// - Throws: `DatasetError.missingList`.
    static func lines(of file: String) throws -> [(number: Int, text: String)] {
        try text(of: file).byteLines().enumerated()
            .map { ($0 + 1, $1.trimmingCharacters(in: .whitespaces)) }
            .filter { !$0.1.isEmpty }
    }

    /// Lines, and bytes, that a list has at most: Kinetics-700 has 650,000 rows in 40 MB.
    static let (mostLines, mostBytes) = (2_000_000, 256 << 20)

    /// The whole text of a list.
    ///
    /// - Throws: `DatasetError.missingList`, `DatasetError.unreadableList`.
    static func text(of file: String) throws -> String {
        let text: String
        do throws(FileError) {
            text = try RegularFile.text(file, limit: mostBytes)
        } catch {
            if error.problem == .missing { throw DatasetError.missingList(file) }
            throw DatasetError.unreadableList(file, reason: error.reason)
        }
        let lines = text.utf8.count { $0 == UInt8(ascii: "\n") }
        guard lines <= mostLines else {
            throw DatasetError.unreadableList(
                file, reason: "it has \(lines) lines, the most that is read is \(mostLines)")
        }
        return text
    }
}
