import Escaping
import Files
import Foundation

/// Text files with one clip per line.
enum SplitList {
    /// Lines that are neither blank nor comments (`# `), trimmed, with their numbers from 1. Throws
    /// `DatasetError.missingList`, `.unreadableList`, `.notAList`.
    static func lines(of file: String) throws -> [(number: Int, text: String)] {
        try text(of: file).byteLines().enumerated()
            .map { ($0 + 1, $1.trimmingCharacters(in: .whitespaces)) }
            .filter { !$0.1.isEmpty && !$0.1.hasBytePrefix("# ") && $0.1 != "#" }
    }

    /// Maximum lines and bytes of a list: Kinetics-700 has 650,000 rows in 40 MB.
    static let (mostLines, mostBytes) = (2_000_000, 256 << 20)

    /// The text of a list without a byte-order mark. Throws `DatasetError.missingList`, `.unreadableList`, `.notAList`.
    static func text(of file: String) throws -> String { try decoded(file).text }

    /// The text of a list, with a note if its encoding is a guess. Throws `DatasetError.missingList`,
    /// `.unreadableList`, `.notAList`.
    static func decoded(_ file: String) throws -> TextDecoding {
        let data: Data
        do throws(FileError) {
            data = try RegularFile.contents(file, limit: mostBytes)
        } catch {
            if error.problem == .missing { throw DatasetError.missingList(file) }
            throw DatasetError.unreadableList(file, reason: error.reason)
        }
        if let found = ForeignFile(data, path: file) {
            throw DatasetError.notAList(file, found.description, remedy: found.remedy)
        }
        let decoded: TextDecoding
        do throws(TextDecoding.Mixed) {
            decoded = try TextDecoding(data)
        } catch {
            throw DatasetError.unreadableList(file, reason: error.description)
        }
        let lines = decoded.text.utf8.count { $0 == UInt8(ascii: "\n") }
        guard lines <= mostLines else {
            throw DatasetError.unreadableList(file, reason: "it has \(lines) lines; the limit is \(mostLines)")
        }
        return decoded
    }
}
