import Foundation
import GRDB
import TestSupport
import Testing

@Suite struct CommandTests {
    @Test("extract, sequence, evaluate and predict work one after the other, and skip what is done")
    func wholePath() throws {
        let place = try Workplace()
        let extract = try place.run("extract", "p.yaml")
        #expect(extract.status == 0, "\(extract.error)")
        #expect(extract.out.contains("Extracted 8 videos (32 frames)"))
        let again = try place.run("extract", "p.yaml")
        #expect(again.status == 0)
        #expect(again.out.contains("Extracted 0 videos (0 frames); 8 skipped, already in the cache; 0 failed."))

        // Training opens no video: they are gone.
        try FileManager.default.moveItem(atPath: place.path + "/clips", toPath: place.path + "/elsewhere")
        let train = try place.run("sequence", "p.yaml", "--set", "dataset.validation=0")
        #expect(train.status == 0, "\(train.error)")
        #expect(train.error.contains("untrained (random) resnet18"))
        #expect(train.out.contains("Run: runs/tiny"))
        let second = try place.run("sequence", "p.yaml", "--set", "sequence.model={kind: average}")
        #expect(second.out.contains("Run: runs/tiny-2"), "\(second.error)")
        let taken = try place.run("sequence", "p.yaml", "--name", "tiny")
        #expect(taken.status == 1)
        #expect(taken.error.contains("already in the cache"))

        let evaluate = try place.run("evaluate", "runs/tiny")
        #expect(evaluate.status == 0, "\(evaluate.error)")
        #expect(evaluate.out.contains("split test"))
        #expect(evaluate.out.contains("jump up") && evaluate.out.contains("run's"))
        let json = try place.run("evaluate", "runs/tiny", "--split", "train", "--json")
        let parsed = try JSONSerialization.jsonObject(with: Data(json.out.utf8)) as? [String: Any]
        #expect(parsed?["clips"] as? Int == 6)

        let video = "elsewhere/test/run's/3.y4m"
        let predict = try place.run("predict", "runs/tiny", video, "--json")
        #expect(predict.status == 0, "\(predict.error)")
        let predictions = try JSONSerialization.jsonObject(with: Data(predict.out.utf8)) as? [[String: Any]]
        let classes = try #require(predictions?.first?["classes"] as? [[String: Any]])
        let probabilities = classes.compactMap { $0["probability"] as? Double }
        #expect(probabilities.count == 2 && abs(probabilities.reduce(0, +) - 1) < 1e-6)
        #expect(probabilities == probabilities.sorted(by: >))
        // The prediction for the file is the one made from the cache.
        let stored: [Double] = try place.query(
            "SELECT probability FROM prediction JOIN video ON video.id = video_id WHERE run_id = 1 AND path LIKE '%/3.y4m'"
        )
        #expect(abs(try #require(stored.first) - probabilities[0]) < 1e-4)
        let partly = try place.run("predict", "runs/tiny", video, "no such.mp4")
        #expect(partly.status == 3)
        #expect(partly.error.contains("no such.mp4 does not exist"))
    }

    @Test("the queries of the README answer") func queries() throws {
        let place = try Workplace()
        _ = try place.run("extract", "p.yaml")
        _ = try place.run("sequence", "p.yaml", "--set", "dataset.validation=0")
        #expect(
            try place.query("SELECT label FROM coverage WHERE split = 'train' ORDER BY label") == ["jump up", "run's"])
        let bytes: [Int] = try place.query("SELECT length(feature) FROM frame_feature WHERE path LIKE '%/0.y4m'")
        #expect(bytes == Array(repeating: 512 * 4, count: 4))
        #expect(try place.query("SELECT round(time, 2) FROM frame_feature LIMIT 2") == [0.0, 0.08])
        #expect(try place.query("SELECT sum(videos) FROM confusion WHERE run = 'tiny' AND split = 'test'") == [2])
        #expect(try place.query("SELECT state FROM run") == ["finished"])
        #expect(try place.query("SELECT max(epoch) FROM epoch") == [3])
    }

    @Test("a sweep trains what is missing, selects on validation, compares, and writes a table") func sweep() throws {
        let place = try Workplace(clips: 16)
        try place.add(
            "s.yaml",
            Data((Workplace.pipeline + "\nsweep: {sequence.model.hidden: [4, 6], sequence.seed: [1, 2]}\n").utf8))
        #expect(try place.run("extract", "s.yaml").status == 0)
        let first = try place.run("sweep", "s.yaml")
        #expect(first.status == 0, "\(first.error)")
        #expect(first.out.contains("Best on validation: tiny-s0") && first.out.contains("McNemar"))
        let models = try place.query("SELECT model FROM run ORDER BY name") as [String]
        #expect(models == ["gru 4", "gru 4", "gru 6", "gru 6"])
        let table = try String(contentsOfFile: place.path + "/runs/tiny-sweep.csv", encoding: .utf8)
        #expect(table.hasPrefix("run,sequence.model.hidden,sequence.seed,best_epoch,"))
        #expect(table.split(separator: "\n").count == 5 && table.contains("\ntiny-s03,6,1,"))
        let started = try place.query("SELECT sum(seconds) FROM epoch") as [Double]
        let again = try place.run("sweep", "s.yaml")
        #expect(again.status == 0 && again.out == first.out)
        #expect(try place.query("SELECT sum(seconds) FROM epoch") as [Double] == started)

        let listed = try place.run("runs", "--where", "model=gru 6", "--sort", "validation-loss")
        #expect(listed.out.contains("tiny-s03") && !listed.out.contains("tiny-s01"))
        let compared = try place.run("compare", "runs/tiny-s01", "runs/tiny-s03", "--json")
        #expect(compared.status == 0 && compared.out.contains("\"onlyFirst\""))
        #expect(try place.run("compare", "runs/none").status == 1)
        #expect(try place.run("runs", "--where", "colour=red").status == 64)
        #expect(try place.run("sweep", "p.yaml").status == 2)
    }

    @Test("a sweep goes on after points that failed, and after runs that died before they wrote anything")
    func sweepAfterFailures() throws {
        let place = try Workplace(clips: 16)
        let sweep = "\nsweep: {sequence.optimizer.learning_rate: [1e300, 1e-3], sequence.optimizer.kind: [sgd]}\n"
        try place.add("s.yaml", Data((Workplace.pipeline + sweep).utf8))
        #expect(try place.run("extract", "s.yaml").status == 0)
        let first = try place.run("sweep", "s.yaml")
        #expect(first.status == 0 && first.out.contains("tiny-s01: Training diverged"), "\(first.error)")
        #expect(first.out.contains("Best on validation: tiny-s02"))
        // As a kill leaves it: a row, and nothing on disk.
        try FileManager.default.removeItem(atPath: place.path + "/runs")
        let database = try DatabaseQueue(path: place.path + "/features.sqlite")
        try database.write { try $0.execute(sql: "UPDATE run SET state = 'running'") }
        let again = try place.run("sweep", "s.yaml")
        #expect(again.status == 0 && again.out.contains("Best on validation: tiny-s02"), "\(again.error)")
        #expect(try place.query("SELECT count(*) FROM run") as [Int] == [2])
        let alone = try place.run("sweep", "s.yaml", "--set", "dataset.validation=0", "--set", "name=bare")
        #expect(alone.status == 0 && alone.out.contains("No run is selected"), "\(alone.error)")
    }

    @Test("broken videos are listed, the rest is done, and the exit code is 3") func brokenVideos() throws {
        let place = try Workplace(clips: 4)
        try place.add("clips/train/run's/empty.mp4", Data())
        try place.add("clips/train/run's/läufer \"x\".avi", Data(repeating: 7, count: 3000))
        let output = try place.run("extract", "p.yaml")
        #expect(output.status == 3)
        #expect(output.out.contains("Extracted 4 videos") && output.out.contains("2 failed"))
        #expect(output.error.contains("failed: train/run's/empty.mp4"))
        #expect(try place.query("SELECT count(*) FROM failure") == [2])
    }

    @Test(
        "bad use is refused with a hint and the right exit code",
        arguments: [
            (["describe", "resnet125"], 64, "Did you mean resnet152?"),
            (["extract", "none.yaml"], 2, "none.yaml: the pipeline file does not exist"),
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
        let output = try Program.run(arguments, in: place.path)
        #expect(output.status == status)
        #expect(output.error.contains(words), "\(output.error)")
        #expect(FileManager.default.contents(atPath: place.path + "/p.yaml") == Data(Workplace.pipeline.utf8))
    }

    @Test("weights are inspected and converted, and what is none is an error") func weights() throws {
        let place = try Workplace(clips: 0)
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appending(path: "../NeuralNetworkTests/Fixtures/weights/legacy.bin").standardizedFileURL.path
        let inspected = try place.run("weights", "inspect", fixture)
        #expect(inspected.status == 0, "\(inspected.error)")
        #expect(inspected.out.contains("conv.weight  2×3×3×3       54"))
        #expect(inspected.out.contains("PyTorch (before 1.6), 9 tensors"))
        let converted = try place.run("weights", "convert", fixture, "out.safetensors")
        #expect(converted.status == 0, "\(converted.error)")
        let again = try place.run("weights", "inspect", "out.safetensors")
        #expect(again.out.contains("safetensors, 9 tensors"))
        #expect(try place.run("weights", "inspect", "p.yaml").status == 1)
        #expect(try place.run("weights", "convert", fixture, "out.pth").status == 64)
    }

    @Test("describe prints the published size of ResNet-152") func describe() throws {
        let output = try Program.run(["describe", "resnet152"], in: NSTemporaryDirectory())
        #expect(output.status == 0)
        #expect(output.out.contains("60.19 M parameters, 11.5 G multiply-adds at 224×224"))
        #expect(output.out.contains("layer3.35.conv3"))
        #expect(output.out.contains("2048×7×7"))
        let all = try Program.run(["describe"], in: NSTemporaryDirectory())
        #expect(all.out.contains("resnet18") && all.out.contains("resnet152"))
    }
}
