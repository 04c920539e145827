import Foundation
import GRDB

/// A source cache of a merge, attached to the destination's connection.
struct MergeInput {
    let path: String
    let database: Database

    /// Bytes of features per transaction.
    private static let transaction = 128 << 20

    /// Checks that every row is one that this program can have stored. Features are hashed later, when they are copied.
    static func check(_ database: Database, path: String) throws {
        try CacheFile.extractionProblems(database) { place, what, _ in
            throw CacheConflict.damaged(path: path, place: place, what: what)
        }
        if let wrong = try ColumnCheck.problems(database).first {
            throw CacheConflict.damaged(
                path: path, place: wrong.table, what: "its column \(wrong.column) holds an invalid value")
        }
        // SQLite cannot attach a database with another encoding.
        if let encoding = try String.one(database, "PRAGMA encoding"), encoding != "UTF-8" {
            throw CacheError.unusable(path: path, reason: "its texts are \(encoding), and only UTF-8 can be merged")
        }
        if let orphan = try database.row("PRAGMA foreign_key_check") {
            let (table, parent): (String, String) = try (orphan.get(0), orphan.get(2))
            throw CacheConflict.damaged(path: path, place: table, what: "a row refers to a missing row of \(parent)")
        }
    }

    /// Copies new content. The destination is consistent between transactions. Throws `CacheError` that names the input
    /// if it is the cause; `CacheConflict.damaged`.
    func copy(
        into summary: inout CacheMerge.Summary, _ isCancelled: () -> Bool, report: (_ done: Int, _ total: Int) -> Void
    ) throws {
        do {
            try copyAll(into: &summary, isCancelled, report: report)
        } catch let error as DatabaseError
            where [.SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_ERROR, .SQLITE_CONSTRAINT].contains(error.resultCode)
        { throw CacheError.unusable(path: path, reason: error.message ?? "\(error.resultCode)") }
    }

    private func copyAll(
        into summary: inout CacheMerge.Summary, _ isCancelled: () -> Bool, report: (_ done: Int, _ total: Int) -> Void
    ) throws {
        if isCancelled() {
            summary.wasCancelled = true
            return
        }
        try database.run("ATTACH ? AS input", [MergeConflicts.absolute(path)])
        try database.run("PRAGMA input.mmap_size = \(1 << 40)")
        defer {
            for table in ["recipe_map", "video_map", "fresh"] {
                _ = try? database.run("DROP TABLE IF EXISTS temp.\(table)")
            }
            _ = try? database.run("DETACH input")
        }
        // Recipes and videos are inserted together with the first sequences, so that a damaged input leaves nothing
        // behind.
        var parts: [Part] = []
        try database.inTransaction {
            try requireEqualSizes()
            try copyRecipes()
            try copyVideos()
            parts = try freshParts()
            if let first = parts.first { try insertSequences(first) }
            return .commit
        }
        try copySequences(parts, into: &summary, isCancelled, report)
        if summary.wasCancelled { return }
        try database.inTransaction {
            try copyFailures()
            summary.runs += try copyRuns()
            return .commit
        }
    }

    /// Checks that recipes in both caches have the same sizes, because sequences are stored under them.
    private func requireEqualSizes() throws {
        let columns = ["max_frames", "feature_shape", "feature_size", "element_type"]
        let different = columns.map { "own.\($0) IS NOT other.\($0)" }.joined(separator: " OR ")
        let name = try String.one(
            database,
            """
            SELECT other.name FROM main.extraction AS own JOIN input.extraction AS other USING (digest)
            WHERE \(different) LIMIT 1
            """)
        if let name {
            throw CacheConflict.damaged(
                path: path, place: "extraction \(name)", what: "its sizes are not those of the same recipe elsewhere")
        }
    }

    private func copyRecipes() throws {
        let columns = """
            digest, name, backbone, weights, weights_digest, tap, image_size, max_frames, feature_shape, feature_size,
            element_type, precision, recipe, version, created_at
            """
        try database.run(
            """
            INSERT INTO main.extraction (\(columns)) SELECT \(columns) FROM input.extraction
            WHERE digest NOT IN (SELECT digest FROM main.extraction) ORDER BY id;
            CREATE TEMP TABLE recipe_map AS SELECT old.id AS old, new.id AS new,
              old.max_frames * old.feature_size * CASE old.element_type WHEN 'float16' THEN 2 ELSE 4 END AS bytes
              FROM input.extraction AS old JOIN main.extraction AS new USING (digest);
            CREATE UNIQUE INDEX temp.recipe_old ON recipe_map (old);
            """)
    }

    private func copyVideos() throws {
        let details = ["width", "height", "frame_count", "frame_rate", "duration", "codec"]
        let columns = details.joined(separator: ", ")
        let known = details.map { "\($0) = coalesce(\($0), excluded.\($0))" }.joined(separator: ", ")
        try database.run(
            """
            INSERT INTO main.video (digest, path, \(columns)) SELECT digest, path, \(columns) FROM input.video
            WHERE true ORDER BY id ON CONFLICT (digest) DO UPDATE SET \(known);
            CREATE TEMP TABLE video_map AS SELECT old.id AS old, new.id AS new
              FROM input.video AS old JOIN main.video AS new USING (digest);
            CREATE UNIQUE INDEX temp.video_old ON video_map (old);
            INSERT INTO main.annotation (dataset, video_id, label, start_time, end_time, source, created_at)
              SELECT dataset, new, label, start_time, end_time, source, created_at
              FROM input.annotation AS old JOIN video_map ON video_map.old = video_id
              WHERE NOT EXISTS (SELECT 1 FROM main.annotation AS known WHERE known.dataset = old.dataset
                AND known.video_id = new AND known.label = old.label AND known.start_time IS old.start_time
                AND known.end_time IS old.end_time AND (known.source = old.source
                  OR known.source IN \(CacheFile.datasetSources) AND old.source IN \(CacheFile.datasetSources)))
              ORDER BY old.id;
            INSERT OR IGNORE INTO main.sample (dataset, video_id, label, split, "group")
              SELECT dataset, new, label, split, "group" FROM input.sample JOIN video_map ON old = video_id;
            """)
    }

    private struct Part {
        var rows: ClosedRange<Int64>
        var count, bytes: Int
    }

    /// Copies all parts except the first, which was copied with the recipes.
    private func copySequences(
        _ parts: [Part], into summary: inout CacheMerge.Summary, _ isCancelled: () -> Bool, _ report: (Int, Int) -> Void
    ) throws {
        let all = try database.row(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM input.sequence JOIN recipe_map ON old = extraction_id")
        let (total, allBytes): (Int, Int) = try all.map { try ($0.get(0), $0.get(1)) } ?? (0, 0)
        var (added, bytes) = (0, 0)
        for (place, part) in parts.enumerated() {
            if place > 0 {
                if isCancelled() {
                    summary.wasCancelled = true
                    break
                }
                try database.inTransaction {
                    try insertSequences(part)
                    return .commit
                }
            }
            (added, bytes) = (added + part.count, bytes + part.bytes)
            report(bytes, allBytes)
        }
        summary.sequences += added
        summary.skipped += total - parts.reduce(0) { $0 + $1.count }
        summary.bytes += allBytes
    }

    /// The new sequences divided into transactions.
    private func freshParts() throws -> [Part] {
        // A separate list: querying the destination table while it grows would materialise the result in a temporary
        // file.
        try database.run(
            """
            CREATE TEMP TABLE fresh AS SELECT old.rowid AS place, recipe_map.new AS recipe, video_map.new AS video,
            bytes
              FROM input.sequence AS old CROSS JOIN recipe_map ON recipe_map.old = extraction_id
                CROSS JOIN video_map ON video_map.old = video_id
              WHERE NOT EXISTS (SELECT 1 FROM main.sequence AS known WHERE known.extraction_id = recipe_map.new
                AND known.video_id = video_map.new AND known.view = old.view) ORDER BY old.rowid
            """)
        let rows = try database.rows("SELECT rowid, bytes FROM temp.fresh ORDER BY rowid")
        var parts: [Part] = []
        for row in rows {
            let (place, bytes) = try (row.get(0) as Int64, row.get(1) as Int)
            if let last = parts.last, last.bytes < Self.transaction {
                parts[parts.count - 1] = Part(
                    rows: last.rows.lowerBound...place, count: last.count + 1, bytes: last.bytes + bytes)
            } else {
                parts.append(Part(rows: place...place, count: 1, bytes: bytes))
            }
        }
        return parts
    }

    /// Verifies checksums of features, then copies them. Throws `CacheConflict.damaged`.
    private func insertSequences(_ part: Part) throws {
        let rows = part.rows
        try checkSequences(rows)
        let columns = "length, mask, frame_indices, frame_times, decode_errors, checksum, features, window_ends"
        try database.run(
            """
            INSERT INTO main.sequence (extraction_id, video_id, view, \(columns))
            SELECT recipe, video, view, \(columns) FROM temp.fresh CROSS JOIN input.sequence AS old
              ON old.rowid = place WHERE fresh.rowid BETWEEN ? AND ? ORDER BY fresh.rowid
            """, [rows.lowerBound, rows.upperBound])
        guard database.changesCount == part.count else {
            throw CacheConflict.damaged(
                path: path, place: "sequence", what: "\(part.count) rows gave \(database.changesCount)")
        }
    }

    /// - Parameter rows: range in the list of new sequences, which refers to rows of the input.
    private func checkSequences(_ rows: ClosedRange<Int64>) throws {
        let ends = try database.row(
            "SELECT min(place), max(place) FROM temp.fresh WHERE rowid BETWEEN ? AND ?",
            [rows.lowerBound, rows.upperBound])
        guard let ends, let first = try ends.get(0) as Int64?, let last = try ends.get(1) as Int64? else { return }
        let new = try Set(
            Int64.fetchCursor(
                database, sql: "SELECT place FROM temp.fresh WHERE rowid BETWEEN ? AND ?",
                arguments: [rows.lowerBound, rows.upperBound]))
        try CacheFile.forEachDamaged(first...last, of: "input", in: database) { row, what in
            guard try new.contains(row.get("place")) else { return }
            throw CacheConflict.damaged(path: path, place: try CacheFile.place(of: row), what: what)
        }
    }

    private func copyFailures() throws {
        try database.run(
            """
            INSERT INTO main.failure (extraction_id, path, error, at)
              SELECT new, path, error, at FROM input.failure JOIN recipe_map ON old = extraction_id WHERE true
              ON CONFLICT (extraction_id, path) DO UPDATE SET error = excluded.error, at = excluded.at
                WHERE excluded.at > at;
            DELETE FROM main.failure WHERE (extraction_id, path) IN (SELECT known.extraction_id, video.path
              FROM main.sequence AS known JOIN main.video ON known.video_id = video.id);
            """)
    }

    /// Copies runs by name. Runs that already exist are identical, since the caches were compared before.
    private func copyRuns() throws -> Int {
        let columns = "name, dataset, model, configuration, seed, state, started_at, finished_at, task"
        let figures = """
            epoch, learning_rate, train_loss, train_accuracy, validation_loss, validation_accuracy, seconds,
            validation_map
            """
        let answers = "split, label, predicted, probability, probabilities"
        let names = try String.all(
            database, "SELECT name FROM input.run WHERE name NOT IN (SELECT name FROM main.run) ORDER BY id")
        for name in names {
            try database.run(
                """
                INSERT INTO main.run (extraction_id, \(columns)) SELECT new, \(columns)
                  FROM input.run LEFT JOIN recipe_map ON old = extraction_id WHERE name = ?
                """, [name])
            let run = database.lastInsertedRowID
            var tables = [
                ("epoch", figures), ("metric", "split, name, value"), ("prediction", answers), ("membership", "role"),
            ]
            if try database.tableExists("fold", in: "input") {
                try database.run(Schema.folds)
                tables.append(("fold", "repeat, fold, predicted, probabilities"))
            }
            for (table, columns) in tables {
                let ofRun = ["epoch", "metric"].contains(table)
                let (column, video) = ofRun ? ("", "") : ("video_id, ", "new, ")
                try database.run(
                    """
                    INSERT INTO main.\(table) (run_id, \(column)\(columns)) SELECT ?, \(video)\(columns)
                      FROM input.\(table) \(ofRun ? "" : "JOIN video_map ON old = video_id")
                      WHERE run_id = (SELECT id FROM input.run WHERE name = ?)
                    """, [run, name])
            }
        }
        return names.count
    }
}
