import Foundation
import GRDB

package struct CachePruning: Sendable {
    /// Row IDs in `extraction`, removed with their features.
    package var recipes: Set<Int64> = []
    /// Row IDs in `run`, removed with their epochs and predictions.
    package var runs: Set<Int64> = []
    /// Row IDs in `video` to remove from a data set; their features are removed if no other data set contains them.
    package var vanished: (dataset: String, videos: Set<Int64>)?
    /// Row IDs in `sequence` of damaged sequences, which can then be extracted again.
    package var damaged: Set<Int64> = []
    /// Whether features of videos without a data set are removed.
    package var isUnused = false

    package init() {}

    package struct Summary: Sendable, Equatable {
        package var sequences = 0, recipes = 0, runs = 0, videos = 0, bytesBefore = 0, bytesAfter = 0
    }
}

package enum PruningError: LocalizedError, Equatable {
    case unknownRecipe(String, known: [String]), ambiguousRecipe(String, digests: [String])
    case unknownRun(String)

    package var errorDescription: String? {
        switch self {
        case .unknownRecipe(let name, let known):
            "No recipe is called \(name). The cache has " + (known.isEmpty ? "none" : known.joined(separator: ", "))
                + "."
        case .ambiguousRecipe(let name, let digests):
            "Several recipes are called \(name). Name one by its digest: "
                + digests.map { String($0.prefix(12)) }.joined(separator: ", ") + "."
        case .unknownRun(let name): "No run is called \(name). `zoetrope runs` lists them."
        }
    }
}

extension CacheFile {
    /// The recipe with this name or digest prefix. Throws `PruningError` if none or several match.
    package func extraction(called name: String) throws -> StoredExtraction {
        let all = try extractions()
        let byName = all.filter { $0.record.name == name }
        let found = byName.isEmpty ? all.filter { name.count >= 6 && $0.record.digest.hasPrefix(name) } : byName
        if found.count == 1 { return found[0] }
        throw found.isEmpty
            ? PruningError.unknownRecipe(name, known: all.map(\.record.name).sorted())
            : PruningError.ambiguousRecipe(name, digests: found.map(\.record.digest))
    }

    package func videos(dataset: String) throws -> [(id: Int64, path: String, digest: String)] {
        try rows(
            """
            SELECT id, path, digest FROM sample JOIN video ON id = video_id WHERE dataset = ? ORDER BY path
            """, [dataset]
        ) { try ($0.get(0), $0.get(1), $0.get(2)) }
    }

    /// Row IDs in `sequence` that `verify` reports as damaged.
    package func damagedSequences() throws -> Set<Int64> {
        let chunks = try sequenceChunks()
        return try read { database in Set(try chunks.flatMap { try Self.damagedSequences($0, in: database) }) }
    }

    /// Removes rows in one transaction, then releases the space. Runs keep their metrics if their features are removed,
    /// and videos are kept while a run's predictions refer to them. `dryRun`: whether rows are only counted. Throws
    /// `CacheError`; if the disk has no space for `VACUUM`, the rows are removed nevertheless.
    package func prune(_ pruning: CachePruning, dryRun: Bool = false) throws -> CachePruning.Summary {
        let lock = try ExtractionLock(cache: path)
        defer { withExtendedLifetime(lock) {} }
        var summary = CachePruning.Summary()
        summary.bytesBefore = try size()
        let before = try read(Self.counts)
        var after = before
        try CacheError.translating(path) {
            try database.writeWithoutTransaction { database in
                try database.inTransaction {
                    try Self.remove(pruning, in: database)
                    after = try Self.counts(database)
                    return dryRun ? .rollback : .commit
                }
                guard !dryRun else { return }
                try database.run("VACUUM")
                _ = try? database.checkpoint(.truncate)
            }
        }
        let removed = zip(before, after).map { $0 - $1 }
        (summary.recipes, summary.sequences, summary.runs, summary.videos) =
            (removed[0], removed[1], removed[2], removed[3])
        summary.bytesAfter = try size()
        return summary
    }

    private func size() throws -> Int {
        try read { database in
            let pages = try Int.one(database, "PRAGMA page_count") ?? 0
            return pages * (try Int.one(database, "PRAGMA page_size") ?? 0)
        }
    }

    private static func counts(_ database: Database) throws -> [Int] {
        try ["extraction", "sequence", "run", "video"].map { try Int.one(database, "SELECT count(*) FROM \($0)") ?? 0 }
    }

    private static func remove(_ pruning: CachePruning, in database: Database) throws {
        func each(_ ids: some Sequence<Int64>, _ statements: String...) throws {
            for sql in statements { try database.run(sql, each: ids) { [$0] } }
        }
        try each(
            pruning.runs, "DELETE FROM prediction WHERE run_id = ?", "DELETE FROM epoch WHERE run_id = ?",
            "DELETE FROM membership WHERE run_id = ?", "DELETE FROM metric WHERE run_id = ?",
            "DELETE FROM run WHERE id = ?")
        try each(
            pruning.recipes, "UPDATE run SET extraction_id = NULL WHERE extraction_id = ?",
            "DELETE FROM failure WHERE extraction_id = ?", "DELETE FROM sequence WHERE extraction_id = ?",
            "DELETE FROM extraction WHERE id = ?")
        try each(pruning.damaged, "DELETE FROM sequence WHERE rowid = ?")
        if let vanished = pruning.vanished {
            for table in ["sample", "annotation"] {
                try database.run("DELETE FROM \(table) WHERE dataset = ? AND video_id = ?", each: vanished.videos) {
                    [vanished.dataset, $0]
                }
            }
            let isElsewhere = "EXISTS (SELECT 1 FROM sample WHERE video_id = ?1)"
            try each(vanished.videos, "DELETE FROM sequence WHERE video_id = ?1 AND NOT \(isElsewhere)")
        }
        if pruning.isUnused {
            try database.run(
                "DELETE FROM sequence WHERE NOT EXISTS (SELECT 1 FROM sample WHERE video_id = sequence.video_id)")
        }
        // Rows without references.
        try database.run(
            """
            DELETE FROM video WHERE NOT EXISTS (SELECT 1 FROM sample WHERE video_id = video.id)
              AND NOT EXISTS (SELECT 1 FROM sequence WHERE video_id = video.id)
              AND NOT EXISTS (SELECT 1 FROM prediction WHERE video_id = video.id)
              AND NOT EXISTS (SELECT 1 FROM membership WHERE video_id = video.id)
            """)
    }
}
