import Foundation
import TestSupport
import Testing

/// Commands are killed at random times. At any time, the cache is intact and the command, run again, ends with
/// the result of an uninterrupted run.
@Suite(.serialized) struct KillTests {
    /// Runs a command in copies of a folder, kills each after a random part of its duration, and passes each to
    /// `check`.
    private func killing(
        _ arguments: [String], in place: Workplace, check: (_ folder: String, _ moment: Double) throws -> Void
    ) throws {
        func copy(_ name: String) throws -> String {
            let folder = place.path + "-" + name
            try FileManager.default.copyItem(atPath: place.path, toPath: folder)
            return folder
        }
        let timed = try copy("timed")
        defer { try? FileManager.default.removeItem(atPath: timed) }
        let begin = ContinuousClock.now
        try Program.run(arguments, in: timed, status: 0)
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        for round in 0..<faultRounds {
            let folder = try copy("\(round)")
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let moment = Double.random(in: 0...seconds)
            let program = try Program.start(arguments, in: folder)
            usleep(UInt32(moment * 1e6))
            program.send(SIGKILL)
            _ = program.wait()
            if FileManager.default.fileExists(atPath: folder + "/features.sqlite") {
                try Program.run(["cache", "verify", "features.sqlite"], in: folder, status: 0)
            }
            try check(folder, moment)
        }
    }

    private func content(_ folder: String) throws -> [String] {
        try Workplace.query(ClusterTests.content, path: folder + "/features.sqlite")
    }

    @Test("extract, killed: the resumed extraction equals an uninterrupted one") func extract() throws {
        let place = try Workplace(clips: 24)
        try place.add("clips/train/run's/broken.y4m", "YUV4MPEG2 nonsense")
        try place.run("extract", "p.yaml", "--cache", "whole.sqlite", status: 3)
        let whole: [String] = try place.query(ClusterTests.content, cache: "whole.sqlite")
        #expect(whole.count == 24)
        try FileManager.default.removeItem(atPath: place.path + "/clips/train/run's/broken.y4m")
        try killing(["extract", "p.yaml"], in: place) { folder, moment in
            try Program.run(["extract", "p.yaml"], in: folder, status: 0)
            #expect(try content(folder) == whole, "killed after \(moment) s")
        }
    }

    @Test("sequence, killed: the resumed run has the same weights, epochs and predictions") func sequence() throws {
        let place = try Workplace()
        try place.add("long.yaml", Workplace.pipeline.replacing("epochs: 3", with: "epochs: 60\n  checkpoint: 3"))
        #expect(try place.run("extract", "long.yaml").status == 0)
        func outcome(_ folder: String) throws -> (Data, [String]) {
            let figures: [String] = try Workplace.query(
                """
                SELECT epoch || ' ' || train_loss AS line FROM epoch UNION ALL
                SELECT video_id || split || predicted || probabilities FROM prediction ORDER BY 1
                """, path: folder + "/features.sqlite")
            return (try Data(contentsOf: URL(fileURLWithPath: folder + "/runs/tiny/model.safetensors")), figures)
        }
        let reference = place.path + "-reference"
        try FileManager.default.copyItem(atPath: place.path, toPath: reference)
        defer { try? FileManager.default.removeItem(atPath: reference) }
        #expect(try Program.run(["sequence", "long.yaml", "--name", "tiny"], in: reference).status == 0)
        let whole = try outcome(reference)
        try killing(["sequence", "long.yaml", "--name", "tiny"], in: place) { folder, moment in
            try Program.run(["sequence", "long.yaml", "--name", "tiny", "--resume"], in: folder, status: 0)
            let found = try outcome(folder)
            #expect(found.0 == whole.0 && found.1 == whole.1, "killed after \(moment) s")
        }
    }

    @Test("merge, killed: merging again leaves no row missing or duplicated") func merge() throws {
        let place = try Workplace(clips: 40)
        #expect(try place.run("extract", "p.yaml", "--cache", "single.sqlite").status == 0)
        let whole: [String] = try place.query(ClusterTests.content, cache: "single.sqlite")
        for number in 1...3 {
            #expect(try place.run("extract", "p.yaml", "--cache", "part.sqlite", "--shard", "\(number)/3").status == 0)
        }
        try FileManager.default.removeItem(atPath: place.path + "/single.sqlite")
        let parts = (1...3).map { "part.shard-\($0)-of-3.sqlite" }
        let command = ["cache", "merge", "features.sqlite"] + parts
        try killing(command, in: place) { folder, moment in
            try Program.run(command, in: folder, status: 0)
            #expect(try content(folder) == whole, "killed after \(moment) s")
        }
    }

    @Test("prune, killed: the other recipe's features are unchanged, and pruning again gives the same result")
    func prune() throws {
        let place = try Workplace(clips: 16, after: "extract")
        let other = ["extract", "p.yaml", "--set", "extract.image_size=40", "--set", "name=other"]
        #expect(try place.run(other).status == 0)
        let command = ["cache", "prune", "features.sqlite", "--recipe", "other"]
        let both = try content(place.path)
        try killing(command, in: place) { folder, moment in
            let left = try content(folder)
            #expect(left.count == 16 || left == both, "killed after \(moment) s")
            let again = try Program.run(command, in: folder)
            #expect(again.status == 0 || again.error.contains("No recipe is called other"), "\(again.error)")
            let pruned = try content(folder)
            #expect(pruned.count == 16 && Set(pruned).isSubset(of: both), "killed after \(moment) s")
            #expect(try Program.run(["cache", "verify"], in: folder).status == 0)
        }
    }
}
