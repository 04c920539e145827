import Foundation
import TestSupport
import Testing

/// Evaluation protocols for small data and exploration of a data set, through the commands.
@Suite struct ProtocolCommandTests {
    private func place(clips: Int = 16) throws -> Workplace { try Workplace(clips: clips, after: "extract") }

    @Test(
        "cross-validation holds out each clip once, keeps its models, and works in evaluate, compare, predict"
    ) func folds() throws {
        let place = try place()
        try place.run(
            "sequence", "p.yaml", "--folds", "3", "--repeats", "2", "--name", "a", status: 0, out: "held-out",
            error: "over 3 folds, 2 repeats")
        #expect(try place.query("SELECT count(*) FROM prediction WHERE split = 'validation'") == [12])
        #expect(try place.query("SELECT count(*) FROM prediction WHERE split = 'train'") == [12])
        #expect(try place.query("SELECT count(*) FROM prediction WHERE split = 'test'") == [4])
        #expect(
            try place.query(
                """
                SELECT count(*) FROM (SELECT "repeat", fold, avg(fold.predicted = label) AS accuracy
                  FROM fold JOIN sample USING (video_id) GROUP BY 1, 2)
                """) == [6])
        let document: [String: Any] = try place.run("evaluate", "runs/a", "--split", "validation", "--json").json()
        #expect(document["clips"] as? Int == 12)
        #expect(try place.run("evaluate", "runs/a", "--split", "validation", "--report", "r.html").status == 0)
        let page = try place.text("r.html")
        #expect(page.contains("over 3 folds") && page.contains("area under ROC") && page.contains("held-out clips"))
        for key in ["accuracy_interval", "balanced_accuracy", "macro_f1", "mean_average_precision", "roc"] {
            #expect(document[key] != nil, "\(key)")
        }
        #expect(
            try place.run("sequence", "p.yaml", "--folds", "3", "--name", "b", "--set", "sequence.seed=1").status == 0)
        try place.run("compare", "runs/a", "runs/b", "--split", "validation", status: 0, out: "12 clips, held-out")
        let clip = "clips/train/jump up/0.y4m"
        let one = try place.run("predict", "runs/a", clip, "--json")
        let all = try place.run("predict", "runs/a", clip, "--json", "--ensemble")
        #expect(one.status == 0 && all.status == 0 && one.out != all.out)
        #expect(try place.run("predict", "runs/a", clip, "--ensemble", "--windows").status == 64)
        #expect(try place.run("cache", "verify").status == 0)
    }

    @Test("impossible numbers of folds are rejected with errors, and no files remain") func refusals() throws {
        let place = try place()
        try place.run(
            "sequence", "p.yaml", "--folds", "9", status: 1, error: "\"run's\" has 4 clips, fewer than the 9 folds")
        #expect(try place.query("SELECT count(*) FROM run") == [0])
        #expect(try place.run("sequence", "p.yaml", "--folds", "1").status == 64)
        #expect(try place.run("sequence", "p.yaml", "--repeats", "2").status == 2)
        try place.run(
            "sequence", "p.yaml", "--set", "dataset.root=clips/train", "--set", "dataset.test=0.3", status: 1,
            error: "12 of 12 clips have no features")
    }

    @Test(
        "a test part set aside by the pipeline belongs to `sequence` alone: no data set and no other run has it"
    )
    func testPart() throws {
        let place = try Workplace(clips: 24)
        let flat = ["--set", "dataset.root=clips/train", "--set", "dataset.name=flat"]
        func run(_ arguments: String...) throws -> ChildProcess.Output {
            try place.run(arguments + flat)
        }
        #expect(try run("extract", "p.yaml").status == 0)
        #expect(try run("sequence", "p.yaml", "--name", "a").status == 0)
        let again = try run("extract", "p.yaml", "--set", "dataset.test=0.25")
        #expect(again.status == 0 && again.error.contains("0 videos to extract"), "\(again.error)")
        #expect(try run("sequence", "p.yaml", "--name", "b", "--set", "dataset.test=0.25").status == 0)
        #expect(try place.query("SELECT count(*) FROM sample WHERE split = 'test'") == [0])
        func clips(_ run: String, _ roles: String) throws -> Set<Int64> {
            Set(
                try place.query(
                    "SELECT video_id FROM membership JOIN run ON run.id = run_id WHERE name = '\(run)' AND role IN "
                        + "(\(roles))"
                ))
        }
        #expect(try clips("a", "'test'").isEmpty && clips("a", "'train', 'validation'").count == 18)
        #expect(try clips("b", "'test'").count == 4)
        #expect(try clips("b", "'test'").isDisjoint(with: clips("b", "'train', 'validation'")))
        try place.run("evaluate", "runs/a", "--split", "test", status: 1, error: "it has validation, train")
        try place.run("evaluate", "runs/a", out: "split validation: clips that are used for model selection")
        let before = try place.run("evaluate", "runs/b", "--json").out
        #expect(try run("extract", "p.yaml", "--set", "dataset.test=0.5").status == 0)
        #expect(try place.run("evaluate", "runs/b", "--json").out == before)
        // The pipeline without a test share trains on the same clips as before.
        #expect(try run("sequence", "p.yaml", "--name", "c").status == 0)
        #expect(try clips("c", "'train'") == clips("a", "'train'"))
    }

    @Test("all official splits use the features of one extraction, and their mean is printed") func allSplits() throws {
        let place = try Workplace(clips: 16)
        let clips = (0..<16).map { ["jump up", "run's"][$0 % 2] + "/\($0).y4m" }
        for (index, clip) in clips.enumerated() { try place.add("flat/\(clip)", TinyClip.numbered(index)) }
        for number in 1...3 {
            func lines(_ isTest: Bool) -> Data {
                let own = clips.enumerated().filter { ($0.offset / 2 % 3 == number - 1) == isTest }
                return Data(own.map { $0.element + "\n" }.joined().utf8)
            }
            try place.add("lists/trainlist0\(number).txt", lines(false))
            try place.add("lists/testlist0\(number).txt", lines(true))
        }
        let changes = ["layout=ucf101", "root=flat", "splits=lists", "split=all"].flatMap {
            ["--set", "dataset." + $0]
        }
        try place.run(["extract", "p.yaml"] + changes, status: 0, error: "16 videos to extract")
        #expect(
            try place.query("SELECT DISTINCT dataset FROM sample ORDER BY 1") == [
                "flat/split1", "flat/split2", "flat/split3",
            ])
        try place.run(["sequence", "p.yaml"] + changes, status: 0, out: "test part of each official split", "mean")
        try place.run(
            ["learning-curve", "p.yaml"] + changes, status: 2, error: "choose one with --set dataset.split=1")
        let page = try place.text("runs/tiny-splits.html")
        #expect(page.contains("Official splits"))
        #expect(try place.query("SELECT name FROM run ORDER BY name") == ["tiny-split1", "tiny-split2", "tiny-split3"])
    }

    @Test("a learning curve and a nested sweep print results on held-out clips, and keep no run") func curves() throws {
        let place = try place()
        let curve = try place.run(
            "learning-curve", "p.yaml", "--folds", "2", "--sizes", "2", "--json", "--report", "curve.html")
        let points: [[String: Any]] = try curve.json()
        #expect(points.count == 2 && points.last?["clips"] as? Double == 6 && points.first?["clips"] as? Double == 3)
        #expect(
            try place.run("learning-curve", "p.yaml", "--folds", "2", "--sizes", "2").out.contains("training clips"))
        let page = try place.text("curve.html")
        #expect(page.contains("Learning curve"))
        try place.add("s.yaml", Workplace.pipeline + "\nsweep:\n  sequence.model.hidden: [4, 8]\n")
        try place.run(
            "sweep", "s.yaml", "--folds", "2", status: 0, out: "the selection of each outer fold among 2 settings",
            "Accuracy of this selection")
        #expect(try place.query("SELECT count(*) FROM run") == [0])
    }

    @Test(
        "a learning curve and cross-validation work with early stopping, down to one clip per class",
        arguments: ["validation_loss", "validation_accuracy"])
    func curveWithEarlyStopping(monitor: String) throws {
        let place = try place()
        let stopping = ["--set", "sequence.early_stopping={monitor: \(monitor), patience: 2}"]
        try place.run(
            ["learning-curve", "p.yaml", "--folds", "2"] + stopping, status: 0, out: "training clips")
        try place.run(["sequence", "p.yaml", "--folds", "2"] + stopping, status: 0)
        // Without a validation split there is nothing to monitor, and a note says so.
        try place.run(
            ["learning-curve", "p.yaml", "--folds", "2", "--set", "dataset.validation=0"] + stopping,
            status: 1, error: "Set `dataset.validation` above 0")
    }

    @Test("explore writes a report, finds near-duplicates and warns of them, and similar lists similar clips")
    func explores() throws {
        let place = try Workplace(clips: 12)
        // The same frames in another file, in the test split.
        try place.add(
            "clips/test/jump up/copy.y4m", TinyClip.numbered(0) + TinyClip.numbered(0, frames: 1).suffix(1158))
        #expect(try place.run("extract", "p.yaml").status == 0)
        try place.run("dataset", "p.yaml", "--near-duplicates", status: 0, out: "copy.y4m")
        let pairs: [String] = try place.query("SELECT path || ' ' || twin FROM twin")
        #expect(pairs.contains { $0.contains("copy.y4m") && $0.contains("/0.y4m") })
        try place.run("sequence", "p.yaml", error: "with a near-duplicate")
        try place.run("explore", "features.sqlite", "--root", "clips", "--label-errors", "doubtful.csv", status: 0)
        let page = try place.text("explore.html")
        #expect(page.contains("script-src 'sha256-") && page.contains("data:image/jpeg;base64,"))
        #expect(!page.contains("http://") && !page.contains("https://"))
        for heading in [
            "Near-duplicates", "Suspected label errors", "Outliers", "Class sizes", "Lengths, sizes, rates",
        ] {
            #expect(page.contains("<h2>\(heading)</h2>"), "\(heading)")
        }
        try place.run("explore", "features.sqlite", "--root", "clips", "--frames", "--output", "frames.html", status: 0)
        #expect(try place.text("frames.html").contains("0.y4m, frame 4"))
        let list = try place.text("doubtful.csv")
        #expect(list.hasPrefix("path,label,perhaps,score\n"))
        #expect(try place.run("sequence", "p.yaml", "--set", "dataset.exclude=doubtful.csv").status == 0)
        let similar = try place.run("similar", "features.sqlite", "clips/train/jump up/0.y4m", "--top", "2")
        let lines = similar.out.split(separator: "\n").dropFirst(2)
        #expect(similar.status == 0 && lines.count == 2 && lines.contains { $0.contains("copy.y4m") }, "\(similar.out)")
        let strip = try place.run(
            "similar", "features.sqlite", "clips/train/jump up/0.y4m", "--strip", "s.png", "--root", "clips")
        #expect(strip.status == 0 && FileManager.default.fileExists(atPath: place.path + "/s.png"), "\(strip.error)")
        try place.run(
            "similar", "features.sqlite", "clips/train/jump up/0.y4m", "--frames", "--json", status: 0, out: "\"time\"")
        #expect(try place.run("similar", "features.sqlite", "none.mp4").status == 1)
        try place.run(
            "explore", "features.sqlite", "--recipe", "resnet152", status: 1,
            error: "holds no recipe called \"resnet152\". It holds tiny")
    }
}
