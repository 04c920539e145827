import Escaping
import Foundation

/// Charades (Sigurdsson et al. 2016) as published: `Charades_v1_train.csv` and `Charades_v1_test.csv` with the columns
/// `id`, `subject`, `scene`, … and `actions`, such as `c092 11.90 21.20;c147 0.00 12.60`: codes of classes with the
/// start and end of the action in seconds. The names of the classes are in `Charades_v1_classes.txt`.
struct CharadesList {
    private let actions: Int
    /// Class names by code; nil without the file.
    private let names: [String: String]?
    let note: String

    static let classFile = "Charades_v1_classes.txt"

    static func isHeader(_ header: [String]) -> Bool {
        Set(header.map(ListColumns.plain)).isSuperset(of: ["id", "subject", "scene", "actions", "length"])
    }

    /// The column of the actor, who is the source of a clip.
    static func group(_ header: [String]) -> Int? { header.firstIndex { ListColumns.plain($0) == "subject" } }

    static func path(_ id: String) -> String { id + ".mp4" }

    /// Reads the names of the classes beside the list. Throws `DatasetError`.
    init(_ header: [String], file: String) throws {
        actions = header.firstIndex { ListColumns.plain($0) == "actions" } ?? header.count
        let classes = URL(fileURLWithPath: file).deletingLastPathComponent().path + "/" + Self.classFile
        names = FileManager.default.fileExists(atPath: classes) ? try Self.names(in: classes) : nil
        note =
            "\(file): a list of Charades; a clip has the classes of its actions, whose times are not used"
            + (names == nil ? "; classes have their codes as names, since \(Self.classFile) is not beside it" : "")
    }

    private static func names(in file: String) throws -> [String: String] {
        var names: [String: String] = [:]
        for (number, line) in try SplitList.lines(of: file) {
            guard let match = line.wholeMatch(of: /(c\d{3})\s+(\S.*)/), names[String(match.1)] == nil,
                !names.values.contains(String(match.2))
            else { throw DatasetError.malformedList(file: file, line: number, text: line) }
            names[String(match.1)] = String(match.2)
        }
        return names
    }

    /// The distinct classes of a row. Throws `DatasetError.malformedRow`.
    func labels(of row: ListTable.Row, file: String) throws -> [String] {
        guard row.cells.indices.contains(actions) else {
            throw DatasetError.malformedRow(file: file, row: row.number, reason: "it ends before the actions")
        }
        return try Set(
            (row.cell(actions) ?? "").splitBytes(";").map { action -> String in
                let text = action.trimmingCharacters(in: .whitespaces)
                guard let match = text.wholeMatch(of: /(c\d{3}) +\d+(?:\.\d+)? +\d+(?:\.\d+)?/) else {
                    throw DatasetError.malformedRow(
                        file: file, row: row.number, reason: "the action \(text) is not like c092 11.90 21.20")
                }
                let code = String(match.1)
                guard let names else { return code }
                guard let name = names[code] else {
                    throw DatasetError.malformedRow(
                        file: file, row: row.number, reason: "the class \(code) is not in \(Self.classFile)")
                }
                return name
            }
        ).sorted()
    }
}
