import Escaping
import Files
import Foundation

/// A list of clips: JSON objects (Something-Something), JSON lines, objects by file name or YouTube ID (Kinetics).
struct JSONList {
    let header: [String]
    let rows: [ListTable.Row]

    /// Maximum number of parsed values; Kinetics-700 has 5 million.
    private static let mostValues = 10_000_000

    /// Nil if the text is not JSON. Throws `DatasetError.notAList` if it is not a list of clips.
    init?(_ text: String, file: String, task: DatasetConfiguration.Task = .classification) throws {
        let start = Self.withoutComments(text).trimmingCharacters(in: .whitespacesAndNewlines)
        guard start.hasBytePrefix("[") || start.hasBytePrefix("{") else { return nil }
        func refuse(_ what: String) -> DatasetError {
            .notAList(file, "JSON, \(what)", remedy: "write it as CSV with the columns path and label")
        }
        if let reason = JSONLimits.problem(Data(start.utf8), values: Self.mostValues) { throw refuse("but \(reason)") }
        let values: [[String: Any]]
        switch Self.parsed(start) {
        case let list as [Any]:
            values = list.compactMap { $0 as? [String: Any] }
            if values.count < list.count {
                throw refuse("a list whose entries are not objects such as {\"path\": …, \"label\": …}")
            }
        case let object as [String: Any]:
            guard let entries = Self.entries(object, task) else {
                if task == .classification, Self.entries(object, .multilabel) != nil {
                    throw DatasetError.malformedRow(file: file, row: 1, reason: ListLabels.severalLabels)
                }
                throw refuse(Self.description(object))
            }
            values = entries
        default:
            let lines = start.byteLines().filter { !$0.allSatisfy(\.isWhitespace) }
            let objects = lines.map { Self.parsed(String($0)) as? [String: Any] }
            if (objects.first ?? nil) == nil {
                // `[jump] a.mp4,jump` is not JSON.
                guard start.hasBytePrefix("{\"") || start.hasBytePrefix("[{") else { return nil }
                throw refuse("but it is damaged or cut off")
            }
            if let line = objects.firstIndex(where: { $0 == nil }) {
                throw refuse("but line \(line + 1) is not an object")
            }
            values = objects.compactMap { $0 }
        }
        if values.isEmpty { throw DatasetError.emptyList(file, "it is an empty JSON list") }
        let names = Set(values.flatMap(\.keys)).sorted()
        header = names
        rows = values.enumerated().map { index, value in
            var row = ListTable.Row(number: index + 1, cells: names.map { Self.text(value[$0]) })
            for (column, name) in names.enumerated() where ListColumns.isLabel(name) {
                switch value[name] {
                case let list as [Any]:
                    row.lists[column] = list.map { $0 is String || $0 is NSNumber ? Self.text($0) : nil }
                case is [String: Any]: row.lists[column] = [nil]
                default: break
                }
            }
            return row
        }
    }

    /// The text without lines that begin with `# `, which no JSON string can contain.
    private static func withoutComments(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "#")) else { return text }
        let lines = text.byteLines().map { line in
            let start = line.drop { $0 == " " || $0 == "\t" }
            return start == "#" || start.hasBytePrefix("# ") ? "" : line
        }
        return lines.joined(separator: "\n")
    }

    private static func parsed(_ text: String) -> Any? { try? JSONSerialization.jsonObject(with: Data(text.utf8)) }

    /// One object per clip with the columns of a CSV list; nil if it is not a list of clips.
    private static func entries(_ object: [String: Any], _ task: DatasetConfiguration.Task) -> [[String: Any]]? {
        let isSeveral = task == .multilabel
        func hasLabel(_ value: [String: Any]) -> Bool {
            value.keys.contains("label") || isSeveral && value.keys.contains(where: ListColumns.isLabel)
        }
        if hasLabel(object), object.values.contains(where: { $0 is String }) { return [object] }
        let clips = object.sorted { $0.key < $1.key }.map { key, value -> [String: Any]? in
            if let label = value as? String { return ["path": key, "label": label] }
            if isSeveral, let labels = value as? [Any] { return ["path": key, "label": labels] }
            guard let value = value as? [String: Any] else { return nil }
            guard let annotations = value["annotations"] as? [String: Any] else {
                return hasLabel(value) ? ["path": key].merging(value) { own, _ in own } : nil
            }
            guard let label = annotations["label"], let times = annotations["segment"] as? [Any], times.count == 2
            else { return nil }
            return [
                "youtube_id": key, "label": label, "time_start": times[0], "time_end": times[1],
                "subset": value["subset"] ?? value["split"] ?? "",
            ]
        }
        let found = clips.compactMap { $0 }
        return found.count == clips.count && !found.isEmpty ? found : nil
    }

    private static func description(_ object: [String: Any]) -> String {
        if object["database"] != nil {
            return "in the format of ActivityNet or HACS: segments of videos, which are not supported"
        }
        let keys = object.keys.sorted()
        return
            "an object with the keys \(keys.prefix(4).joined(separator: ", "))\(keys.count > 4 ? ", …" : ""), not a "
            + "list of clips"
    }

    private static func text(_ value: Any?) -> String {
        switch value {
        case let text as String: text
        case let number as NSNumber: "\(number)"
        default: ""
        }
    }
}
