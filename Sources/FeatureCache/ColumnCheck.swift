import Escaping
import GRDB

/// Valid values of the tables' columns: SQLite allows any type, and manipulated schemas allow NULL despite NOT NULL.
enum ColumnCheck {
    private static let text = "typeof(%) = 'text'"
    private static let integer = "typeof(%) = 'integer'"
    private static let count = "(typeof(%) = 'integer' AND % >= 0)"
    private static let number = "typeof(%) IN ('integer', 'real')"
    private static let blob = "typeof(%) = 'blob'"
    private static let digest = "(typeof(%) = 'text' AND length(%) = 64 AND NOT % GLOB '*[^0-9a-f]*')"
    private static let split = "(typeof(%) = 'text' AND % IN ('train', 'validation', 'test'))"
    private static let role = "(typeof(%) = 'text' AND % IN ('train', 'validation', 'test', 'heldout'))"
    private static let task = "(typeof(%) = 'text' AND % IN ('classification', 'multilabel'))"
    private static let source = "(typeof(%) = 'text' AND % IN ('folder', 'list', 'person', 'model', 'sample'))"
    private static func optional(_ rule: String) -> String { "(% IS NULL OR \(rule))" }

    /// SQL conditions by table and columns; `%` is the column.
    private static let rules: [(table: String, columns: [(names: String, rule: String)])] = [
        (
            "video",
            [
                ("digest", digest), ("path", text), ("codec", optional(text)),
                ("width height frame_count", optional(count)), ("frame_rate duration", optional(number)),
            ]
        ),
        (
            "sample",
            [
                ("dataset", text), ("video_id", integer), ("label", text), ("split", split),
                ("\"group\"", optional(text)),
            ]
        ),
        (
            "extraction",
            [
                ("digest", digest), ("weights_digest", optional(text)), ("image_size max_frames feature_size", count),
                ("name backbone weights tap feature_shape element_type precision recipe version created_at", text),
            ]
        ),
        (
            "sequence",
            [
                ("extraction_id video_id", integer), ("view length", count),
                ("mask frame_indices frame_times checksum", text), ("decode_errors", count), ("features", blob),
                ("window_ends", optional(text)),
            ]
        ), ("failure", [("extraction_id", integer), ("path error at", text)]),
        (
            "run",
            [
                ("name model configuration state", text), ("task", task), ("seed", optional(integer)),
                ("dataset started_at finished_at", optional(text)), ("extraction_id", optional(integer)),
            ]
        ),
        (
            "epoch",
            [
                ("run_id epoch", integer),
                (
                    "learning_rate train_loss train_accuracy seconds validation_loss validation_accuracy "
                        + "validation_map",
                    optional(number)
                ),
            ]
        ),
        (
            "prediction",
            [
                ("run_id video_id", integer), ("split label predicted", text), ("probability", optional(number)),
                ("probabilities", optional(text)),
            ]
        ), ("membership", [("run_id video_id", integer), ("role", role)]),
        ("fold", [("run_id video_id repeat fold", integer), ("predicted probabilities", text)]),
        (
            "annotation",
            [
                ("video_id", integer), ("dataset label created_at", text), ("start_time end_time", optional(number)),
                ("source", source),
            ]
        ), ("metric", [("run_id", integer), ("split name", text), ("value", number)]),
    ]

    /// Tables with an invalid value, each with the first such column.
    static func problems(_ database: Database) throws -> [(table: String, column: String)] {
        try rules.compactMap { table, columns -> (table: String, column: String)? in
            guard try database.tableExists(table) else { return nil }
            let cases = columns.flatMap { names, rule in
                names.splitBytes(" ").map(String.init).map { name in
                    "WHEN NOT coalesce(\(rule.replacingBytes("%", with: name)), 0) THEN '\(name)'"
                }
            }
            let column = try String.one(
                database,
                """
                SELECT wrong FROM (SELECT CASE \(cases.joined(separator: " ")) END AS wrong FROM "\(table)")
                  WHERE wrong IS NOT NULL LIMIT 1
                """)
            return column.map { (table, $0) }
        }
    }
}
