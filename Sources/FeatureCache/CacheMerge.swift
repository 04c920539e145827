import Foundation
import GRDB

/// Merges caches with parts of the same or of different extractions. All caches are compared before anything is
/// written, and conflicting ones are rejected. Sequences are then copied with their videos in transactions of bounded
/// size. An interrupted merge can be resumed, and repeating a completed one changes nothing.
package struct CacheMerge: Sendable {
    /// The destination cache, created if it does not exist.
    package var output: String
    /// The source caches, which are not changed.
    package var inputs: [String]

    package init(output: String, inputs: [String]) { (self.output, self.inputs) = (output, inputs) }

    package enum Event: Sendable {
        case comparing(path: String)
        /// Bytes of features, those of skipped sequences included.
        case merging(path: String, done: Int, total: Int)
    }

    package struct Summary: Sendable, Equatable {
        package var sequences = 0
        /// Sequences that were already present.
        package var skipped = 0
        /// Bytes of copied and skipped features.
        package var bytes = 0
        package var runs = 0
        /// Clips that failed in all inputs that contain them.
        package var failures = 0
        package var wasCancelled = false
    }

    /// - Throws: `CacheError`, and `CacheConflict` if caches disagree; then nothing was written.
    package func run(isCancelled: () -> Bool = { false }, report: (Event) -> Void = { _ in }) throws -> Summary {
        try CacheConnection.requireRegular(output)
        let isNew = !FileManager.default.fileExists(atPath: output)
        if !isNew { try checkOutput() }
        try inputs.forEach(check)
        // Compared in a scratch database, so that a rejected merge creates no file.
        try MergeConflicts.check((isNew ? [] : [output]) + inputs, isCancelled) { report(.comparing(path: $0)) }
        if isCancelled() {
            // Content added after the comparison must not be copied.
            var summary = Summary()
            summary.wasCancelled = true
            return summary
        }
        let cache = try CacheFile(path: output)
        let lock = try ExtractionLock(cache: output)
        defer { withExtendedLifetime(lock) {} }
        return try cache.exclusively { database in
            var summary = Summary()
            for input in inputs where !summary.wasCancelled {
                try MergeInput(path: input, database: database).copy(into: &summary, isCancelled) {
                    report(.merging(path: input, done: $0, total: $1))
                }
            }
            summary.failures = try Int.one(database, "SELECT count(*) FROM failure") ?? 0
            return summary
        }
    }

    /// Checks the destination's schema for foreign SQL before the comparison.
    private func checkOutput() throws {
        try CacheError.translating(output) {
            try CacheFile.reader(path: output).read { database in
                let identity = try CacheIdentity(database)
                if identity.isEmpty { return }
                try identity.check(path: output, oldest: 1)
                try SchemaCheck.check(database, path: output, version: identity.version)
            }
        }
    }

    /// Checks that an input is a complete current cache without a writer. Features are hashed when they are copied.
    private func check(_ input: String) throws {
        try CacheConnection.requireRegular(input)
        guard FileManager.default.fileExists(atPath: input) else { throw CacheError.missing(path: input) }
        if URL(fileURLWithPath: input).resolvingSymlinksInPath()
            == URL(fileURLWithPath: output).resolvingSymlinksInPath()
        {
            throw CacheConflict.sameFile(path: input)
        }
        if ExtractionLock.isHeld(cache: input) { throw CacheError.beingExtracted(path: input) }
        try CacheError.translating(input) {
            try CacheFile.reader(path: input).read { database in
                try CacheIdentity(database).check(path: input)
                try SchemaCheck.check(database, path: input)
                try MergeInput.check(database, path: input)
            }
        }
    }
}

package enum CacheConflict: LocalizedError, Equatable {
    case sameFile(path: String)
    /// Rows that no extraction can have stored; the first is described.
    case damaged(path: String, place: String, what: String)
    case features(video: String, recipe: String, first: String, second: String)
    case sample(video: String, dataset: String, first: String, second: String)
    case run(name: String, first: String, second: String)

    package var errorDescription: String? {
        switch self {
        case .sameFile(let path): "\(path) cannot be merged into itself. Name another file for the result."
        case .damaged(let path, let place, let what):
            "\(path) is damaged: \(place): \(what). `zoetrope cache verify \(path)` lists all damage; `zoetrope cache "
                + "prune \(path) --damaged` removes damaged sequences. Nothing was merged."
        case .features(let video, let recipe, let first, let second):
            "The features of \(video) under \(recipe) differ between \(first) and \(second), although their recipe is "
                + "the same. `zoetrope cache verify` shows whether one is damaged; otherwise they come from different "
                + "processors: prune the recipe from one of them. Nothing was merged."
        case .sample(let video, let dataset, let first, let second):
            "\(video) of the data set \(dataset) has another label, split or group in \(first) than in \(second). "
                + "Extract the outdated one again, which decodes no video. Nothing was merged."
        case .run(let name, let first, let second):
            "\(first) and \(second) have different runs called \(name). "
                + "Prune one of them: `zoetrope cache prune FILE --run \(name)`. Nothing was merged."
        }
    }
}

extension CacheFile {
    /// Runs `body` without a write-ahead log, which would write large amounts twice, if no other program has the file
    /// open. Uncommitted changes are rolled back after a crash.
    func exclusively<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try CacheError.translating(path) {
            try database.inDatabase { database in
                _ = try? database.checkpoint(.truncate)
                try database.run("PRAGMA busy_timeout = 100")
                _ = try? database.run("PRAGMA journal_mode = TRUNCATE")
                try database.run("PRAGMA busy_timeout = 30000")
                try database.run("PRAGMA cache_size = -65536")
                defer {
                    _ = try? database.run("PRAGMA cache_size = -2000")
                    _ = try? database.run("PRAGMA journal_mode = WAL")
                }
                return try body(database)
            }
        }
    }
}

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
