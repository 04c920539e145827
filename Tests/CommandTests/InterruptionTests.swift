import Foundation
import GRDB
import TestSupport
import Testing

extension ChildProcess {
    /// Waits until a condition is met, the process has ended, or a minute has passed.
    fileprivate func wait(until isMet: () -> Bool) {
        let deadline = Date.now.addingTimeInterval(60)
        while !isMet(), process.isRunning, Date.now < deadline { usleep(2000) }
    }
}

@Suite struct InterruptionTests {
    @Test(
        "after SIGKILL, the rest is extracted, and the cache equals an uninterrupted one byte for byte"
    )
    func survivesKill() throws {
        let place = try Workplace(clips: 60)
        let program = try Program.start(
            ["extract", "p.yaml", "--cache", "killed.sqlite", "--workers", "1"], in: place.path)
        program.wait { place.count("sequence", cache: "killed.sqlite") >= 5 }
        program.send(SIGKILL)
        _ = program.wait()
        let before = place.count("sequence", cache: "killed.sqlite")
        #expect((5..<60).contains(before))
        #expect(try place.query("PRAGMA integrity_check", cache: "killed.sqlite") == ["ok"])

        try place.run("extract", "p.yaml", "--cache", "killed.sqlite", status: 0, out: "\(before) skipped")
        _ = try place.run("extract", "p.yaml", "--cache", "whole.sqlite")
        let sql =
            "SELECT path || length || mask || frame_indices || frame_times || checksum || hex(features) "
            + "FROM sequence JOIN video ON id = video_id ORDER BY path"
        let (killed, whole): ([String], [String]) = (
            try place.query(sql, cache: "killed.sqlite"), try place.query(sql, cache: "whole.sqlite")
        )
        #expect(whole.count == 60)
        #expect(killed == whole)
    }

    @Test("Ctrl-C stops extraction cleanly and prints how to resume") func interrupted() throws {
        let place = try Workplace(clips: 60)
        let program = try Program.start(["extract", "p.yaml", "--workers", "1"], in: place.path)
        program.wait { place.count("sequence") >= 3 }
        program.send(SIGINT)
        let ended = program.wait()
        #expect(ended.status == 130)
        #expect(ended.error.contains("run the same command again to resume"))
        #expect(ended.out.contains("Extracted"))
        #expect((3..<60).contains(place.count("sequence")))
    }

    @Test("Ctrl-C during training keeps the best weights, the epochs and the predictions so far")
    func interruptedTraining() throws {
        let place = try Workplace(after: "extract")
        let program = try Program.start(
            ["sequence", "p.yaml", "--set", "sequence.epochs=1000000", "--set", "dataset.validation=0"], in: place.path)
        program.wait { place.count("epoch") >= 3 }
        program.send(SIGINT)
        let ended = program.wait()
        #expect(ended.status == 130)
        #expect(try place.query("SELECT state FROM run") == ["interrupted"])
        #expect(try place.query("SELECT count(*) FROM prediction") == [8])
        #expect(try place.run("evaluate", "runs/tiny").status == 0)
    }

    @Test("training that is killed is resumed to the same weights") func resumesAfterKill() throws {
        let place = try Workplace()
        try place.add("long.yaml", Workplace.pipeline.replacing("epochs: 3", with: "epochs: 400\n  checkpoint: 20"))
        #expect(try place.run("extract", "long.yaml").status == 0)
        #expect(try place.run("sequence", "long.yaml", "--name", "whole").status == 0)
        let program = try Program.start(["sequence", "long.yaml", "--name", "killed"], in: place.path)
        let checkpoint = place.path + "/runs/killed/last.safetensors"
        program.wait { FileManager.default.fileExists(atPath: checkpoint) }
        program.send(SIGKILL)
        _ = program.wait()
        try place.run("sequence", "long.yaml", "--name", "killed", "--resume", status: 0, error: "resumes after epoch")
        let weights = try ["whole", "killed"].map {
            try Data(contentsOf: URL(fileURLWithPath: "\(place.path)/runs/\($0)/model.safetensors"))
        }
        #expect(weights[0] == weights[1])
        #expect(try place.query("SELECT count(*) FROM epoch GROUP BY run_id") as [Int] == [400, 400])
        try place.run(
            "sequence", "long.yaml", "--name", "killed", "--resume", "--set", "sequence.batch_size=3", status: 1,
            error: "training.batchSize: 32 → 3")
    }

    @Test("Ctrl-C during a merge leaves an intact cache, and the same command merges the rest")
    func interruptedMerge() throws {
        let place = try Workplace(clips: 12)
        for part in ["1/2", "2/2"] {
            #expect(try place.run("extract", "p.yaml", "--cache", "part.sqlite", "--shard", part).status == 0)
        }
        let merge = ["cache", "merge", "features.sqlite", "part.shard-1-of-2.sqlite", "part.shard-2-of-2.sqlite"]
        #expect(try place.run(Array(merge.dropLast())).status == 0)
        let before: [Int] = try place.query("SELECT count(*) FROM sequence")
        let lock = place.path + "/features.sqlite.lock"
        try? FileManager.default.removeItem(atPath: lock)
        // Another connection is writing, which the merge waits for.
        let program = try DatabaseQueue(path: place.path + "/features.sqlite").writeWithoutTransaction { database in
            try database.execute(sql: "BEGIN IMMEDIATE")
            let program = try Program.start(merge, in: place.path)
            program.wait { FileManager.default.fileExists(atPath: lock) }
            program.send(SIGINT)
            usleep(100_000)
            try database.execute(sql: "ROLLBACK")
            return program
        }
        let ended = program.wait()
        #expect(ended.status == 130 && ended.error.contains("Run the same command again to resume"), "\(ended)")
        #expect(try place.query("SELECT count(*) FROM sequence") == before)
        #expect(try place.run("cache", "verify").status == 0)
        #expect(try place.run(merge).status == 0)
        #expect(try place.query("SELECT count(*) FROM sequence") == [12])
    }

    @Test("a second extraction on the same cache is an error, and does not disturb the first")
    func twoAtOnce() throws {
        let place = try Workplace(clips: 60)
        let program = try Program.start(["extract", "p.yaml", "--workers", "1"], in: place.path)
        program.wait { FileManager.default.fileExists(atPath: place.path + "/features.sqlite.lock") }
        try place.run("extract", "p.yaml", status: 1, error: "Another `zoetrope extract` is writing")
        #expect(program.wait().status == 0)
        #expect(try place.query("SELECT count(*) FROM sequence") == [60])
    }
}
