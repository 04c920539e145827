import Datasets
import Foundation
import GRDB

extension CacheFile {
    /// The names in `sample.label` as rows of `json_each`; damaged texts have none.
    private static let eachName = "json_each(CASE WHEN json_valid(label) THEN label ELSE '[]' END)"

    /// `multilabel` if the data set has samples and every `sample.label` is a JSON array of texts.
    package func task(dataset: String) throws -> DatasetConfiguration.Task {
        try read { try Self.task(dataset: dataset, in: $0) }
    }

    static func task(dataset: String, in database: Database) throws -> DatasetConfiguration.Task {
        let isMultilabel = try Bool.one(
            database,
            """
            SELECT EXISTS (SELECT 1 FROM sample WHERE dataset = ?1) AND NOT EXISTS (
              SELECT 1 FROM sample WHERE dataset = ?1 AND NOT CASE WHEN json_valid(label) THEN
                json_type(label) = 'array'
                  AND NOT EXISTS (SELECT 1 FROM json_each(label) AS name WHERE name.type <> 'text')
                ELSE 0 END)
            """, [dataset])
        return isMultilabel == true ? .multilabel : .classification
    }

    /// Names of the classes or labels that clips of the data set have, sorted.
    package func labels(dataset: String) throws -> [String] {
        try read { try Self.labels(dataset: dataset, split: nil, in: $0) }
    }

    /// `split`: nil for all of them.
    static func labels(dataset: String, split: String?, in database: Database) throws -> [String] {
        let task = try task(dataset: dataset, in: database)
        let texts = try database.rows(
            "SELECT DISTINCT label FROM sample WHERE dataset = ?1 AND (?2 IS NULL OR split = ?2)", [dataset, split])
        return try Set(texts.flatMap { try task.names(in: $0.get(0)) }).sorted()
    }

    /// The clips that have all of these labels, with or without features. Throws `CacheError`; `LabelFilterError` if no
    /// clip of the data set has one of them, or several are given for a data set of one class a clip.
    package func videos(dataset: String, labels: [String]) throws -> Set<Int64> {
        let (task, wanted) = (try task(dataset: dataset), Set(labels).sorted())
        let known = try self.labels(dataset: dataset)
        if let unknown = wanted.first(where: { !known.contains($0) }) {
            throw LabelFilterError.unknown(unknown, dataset: dataset, known: known, task: task)
        }
        if task == .classification, wanted.count > 1 { throw LabelFilterError.oneClass(dataset: dataset, wanted) }
        let condition =
            task == .classification
            ? "label = ?" : "EXISTS (SELECT 1 FROM \(Self.eachName) AS name WHERE name.value = ?)"
        let sql = (["SELECT video_id FROM sample WHERE dataset = ?"] + wanted.map { _ in condition })
            .joined(separator: " AND ")
        return try read { try Set(Int64.all($0, sql, StatementArguments([dataset] + wanted))) }
    }
}

package enum LabelFilterError: LocalizedError, Equatable {
    case unknown(String, dataset: String, known: [String], task: DatasetConfiguration.Task)
    case oneClass(dataset: String, [String])

    package var errorDescription: String? {
        switch self {
        case .unknown(let label, let dataset, let known, let task):
            "No clip of \(dataset) has the \(task == .classification ? "class" : "label") \"\(label)\". "
                + (known.isEmpty ? "Its clips have no labels: leave out --label." : "Name one of \(Self.list(known)).")
        case .oneClass(let dataset, let labels):
            "Each clip of \(dataset) has one class, so none has \(labels.joined(separator: " and ")). Name one class "
                + "with --label, or use --where, as in label IN ('\(labels.joined(separator: "', '"))')."
        }
    }

    private static func list(_ names: [String]) -> String {
        names.prefix(20).joined(separator: ", ") + (names.count > 20 ? " and \(names.count - 20) more" : "")
    }
}
