import Backbones
import Datasets
import Digests
import Extraction
import FeatureCache
import Foundation
import GRDB
import Workflows
import SequenceModels
import TestSupport

/// A small data set, its cache and three runs: valid files, copies of which are damaged.
package final class FuzzWorkplace: Sendable {
    package let folder: String
    private let original: String

    var cachePath: String { folder + "/case.sqlite" }
    var clips: String { original + "/clips" }
    /// A clip that the runs can be applied to.
    var clip: String { clips + "/train/run/1.y4m" }
    static let runs = ["vectors", "folds", "transformer"]

    func run(_ name: String) -> RunDirectory { RunDirectory(path: folder + "/runs/" + name) }

    /// Extracts and trains. `folder`: a separate folder.
    package init(folder: String) throws {
        (self.folder, original) = (folder, folder + "/whole")
        try Self.writeClips(original + "/clips")
        let dataset = DatasetConfiguration(layout: .folders, root: original + "/clips", validation: 0.3)
        guard let backbone = Backbone.named("small_cnn") else { return }
        let extraction = ExtractionConfiguration(
            backbone: backbone, weights: .random, tap: "pooled", imageSize: 32, sampling: .uniform(frames: 4))
        var extractor = Extractor(
            name: "tiny", dataset: dataset, configurations: [extraction], workers: 1, version: "fuzz")
        extractor.tuning = nil
        let cache = try CacheFile(path: original + "/case.sqlite")
        _ = try extractor.run(into: cache) { _ in }
        guard let stored = try cache.extractions().first else { return }
        try Self.train(cache, stored, dataset, runs: original + "/runs", cachePath: folder + "/case.sqlite")
        try cache.recordFailure(path: "train/run/lost.y4m", error: "broken", extraction: stored.id)
        try cache.store(phrases: [("a run", [Float](repeating: 0.1, count: 512))], extraction: stored.id)
        let videos = try cache.videos(dataset: dataset.name)
        try cache.store(
            [NearDuplicateRecord(first: videos[0].id, second: videos[1].id, cosine: 0.9, similarity: 0.95)],
            dataset: dataset.name, extraction: stored.id)
        try cache.checkpoint()
    }

    private static func writeClips(_ folder: String) throws {
        for index in 0..<8 {
            let name = "\(index % 4 == 3 ? "test" : "train")/\(["jump", "run"][index / 2 % 2])"
            try FileManager.default.createDirectory(atPath: folder + "/" + name, withIntermediateDirectories: true)
            try TinyClip.numbered(index).write(to: URL(fileURLWithPath: "\(folder)/\(name)/\(index).y4m"))
        }
    }

    private static func train(
        _ cache: CacheFile, _ extraction: StoredExtraction, _ dataset: DatasetConfiguration,
        runs: String, cachePath: String
    ) throws {
        let heads = [
            HeadConfiguration(kind: .gru, hidden: [4]), HeadConfiguration(kind: .attention, hidden: [4]),
            HeadConfiguration(kind: .transformer, hidden: [8], heads: 2),
        ]
        for (name, head) in zip(Self.runs, heads) {
            var training = TrainingConfiguration(model: head, standardize: true, epochs: 2, validation: 0.3)
            training.schedule.kind = .step
            training.earlyStopping = .init(monitor: .trainLoss, patience: 9)
            if name == "folds" { training.folds = 2 }
            var run = SequenceRun(name: name, dataset: dataset.name, training: training, runs: runs, version: "fuzz")
            run.root = dataset.root
            if name == "folds" {
                _ = try CrossValidationRun(run, workers: 1).train(
                    cache: cache, extraction: extraction, isCancelled: { false }
                ) { _ in }
            } else {
                _ = try run.run(cache: cache, extraction: extraction) { _ in }
            }
            try rewrite(runs + "/\(name)/config.json") { document in
                document["cache"] = cachePath
                return document
            }
        }
    }

    static func rewrite(_ path: String, _ change: (inout [String: Any]) -> [String: Any]) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        guard var document = try JSONSerialization.jsonObject(with: data) as? [String: Any] else { return }
        try JSONSerialization.data(withJSONObject: change(&document)).write(to: URL(fileURLWithPath: path))
    }

    func restore() throws {
        let manager = FileManager.default
        for name in ["case.sqlite", "case.sqlite-wal", "case.sqlite-shm", "runs"] {
            try? manager.removeItem(atPath: folder + "/" + name)
        }
        for name in ["case.sqlite", "runs"] {
            try manager.copyItem(atPath: original + "/" + name, toPath: folder + "/" + name)
        }
    }

    // MARK: - Caches

    /// Writes a value into one column of one row, or of all rows, of a table. Returns a description of the change.
    func damageCache(_ mutator: inout Mutator) throws -> String {
        if mutator.next() % 4 == 0 { return try damageRecipe(&mutator) }
        var configuration = GRDB.Configuration()
        configuration.foreignKeysEnabled = false
        let queue = try DatabaseQueue(path: cachePath, configuration: configuration)
        defer { try? queue.close() }
        return try queue.writeWithoutTransaction { database in
            // NOT NULL and UNIQUE constraints hold only for programs that respect them.
            try Self.dropConstraints(database)
            let tables = try String.fetchAll(
                database,
                sql: "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
            let table = mutator.choice(of: tables)
            let columns = try String.fetchAll(
                database, sql: "SELECT name FROM pragma_table_info(?)", arguments: [table])
            let column = mutator.choice(of: columns)
            let value = mutator.choice(of: HostileValues.cells)
            let count = try Int.fetchOne(database, sql: "SELECT count(*) FROM \"\(table)\"") ?? 0
            let row = mutator.next() % 4 == 0 ? nil : Int(mutator.next() % UInt64(max(1, count)))
            let keys = try String.fetchAll(
                database, sql: "SELECT name FROM pragma_table_info(?) WHERE pk > 0", arguments: [table])
            let list = keys.map { "\"\($0)\"" }.joined(separator: ", ")
            let condition =
                row.map { "WHERE (\(list)) IN (SELECT \(list) FROM \"\(table)\" LIMIT 1 OFFSET \($0))" } ?? ""
            try? database.execute(
                sql: "UPDATE OR REPLACE \"\(table)\" SET \"\(column)\" = ? \(condition)", arguments: [value])
            try Self.adjust(table, column, &mutator, database)
            try Self.restoreConstraints(database)
            return "\(table).\(column) of \(row.map { "row \($0)" } ?? "all rows") = \(String("\(value)".prefix(60)))"
        }
    }

    /// An attacker who changes features or their shape makes the other values consistent.
    private static func adjust(
        _ table: String, _ column: String, _ mutator: inout Mutator, _ database: Database
    ) throws {
        if table == "sequence", column == "features" {
            let blobs = try Row.fetchAll(database, sql: "SELECT rowid, features FROM sequence")
            for row in blobs {
                guard let place = Int64.fromDatabaseValue(row[0]), let blob = Data.fromDatabaseValue(row[1]) else {
                    continue
                }
                try database.execute(
                    sql: "UPDATE sequence SET checksum = ? WHERE rowid = ?", arguments: [hexDigest(blob), place])
            }
        }
        if table == "extraction", column.hasPrefix("feature_"), mutator.next() % 2 == 0 {
            let size = mutator.choice(of: [0, 1, 2, 64, 256, 513, 1 << 20, 1 << 32, Int.max])
            try database.execute(
                sql: "UPDATE extraction SET feature_size = ?, feature_shape = ?", arguments: [size, "[\(size)]"])
        }
    }

    private static func dropConstraints(_ database: Database) throws {
        try database.execute(
            sql: """
                PRAGMA writable_schema = ON;
                CREATE TEMP TABLE whole AS SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL;
                UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'
                  AND sql NOT LIKE '%WITHOUT ROWID%';
                PRAGMA schema_version = 900
                """)
    }

    private static func restoreConstraints(_ database: Database) throws {
        try database.execute(
            sql: """
                UPDATE sqlite_master SET sql = (SELECT sql FROM whole WHERE whole.name = sqlite_master.name)
                  WHERE sql IS NOT NULL;
                PRAGMA schema_version = 901; PRAGMA writable_schema = OFF
                """)
        _ = try? database.checkpoint(.truncate)
    }

    /// Changes a key of the recipe, in the cache and in all runs, and all values derived from it.
    func damageRecipe(_ mutator: inout Mutator) throws -> String {
        let queue = try DatabaseQueue(path: cachePath)
        defer { try? queue.close() }
        let stored = try queue.read { try String.fetchOne($0, sql: "SELECT recipe FROM extraction") ?? "{}" }
        let document = try JSONSerialization.jsonObject(with: Data(stored.utf8))
        var (changed, what) = mutator.mutate(
            document: document,
            adding: [["joined"], ["calibration"], ["aspect"], ["store"], ["precision_asked"], ["input", "difference"]])
        if what.hasPrefix("joined"), var recipe = changed as? [String: Any] {
            recipe["joined"] = [Any](repeating: document, count: Int(mutator.next() % 4))
            changed = recipe
        }
        let text = String(decoding: try JSONSerialization.data(withJSONObject: changed), as: UTF8.self)
        let digest = hexDigest(Data(text.utf8))
        try queue.write {
            try $0.execute(sql: "UPDATE extraction SET recipe = ?, digest = ?", arguments: [text, digest])
        }
        for name in Self.runs {
            try Self.rewrite(folder + "/runs/\(name)/config.json") { document in
                (document["recipe"], document["recipeDigest"]) = (text, digest)
                return document
            }
        }
        return "recipe: " + what
    }
}
