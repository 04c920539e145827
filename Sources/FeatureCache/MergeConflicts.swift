import Foundation
import GRDB

/// Compares caches in a scratch table of digests.
struct MergeConflicts {
    /// - Throws: `CacheConflict` for the first conflict between two caches.
    static func check(_ paths: [String], _ isCancelled: () -> Bool, report: (String) -> Void) throws {
        // An empty path is a temporary file that SQLite deletes when it is closed.
        let scratch = try DatabaseQueue(path: "", configuration: CacheConnection.configuration())
        try scratch.inDatabase { database in
            try database.run(
                """
                CREATE TABLE known_sequence (recipe, video, view, content, source,
                  PRIMARY KEY (recipe, video, view)) WITHOUT ROWID;
                CREATE TABLE known_sample (dataset, video, content, source,
                  PRIMARY KEY (dataset, video)) WITHOUT ROWID;
                CREATE TABLE known_run (name PRIMARY KEY, content, source) WITHOUT ROWID;
                """)
            for path in paths where !isCancelled() {
                report(path)
                try database.run("ATTACH ? AS input", [absolute(path)])
                defer { _ = try? database.run("DETACH input") }
                try CacheError.translating(path) { try compare(path, in: database) }
            }
        }
    }

    static func absolute(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }

    private static let parts: [(table: String, keys: String, query: String)] = [
        (
            "known_sequence", "recipe, video, view",
            """
            SELECT extraction.digest AS recipe, video.digest AS video, view,
              checksum || ' ' || length || ' ' || frame_indices || ' ' || element_type || max_frames AS content
            FROM input.sequence JOIN input.extraction ON extraction.id = extraction_id
              JOIN input.video ON video.id = video_id
            """
        ),
        (
            "known_sample", "dataset, video",
            """
            SELECT dataset, digest AS video, label || char(0) || split || char(0) || coalesce("group", '') AS content
            FROM input.sample JOIN input.video ON video.id = video_id
            """
        ),
        (
            "known_run", "name",
            "SELECT name, configuration || coalesce(started_at, '') || state AS content FROM input.run"
        ),
    ]

    private static func compare(_ path: String, in database: Database) throws {
        for (table, keys, query) in parts {
            let conflict = try database.row(
                """
                SELECT new.*, known.source AS source FROM (\(query)) AS new JOIN \(table) AS known USING (\(keys))
                WHERE new.content <> known.content LIMIT 1
                """)
            if let conflict { throw try error(conflict, table, path, in: database) }
            try database.run(
                "INSERT OR IGNORE INTO \(table) (\(keys), content, source) SELECT *, ? FROM (\(query))", [path])
        }
    }

    private static func error(
        _ row: Row, _ table: String, _ path: String, in database: Database
    ) throws -> CacheConflict {
        let source: String = try row.get("source")
        func text(_ sql: String, _ argument: String) throws -> String {
            try String.one(database, sql, [argument]) ?? argument
        }
        if table == "known_run" { return try .run(name: row.get("name"), first: source, second: path) }
        let video = try text("SELECT path FROM input.video WHERE digest = ?", row.get("video"))
        if table == "known_sample" {
            return try .sample(video: video, dataset: row.get("dataset"), first: source, second: path)
        }
        let recipe = try text("SELECT name FROM input.extraction WHERE digest = ?", row.get("recipe"))
        return .features(video: video, recipe: recipe, first: source, second: path)
    }
}
