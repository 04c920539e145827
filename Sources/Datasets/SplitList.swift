import Escaping
import Files
import Foundation

/// Text files with one clip per line.
enum SplitList {
    /// Lines that are neither blank nor comments (`# `), trimmed, with their numbers from 1.
    static func lines(of file: String) throws -> [(number: Int, text: String)] {
        try text(of: file).byteLines().enumerated()
            .map { ($0 + 1, $1.trimmingCharacters(in: .whitespaces)) }
            .filter { !$0.1.isEmpty && !$0.1.hasBytePrefix("# ") && $0.1 != "#" }
    }

    /// Maximum lines and bytes of a list: Kinetics-700 has 650,000 rows in 40 MB.
    static let (mostLines, mostBytes) = (2_000_000, 256 << 20)

    /// The text of a list without a byte-order mark. Throws `DatasetError.missingList`, `.unreadableList`, `.notAList`.
    static func text(of file: String) throws -> String { try decoded(file).text }

    /// The text of a list, with a note if its encoding is a guess.
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
        } catch { throw DatasetError.unreadableList(file, reason: error.description) }
        let lines = decoded.text.utf8.count { $0 == UInt8(ascii: "\n") }
        guard lines <= mostLines else {
            throw DatasetError.unreadableList(file, reason: "it has \(lines) lines; the limit is \(mostLines)")
        }
        return decoded
    }
}

/// A list of excluded paths: CSV with a column `path`, or one path per line.
enum ExclusionList {
    static func paths(in file: String) throws -> Set<String> {
        let lines = try SplitList.lines(of: file)
        guard let first = lines.first else { return [] }
        let text = try SplitList.text(of: file)
        for separator in [",", ";", "\t", "|"].map({ UInt8(ascii: $0) }) {
            guard let header = (try? CSVTable.records(first.text, separator: separator, limit: 1))?.first,
                let column = header.firstIndex(where: { ListColumns.plain($0) == "path" })
            else { continue }
            let rules = CSVTable.ListRules(firstLine: first.number) {
                $0.trimmingCharacters(in: .whitespaces).hasBytePrefix("# ")
            }
            let rest = text.byteLines().dropFirst(first.number - 1).first.map { text[$0.startIndex...] } ?? ""
            do throws(CSVTable.Unterminated) {
                let records = try CSVTable.records(String(rest), separator: separator, rules: rules)
                let cells = records.dropFirst().compactMap {
                    $0.fields.indices.contains(column) ? $0.fields[column] : nil
                }
                return Set(cells.filter { !$0.isEmpty })
            } catch { throw DatasetError.openQuote(file: file, line: error.line, what: nil) }
        }
        return Set(lines.map(\.text))
    }
}
