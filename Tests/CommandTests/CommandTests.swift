import Foundation
import GRDB
import TestSupport
import Testing

@Suite struct CommandTests {
    @Test("extract, sequence, evaluate and predict work in sequence, and skip work that is done")
    func wholePath() throws {
        let place = try Workplace()
        try place.run("extract", "p.yaml", status: 0, out: "Extracted 8 videos (32 frames)")
        try place.run(
            "extract", "p.yaml", status: 0,
            out: "Extracted 0 videos (0 frames); 8 skipped, already in the cache; 0 failed.")

        // Training opens no video: the files were deleted.
        try FileManager.default.moveItem(atPath: place.path + "/clips", toPath: place.path + "/elsewhere")
        try place.run(
            "sequence", "p.yaml", "--set", "dataset.validation=0", status: 0, out: "Run: runs/tiny",
            error: "untrained (random) resnet18")
        try place.run("sequence", "p.yaml", "--set", "sequence.model={kind: average}", out: "Run: runs/tiny-2")
        try place.run("sequence", "p.yaml", "--name", "tiny", status: 1, error: "already in the cache")

        try place.run("evaluate", "runs/tiny", status: 0, out: "split test", "jump up", "run's", "recall  precision")
        let document: [String: Any] = try place.run("evaluate", "runs/tiny", "--split", "train", "--json").json()
        #expect(document["clips"] as? Int == 6)

        let video = "elsewhere/test/run's/3.y4m"
        let predictions: [[String: Any]] = try place.run("predict", "runs/tiny", video, "--json", status: 0).json()
        let classes = try #require(predictions.first?["classes"] as? [[String: Any]])
        let probabilities = classes.compactMap { $0["probability"] as? Double }
        #expect(probabilities.count == 2 && abs(probabilities.reduce(0, +) - 1) < 1e-6)
        #expect(probabilities == probabilities.sorted(by: >))
        // The prediction for the file is the one made from the cache.
        let stored: [Double] = try place.query(
            "SELECT probability FROM prediction JOIN video ON video.id = video_id WHERE run_id = 1 AND path LIKE "
                + "'%/3.y4m'")
        #expect(abs(try #require(stored.first) - probabilities[0]) < 1e-4)
        try place.run("predict", "runs/tiny", video, "no such.mp4", status: 3, error: "no such.mp4 does not exist")
    }

    @Test("the SQL queries of the README return rows") func queries() throws {
        let place = try Workplace(after: "extract")
        _ = try place.run("sequence", "p.yaml", "--set", "dataset.validation=0")
        #expect(
            try place.query("SELECT label FROM coverage WHERE split = 'train' ORDER BY label") == ["jump up", "run's"])
        #expect(
            try place.query("SELECT length(feature) FROM frame_feature WHERE path LIKE '%/0.y4m'")
                == Array(repeating: 512 * 4, count: 4))
        #expect(try place.query("SELECT round(time, 2) FROM frame_feature LIMIT 2") == [0.0, 0.08])
        #expect(try place.query("SELECT sum(videos) FROM confusion WHERE run = 'tiny' AND split = 'test'") == [2])
        #expect(try place.query("SELECT state FROM run") == ["finished"])
        #expect(try place.query("SELECT max(epoch) FROM epoch") == [3])
    }

    @Test("a sweep trains missing runs, selects on validation, compares the best with others and writes a table")
    func sweep() throws {
        let place = try Workplace(clips: 16)
        try place.add(
            "s.yaml", Workplace.pipeline + "\nsweep: {sequence.model.hidden: [4, 6], sequence.seed: [1, 2]}\n")
        #expect(try place.run("extract", "s.yaml").status == 0)
        let first = try place.run("sweep", "s.yaml", status: 0, out: "Best on validation: tiny-s0", "McNemar")
        let models = try place.query("SELECT model FROM run ORDER BY name") as [String]
        #expect(models == ["gru 4", "gru 4", "gru 6", "gru 6"])
        let table = try place.text("runs/tiny-sweep.csv")
        #expect(table.hasPrefix("run,sequence.model.hidden,sequence.seed,best_epoch,"))
        #expect(table.split(separator: "\n").count == 5 && table.contains("\ntiny-s03,6,1,"))
        let started = try place.query("SELECT sum(seconds) FROM epoch") as [Double]
        #expect(try place.run("sweep", "s.yaml", status: 0).out == first.out)
        #expect(try place.query("SELECT sum(seconds) FROM epoch") as [Double] == started)

        try place.run(
            "runs", "--where", "model=gru 6", "--sort", "validation-loss", out: "tiny-s03", absent: "tiny-s01")
        try place.run("compare", "runs/tiny-s01", "runs/tiny-s03", "--json", status: 0, out: "\"onlyFirst\"")
        #expect(try place.run("compare", "runs/none").status == 1)
        #expect(try place.run("runs", "--where", "colour=red").status == 64)
        #expect(try place.run("sweep", "p.yaml").status == 2)
    }

    @Test("a sweep continues after failed points, and after runs that crashed before they wrote anything")
    func sweepAfterFailures() throws {
        let place = try Workplace(clips: 16)
        let sweep = "\nsweep: {sequence.optimizer.learning_rate: [1e300, 1e-3], sequence.optimizer.kind: [sgd]}\n"
        try place.add("s.yaml", Workplace.pipeline + sweep)
        #expect(try place.run("extract", "s.yaml").status == 0)
        try place.run("sweep", "s.yaml", status: 0, out: "tiny-s01: Training diverged", "Best on validation: tiny-s02")
        // As after SIGKILL: a row in the cache, and nothing on disk.
        try FileManager.default.removeItem(atPath: place.path + "/runs")
        let database = try DatabaseQueue(path: place.path + "/features.sqlite")
        try database.write { try $0.execute(sql: "UPDATE run SET state = 'running'") }
        try place.run("sweep", "s.yaml", status: 0, out: "Best on validation: tiny-s02")
        #expect(try place.query("SELECT count(*) FROM run") as [Int] == [2])
        try place.run(
            "sweep", "s.yaml", "--set", "dataset.validation=0", "--set", "name=bare", status: 0,
            out: "No run is selected")
    }

    @Test("broken videos are listed, the others are extracted, and the exit code is 3") func brokenVideos() throws {
        let place = try Workplace(clips: 4)
        try place.add("clips/train/run's/empty.mp4", Data())
        try place.add("clips/train/run's/läufer \"x\".avi", Data(repeating: 7, count: 3000))
        try place.run(
            "extract", "p.yaml", status: 3, out: "Extracted 4 videos", "2 failed",
            error: "failed: train/run's/empty.mp4")
        #expect(try place.query("SELECT count(*) FROM failure") == [2])
    }

    @Test(
        "wrong usage is rejected with a hint and the right exit code",
        arguments: [
            (["describe", "resnet125"], 64, "Did you mean resnet152?"),
            (
                ["extract", "none.yaml"], 2,
                "the pipeline file does not exist. Check its path, or write one: `zoetrope demo`"
            ),
            (["extract", "p.yaml", "--set", "extract.backbone=resnet19"], 2, "did you mean `resnet18`?"),
            (["extract", "p.yaml", "--set", "dataset.root=nowhere"], 1, "The dataset folder nowhere does not exist"),
            (["extract", "p.yaml", "--workers", "0"], 64, "--workers must be at least 1"),
            (["extract", "p.yaml", "--set", "extract.weights=w.pth"], 1, "w.pth"),
            (["extract", "p.yaml", "--cache", "clips"], 1, "clips cannot be written, since it is a folder"),
            (["extract", "p.yaml", "--cache", "p.yaml"], 1, "p.yaml is not an SQLite file"),
            (["sequence", "p.yaml"], 1, "There is no cache at features.sqlite"),
            (["evaluate", "runs/none"], 1, "Train one with `zoetrope sequence`"),
            (["predict", "runs/none", "x.mp4"], 1, "Train one with `zoetrope sequence`"),
            (["evaluate", "runs/none", "--split", "tset"], 64, "train, validation, test or heldout"),
            (["frobnicate"], 64, "frobnicate"),
        ])
    func misuse(arguments: [String], status: Int32, words: String) throws {
        let place = try Workplace(clips: 2)
        try place.run(arguments, status: status, error: words)
        #expect(FileManager.default.contents(atPath: place.path + "/p.yaml") == Data(Workplace.pipeline.utf8))
    }

    @Test("weights are inspected and converted, and a file that contains none is an error") func weights() throws {
        let place = try Workplace(clips: 0)
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appending(path: "../NeuralNetworkTests/Fixtures/weights/legacy.bin").standardizedFileURL.path
        try place.run(
            "weights", "inspect", fixture, status: 0, out: "conv.weight  2×3×3×3       54",
            "PyTorch (before 1.6), 9 tensors")
        try place.run("weights", "convert", fixture, "out.safetensors", status: 0)
        try place.run("weights", "inspect", "out.safetensors", out: "safetensors, 9 tensors")
        #expect(try place.run("weights", "inspect", "p.yaml").status == 1)
        #expect(try place.run("weights", "convert", fixture, "out.pth").status == 64)
    }

    @Test("describe prints the published size of ResNet-152") func describe() throws {
        try Program.run(
            ["describe", "resnet152"], in: NSTemporaryDirectory(), status: 0,
            out: "60.19 M parameters, 11.5 G multiply-adds at 224×224", "layer3.35.conv3", "2048×7×7")
        try Program.run(["describe"], in: NSTemporaryDirectory(), out: "resnet18", "resnet152")
    }
}
