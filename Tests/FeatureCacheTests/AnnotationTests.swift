import Datasets
import Foundation
import GRDB
import TestSupport
import Testing
@testable import FeatureCache

@Suite struct AnnotationTests {
    let scratch = ScratchFolder()

    private func register(
        _ cache: CacheFile, _ path: String, _ names: [String], source: AnnotationSource = .list,
        dataset: String = "demo"
    ) throws {
        let sample = SampleRecord(
            dataset: dataset, label: LabelSet.text(names), split: "train", group: nil, labels: names, source: source)
        try cache.registerSamples([(Example.video(path), sample)])
    }

    private func rows(_ cache: CacheFile) throws -> [String] {
        try cache.read { database in
            try String.fetchAll(
                database,
                sql: """
                    SELECT path || ' ' || label || ' ' || source || coalesce(' ' || start_time, '') FROM annotation
                    JOIN video ON video.id = video_id ORDER BY path, label, source
                    """)
        }
    }

    @Test("the labels of a clip follow the data set; those that stay keep their time, and those of persons are kept")
    func registered() throws {
        let cache = try CacheFile(path: scratch.path + "/cache.sqlite")
        try register(cache, "a.mp4", ["jump", "run"])
        try register(cache, "b.mp4", [])
        #expect(try rows(cache) == ["a.mp4 jump list", "a.mp4 run list"])
        try cache.write { database in
            try database.execute(
                sql: """
                    UPDATE annotation SET created_at = 'before';
                    INSERT INTO annotation (dataset, video_id, label, source, created_at)
                      VALUES ('demo', 1, 'seen', 'person', 'before'), ('demo', 1, 'run', 'model', 'before');
                    INSERT INTO annotation (dataset, video_id, label, start_time, end_time, source, created_at)
                      VALUES ('demo', 1, 'run', 1.5, 2, 'list', 'before')
                    """)
        }
        try register(cache, "a.mp4", ["jump", "walk"])
        #expect(
            try rows(cache) == [
                "a.mp4 jump list", "a.mp4 run list 1.5", "a.mp4 run model", "a.mp4 seen person", "a.mp4 walk list",
            ])
        let times = try cache.read {
            try String.fetchAll($0, sql: "SELECT label FROM annotation WHERE created_at <> 'before'")
        }
        #expect(times == ["walk"])
        try register(cache, "a.mp4", ["jump", "walk"], source: .folder)
        #expect(try rows(cache).contains("a.mp4 jump folder") && !rows(cache).contains("a.mp4 jump list"))
    }

    @Test("nothing is written if nothing changed") func unchanged() throws {
        let cache = try CacheFile(path: scratch.path + "/cache.sqlite")
        for path in ["a.mp4", "b.mp4"] { try register(cache, path, path == "a.mp4" ? ["run"] : []) }
        let before = try cache.read { try Int.fetchOne($0, sql: "SELECT total_changes()") }
        let samples = [("a.mp4", ["run"]), ("b.mp4", [])].map { path, names in
            (
                VideoRecord(digest: Example.video(path).digest, path: path),
                SampleRecord(
                    dataset: "demo", label: LabelSet.text(names), split: "train", group: nil, labels: names,
                    source: .list)
            )
        }
        try cache.registerSamples(samples)
        #expect(try cache.read { try Int.fetchOne($0, sql: "SELECT total_changes()") } == before)
    }

    @Test("merged caches have each label once, also after another merge, and metrics of runs") func merged() throws {
        let parts = try ["a", "b"].map { name in
            let cache = try CacheFile(path: "\(scratch.path)/\(name).sqlite")
            try register(cache, "both.mp4", ["jump", "run"], source: name == "a" ? .list : .folder)
            try register(cache, name + ".mp4", ["run"])
            let run = try cache.addRun("run \(name)", try cache.addExtraction(Example.extraction()))
            try cache.store([("test", "mean_average_precision", 0.5), ("test", "loss", .nan)], run: run)
            return cache
        }
        try parts[1].write { database in
            try database.execute(
                sql: """
                    INSERT INTO annotation (dataset, video_id, label, source, created_at)
                      SELECT 'demo', id, 'run', 'person', '' FROM video WHERE path = 'both.mp4'
                    """)
        }
        let merge = CacheMerge(output: scratch.path + "/all.sqlite", inputs: parts.map(\.path))
        for _ in 0..<2 {
            _ = try merge.run()
            let all = try CacheFile(path: scratch.path + "/all.sqlite", create: false)
            #expect(
                try rows(all) == [
                    "a.mp4 run list", "b.mp4 run list", "both.mp4 jump list", "both.mp4 run list",
                    "both.mp4 run person",
                ])
            #expect(try all.read { try Double.fetchAll($0, sql: "SELECT value FROM metric") } == [0.5, 0.5])
        }
    }

    @Test("labels of removed clips and metrics of removed runs are removed") func pruned() throws {
        let cache = try CacheFile(path: scratch.path + "/cache.sqlite")
        for path in ["a.mp4", "b.mp4"] { try register(cache, path, ["run"]) }
        let run = try cache.addRun("r", try cache.addExtraction(Example.extraction()))
        try cache.store([("test", "loss", 1)], run: run)
        var pruning = CachePruning()
        pruning.vanished = ("demo", [1])
        pruning.runs = [run]
        _ = try cache.prune(pruning)
        #expect(try rows(cache) == ["b.mp4 run list"])
        #expect(try cache.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM metric") } == 0)
    }

    @Test("a cache of version 4 is migrated: its labels become annotations, and its runs are of one class a clip")
    func migrated() throws {
        let path = scratch.path + "/old.sqlite"
        try Example.alter(
            path,
            """
            \(Schema.tables) \(Schema.indexes) \(Schema.windows) \(Schema.membership)
            CREATE VIEW class_accuracy AS SELECT 1 AS run; CREATE VIEW confusion AS SELECT 1 AS run;
            INSERT INTO video (id, digest, path) VALUES (1, 'd1', '1.mp4'), (2, 'd2', '2.mp4');
            INSERT INTO sample (dataset, video_id, label, split)
              VALUES ('x', 1, 'run', 'train'), ('x', 2, 'jump', 'test');
            INSERT INTO run (id, name, model, configuration, state) VALUES (1, 'plain', 'gru', '{}', 'finished');
            INSERT INTO epoch (run_id, epoch, learning_rate, train_loss, train_accuracy, seconds)
              VALUES (1, 1, 0.1, 2, 0.5, 1);
            INSERT INTO prediction VALUES (1, 1, 'test', 'run', 'run', 0.9, '[0.1,0.9]'),
              (1, 2, 'test', 'jump', 'run', 0.9, '[0.1,0.9]');
            PRAGMA user_version = 4; PRAGMA application_id = \(Schema.applicationID)
            """)
        let cache = try CacheFile(path: path)
        #expect(try rows(cache) == ["1.mp4 run sample", "2.mp4 jump sample"])
        #expect(FileManager.default.fileExists(atPath: path + ".v4"))
        #expect(try cache.runs().map(\.task) == [nil] && cache.epochs(run: 1).map(\.validationMAP) == [nil])
        let accuracy = try cache.read {
            try Row.fetchAll($0, sql: "SELECT label, recall, precision, f1 FROM class_accuracy ORDER BY label")
        }
        #expect(
            accuracy.map { $0["recall"] as Double } == [0, 1] && accuracy.map { $0["precision"] as Double } == [0, 0.5])
        #expect(abs((accuracy[1]["f1"] as Double) - 2.0 / 3) < 1e-12)
    }

    @Test("an older cache with a table of the name of a new one is rejected, not changed") func taken() throws {
        let path = scratch.path + "/old.sqlite"
        try Example.alter(
            path,
            """
            \(Schema.tables) \(Schema.indexes) \(Schema.windows) \(Schema.membership) CREATE TABLE metric (mine TEXT);
            PRAGMA user_version = 4; PRAGMA application_id = \(Schema.applicationID)
            """)
        #expect(throws: CacheError.foreignSchema(path: path, what: "another metric")) { try CacheFile(path: path) }
        #expect(!FileManager.default.fileExists(atPath: path + ".v4"))
    }
}
