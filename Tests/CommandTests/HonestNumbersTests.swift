import Foundation
import TestSupport
import Testing

/// Commands print no metric that looks better than it is.
@Suite struct HonestNumbersTests {
    private func json(_ output: ChildProcess.Output) throws -> [String: Any] { try output.json() }

    private static let diverging = [
        "--set", "sequence.model.kind=transformer", "--set", "sequence.model={kind: transformer, hidden: 16, heads: 2}",
        "--set", "sequence.optimizer={kind: sgd, momentum: 0.9, learning_rate: 1e300}",
        "--set", "sequence.early_stopping={monitor: validation_accuracy, patience: 30}",
    ]

    @Test("a diverged head marks its run, gives a non-zero exit code and is not ranked")
    func diverged() throws {
        let place = try Workplace(clips: 24, after: "extract")
        let output = try place.run(["sequence", "p.yaml", "--name", "bad"] + Self.diverging)
        #expect(output.status != 0 && !output.out.contains("100.0 %"), "\(output.out)\(output.error)")
        #expect((output.error + output.out).contains("diverged"))
        #expect(try place.query("SELECT state FROM run WHERE name = 'bad'") == ["diverged"])
        let stored =
            try place.query(
                "SELECT count(*) FROM prediction WHERE probability IS NOT NULL AND NOT (probability BETWEEN 0 AND 1)")
            as [Int]
        #expect(stored == [0])
        let sweep =
            "\nsweep:\n  sequence.optimizer:\n    - {kind: sgd, learning_rate: 1e300}\n    - {kind: adam, "
            + "learning_rate: 1e-3}\n"
        try place.add("s.yaml", Workplace.pipeline + sweep)
        let swept = try place.run(
            "sweep", "s.yaml", "--report", "sweep.html", out: "tiny-s01 (diverged)", "Best on validation: tiny-s02")
        let rows = swept.out.split(separator: "\n").map(String.init)
        let places = ["tiny-s02", "tiny-s01"].compactMap { name in rows.firstIndex { $0.hasPrefix("  " + name) } }
        #expect(places.count == 2 && places[0] < places[1], "\(swept.out)")
        let table = try place.text("runs/tiny-sweep.csv")
        #expect(table.contains(",diverged\n") && table.contains(",finished\n"))
        try place.run("sweep", "s.yaml", "--folds", "2", status: 0, absent: "1e300")
        let folds = try place.run(
            [
                "sequence", "p.yaml", "--name", "folds", "--folds", "2", "--set",
                "sequence.optimizer={kind: sgd, learning_rate: 1e300}",
            ])
        #expect(folds.status != 0 && folds.error.contains("fold models diverged"), "\(folds.error)")
        let curve = try place.run(
            [
                "learning-curve", "p.yaml", "--folds", "2", "--sizes", "2", "--set",
                "sequence.optimizer={kind: sgd, learning_rate: 1e300}",
            ])
        #expect(curve.out.contains("diverged") && !curve.out.contains("100.0 %"), "\(curve.out)\(curve.error)")
    }

    @Test("an absurd but finite loss gives a warning") func absurd() throws {
        let place = try Workplace(clips: 16, after: "extract")
        try place.run(
            ["sequence", "p.yaml", "--set", "sequence.model={kind: average}", "--set", "sequence.epochs=1"] + [
                "--set", "sequence.standardize=false",
            ] + ["--set", "sequence.optimizer={kind: sgd, learning_rate: 1e9}"],
            error: "warning: the loss of the")
        try place.run("evaluate", "runs/tiny", "--report", "report.html", out: "note: the loss of the clips is")
        #expect(try place.text("report.html").contains("Warning: the loss of the"))
    }

    @Test("clips without features are counted by split; more than a tenth stop training, unless an option allows it")
    func partial() throws {
        let place = try Workplace(clips: 8, after: "extract")
        for index in 20..<23 { try place.add("clips/train/run's/\(index).y4m", TinyClip.numbered(index)) }
        let refused = try place.run("sequence", "p.yaml")
        #expect(refused.status != 0, "\(refused.error)")
        #expect(
            refused.error.contains("3 of 11 clips have no features (3 not extracted yet): train 3 of 9")
                && refused.error.contains("--partial"), "\(refused.error)")
        for command in ["sweep", "learning-curve"] {
            try place.add("s.yaml", Workplace.pipeline + "\nsweep: {sequence.seed: [1, 2]}\n")
            let output = try place.run(command, "s.yaml")
            #expect(output.status != 0 && output.error.contains("3 of 11 clips"), "\(output.error)")
        }
        try place.run("sequence", "p.yaml", "--partial", status: 0, error: "note: 3 of 11 clips")
        try place.run("evaluate", "runs/tiny", out: "when the run was trained, 3 of 11 clips have no features")
    }

    @Test("test clips of classes without training clips count as wrong, or are left out with a message")
    func unknownClasses() throws {
        let place = try Workplace(clips: 8)
        for label in ["c", "d"] {
            try place.add("clips/test/\(label)/9.y4m", TinyClip.numbered(label == "c" ? 30 : 31))
        }
        #expect(try place.run("extract", "p.yaml").status == 0)
        let output = try place.run("sequence", "p.yaml", error: "4 test clips")
        let line = "test: 2 clips of classes without training clips (c, d) counted as wrong"
        #expect(output.status == 0 && output.out.contains(line), "\(output.out)")
        let all = try json(place.run("evaluate", "runs/tiny", "--json"))
        let known = try json(place.run("evaluate", "runs/tiny", "--json", "--known-classes"))
        let accuracies = [all, known].compactMap { $0["accuracy"] as? Double }
        #expect(all["clips"] as? Int == 4 && known["clips"] as? Int == 2 && accuracies.count == 2)
        #expect(abs(accuracies[0] * 4 - accuracies[1] * 2) < 1e-9)
        #expect(all["unknown_classes"] as? [String] == ["c", "d"])
        #expect((all["notes"] as? [String])?.first == "2 clips of classes without training clips count as wrong")
        #expect((known["notes"] as? [String])?.first == "2 clips of classes without training clips are left out")
        let shares = try place.query("SELECT avg(label = predicted) FROM prediction WHERE split = 'test'") as [Double]
        #expect(shares == [accuracies[0]])
    }

    @Test("clips are joined from known classes only, without a message that others count as wrong", arguments: [1, 2])
    func unknownAreNotJoined(unknown: Int) throws {
        let place = try Workplace(clips: 8)
        try place.add("clips/test/jump up/40.y4m", TinyClip.numbered(40))
        for index in 0..<unknown { try place.add("clips/test/c/\(index).y4m", TinyClip.numbered(50 + index)) }
        #expect(try place.run("extract", "p.yaml").status == 0 && place.run("sequence", "p.yaml").status == 0)
        let joined = try place.run(
            "evaluate", "runs/tiny", "--continuous", "--sequences", "2", status: 0,
            out: "of classes without training clips are not concatenated")
        #expect(!joined.out.contains("as wrong"), "\(joined.out)\(joined.error)")
        #expect(try place.run("evaluate", "runs/tiny").out.contains("as wrong"))
    }

    @Test("a cross-validated run is evaluated with models that were not trained on the clip, also for joined clips")
    func crossValidated() throws {
        let place = try Workplace(clips: 24)
        let flat = ["--set", "dataset.root=clips/train", "--set", "dataset.name=flat"]
        #expect(try place.run(["extract", "p.yaml"] + flat).status == 0)
        try place.run(
            ["sequence", "p.yaml", "--folds", "3", "--repeats", "2", "--set", "sequence.epochs=30"] + flat, status: 0,
            out: "held-out accuracy of single models", "of the ensemble of 2 repeats", "held-out")
        try place.run(
            "evaluate", "runs/tiny", out: "split heldout: held-out clips, each predicted by fold models",
            "held-out accuracy of single models")
        let document = try json(place.run("evaluate", "runs/tiny", "--json"))
        let models = try #require(document["fold_models"] as? [String: Any])
        #expect(document["split"] as? String == "heldout" && models["repeats"] as? Int == 2)
        #expect(models["averaged_accuracy"] as? Double == document["accuracy"] as? Double)
        let singles =
            try place.query(
                """
                SELECT avg(accuracy) FROM (SELECT avg(label = predicted) AS accuracy FROM fold
                  JOIN sample ON sample.video_id = fold.video_id GROUP BY repeat, fold)
                """) as [Double]
        #expect(abs(try #require(models["mean_accuracy"] as? Double) - singles[0]) < 1e-9)
        let joined = try json(place.run("evaluate", "runs/tiny", "--continuous", "--json", "--sequences", "12"))
        let kept = try json(
            place.run("evaluate", "runs/tiny", "--continuous", "--json", "--sequences", "12", "--split", "train"))
        #expect(joined["split"] as? String == "heldout" && kept["split"] as? String == "train")
        #expect(joined["correct"] as? Int != kept["correct"] as? Int)
        try place.run("evaluate", "runs/tiny", "--split", "train", out: "clips that the run was trained on")
        let fold = try place.run("evaluate", "runs/tiny/folds/2-1", "--json")
        #expect(try json(fold)["split"] as? String == "heldout")
    }

    @Test("training uses the clips, labels, splits and groups of the current pipeline, not the stored ones")
    func pipelineDecides() throws {
        let place = try Workplace(clips: 0)
        let clips = (0..<12).map { "c\($0).y4m" }
        for (index, clip) in clips.enumerated() { try place.add("clips/\(clip)", TinyClip.numbered(index)) }
        func list(_ name: String, _ rows: [String]) throws -> [String] {
            try place.add(name, (["path,label,split,group"] + rows).joined(separator: "\n"))
            return ["--set", "dataset={layout: csv, root: clips, splits: \(name), validation: 0}"]
        }
        func rows(_ count: Int = 12, label: (Int) -> String, test: (Int) -> Bool, group: (Int) -> String) -> [String] {
            (0..<count).map { "c\($0).y4m,\(label($0)),\(test($0) ? "test" : "train"),\(group($0))" }
        }
        let even = { (index: Int) in index % 2 == 0 ? "a" : "b" }
        let first = try list("first.csv", rows(label: even, test: { $0 < 4 }, group: { "g\($0)" }))
        #expect(try place.run(["extract", "p.yaml"] + first).status == 0)
        func train(_ name: String, _ settings: [String]) throws -> String {
            let output = try place.run(["sequence", "p.yaml", "--name", name] + settings, status: 0)
            return output.error
        }
        #expect(try train("first", first).contains("8 training, 0 validation, 4 test clips"))
        let other = try list("other.csv", rows(label: even, test: { $0 >= 6 }, group: { "g\($0)" }))
        #expect(try train("other", other).contains("6 training, 0 validation, 6 test clips"))
        let fewer = try list("fewer.csv", rows(6, label: even, test: { $0 < 2 }, group: { "g\($0)" }))
        #expect(try train("fewer", fewer).contains("4 training, 0 validation, 2 test clips"))
        let turned = try list("turned.csv", rows(label: { even($0 + 1) }, test: { $0 < 4 }, group: { "g\($0)" }))
        _ = try train("turned", turned)
        #expect(
            try place.query(
                "SELECT DISTINCT label FROM prediction JOIN run ON run.id = run_id JOIN video ON video.id = video_id "
                    + "WHERE name = 'turned' AND path = 'c0.y4m'") == ["b"])
        // Clips of one source are in the same fold.
        let grouped = try list("grouped.csv", rows(label: even, test: { _ in false }, group: { "g\($0 % 4)" }))
        try place.run(["sequence", "p.yaml", "--folds", "3"] + grouped, status: 1, error: "2 sources (groups)")
        // Two data sets with the same folder name in one cache stay separate.
        for index in 0..<4 { try place.add("more/clips/\(even(index))/m\(index).y4m", TinyClip.numbered(50 + index)) }
        let more = ["--set", "dataset={root: more/clips, validation: 0}"]
        #expect(try place.run(["extract", "p.yaml"] + more).status == 0)
        #expect(try train("more", more).contains("4 training, 0 validation, 0 test clips"))
        #expect(try train("again", first).contains("8 training, 0 validation, 4 test clips"))
    }
}
