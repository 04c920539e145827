import Escaping
import Foundation

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
