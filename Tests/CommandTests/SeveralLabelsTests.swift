import Foundation
import GRDB
import TestSupport
import Testing

/// Each command on a data set with several labels a clip.
@Suite struct SeveralLabelsTests {
    /// Twelve clips in a list: two labels, one, or none.
    private func place(_ more: String = "", folds: Bool = false) throws -> Workplace {
        let place = try Workplace(clips: 0)
        var list = ["path,labels,split"]
        for index in 0..<16 {
            try place.add("clips/\(index).y4m", TinyClip.numbered(index))
            let labels = [["jump", "run"], ["jump"], ["run's"], []][index % 4]
            list.append("\(index).y4m,\(labels.joined(separator: "|")),\(index < 12 ? "train" : "test")")
        }
        try place.add("list.csv", list.joined(separator: "\n"))
        try place.add(
            "p.yaml",
            """
            name: several
            dataset: {layout: csv, root: clips, splits: list.csv, task: multilabel, validation: 0.3}
            extract:
              backbone: resnet18
              weights: random
              image_size: 32
              sampling: {policy: uniform, frames: 4}
            sequence: {model: {kind: gru, hidden: 8}, epochs: 3\(more)}
            """)
        return place
    }

    @Test("from a list with several labels a clip to predictions, reports, SQL and an exported head") func all() throws
    {
        let place = try place()
        try place.run("dataset", "p.yaml", status: 0, out: "jump", "run's")
        try place.run("extract", "p.yaml", status: 0)
        try place.run("sequence", "p.yaml", status: 0, out: "mAP", "macro F1", "all labels right", absent: "top-5")
        try place.run(
            "evaluate", "runs/several", "--report", "report.html", status: 0, out: "mean average precision",
            "at the thresholds", "Hamming loss", "coverage error", "run's", absent: "confusion")
        let page = try String(contentsOfFile: place.path + "/report.html", encoding: .utf8)
        for heading in ["Labels that occur together", "Most confident misses", "Most confident false alarms"] {
            #expect(page.contains(heading))
        }
        let evaluated: [String: Any] = try place.run("evaluate", "runs/several", "--json", status: 0).json()
        #expect(evaluated["task"] as? String == "multilabel" && evaluated["accuracy"] == nil)
        let labels = try #require(evaluated["labels"] as? [[String: Any]])
        #expect(labels.map { $0["label"] as? String } == ["jump", "run", "run's"])
        #expect(labels.allSatisfy { $0["threshold"] is Double && $0["at_threshold"] is [String: Any] })
        let predictions: [[String: Any]] = try place.run(
            "predict", "runs/several", "clips/0.y4m", "--json", status: 0
        ).json()
        let classes = try #require(predictions.first?["classes"] as? [[String: Any]])
        #expect(classes.count == 3)
        for entry in classes {
            let (probability, threshold) = (entry["probability"] as? Double ?? -1, entry["threshold"] as? Double ?? 2)
            #expect(entry["predicted"] as? Bool == (probability >= threshold))
        }
        try place.run("predict", "runs/several", "clips/0.y4m", "--top", "3", status: 0, out: "jump", "threshold")
        try place.run("predict", "runs/several", "clips/0.y4m", "--windows", "--csv", "times.csv", status: 0)
        let times = try String(contentsOfFile: place.path + "/times.csv", encoding: .utf8)
        #expect(times.hasPrefix("video,time,labels,jump,run,run's"))
        try place.run("runs", status: 0, out: "mAP")
        try place.run("export", "runs/several", "head.onnx", "--part", "head", status: 0)
        let database = try DatabaseQueue(path: place.path + "/features.sqlite")
        try database.read { database in
            let counts = try Row.fetchAll(
                database, sql: "SELECT label, count(*) AS clips FROM annotation GROUP BY label ORDER BY label")
            #expect(counts.map { $0["label"] as String } == ["jump", "run", "run's"])
            #expect(counts.map { $0["clips"] as Int } == [8, 4, 4])
            #expect(try Int.fetchOne(database, sql: "SELECT count(*) FROM label_accuracy") ?? 0 > 0)
        }
    }

    @Test("runs are compared by mean average precision; sweeps and learning curves name it") func many() throws {
        let place = try place()
        try place.run("extract", "p.yaml", status: 0)
        try place.run("sequence", "p.yaml", "--name", "one", status: 0)
        try place.run(
            "sequence", "p.yaml", "--name", "two", "--set", "sequence.seed=7", "--set", "sequence.epochs=5", status: 0)
        try place.run(
            "compare", "runs/one", "runs/two", "--report", "compared.html", status: 0, out: "mAP",
            "paired bootstrap", absent: "McNemar")
        try place.run(
            "sequence", "p.yaml", "--name", "folds", "--folds", "2", status: 0, out: "held-out mean average precision")
        try place.run(
            "learning-curve", "p.yaml", "--folds", "2", "--sizes", "2", status: 0, out: "mean average precision")
        try place.add(
            "sweep.yaml",
            try String(contentsOfFile: place.path + "/p.yaml", encoding: .utf8)
                + "\nsweep:\n  sequence.model.hidden: [4, 8]\n")
        try place.run("sweep", "sweep.yaml", "--report", "sweep.html", status: 0, out: "validation mAP")
    }

    @Test("search, similar, explore, cam and cache export name the labels, and filter by them") func collection() throws
    {
        let place = try place()
        try place.run("extract", "p.yaml", status: 0)
        // Pages and tables name labels, not the JSON that the cache stores.
        let json = ["[\"jump", "[&quot;jump", "[]"]
        let query = ["--video", "clips/0.y4m", "--by", "clip", "--top", "16"]
        let found = try place.run(["search", "features.sqlite"] + query, status: 0, out: "labels", "jump, run", "none")
        #expect(json.allSatisfy { !found.out.contains($0) })
        let jumps: [[String: Any]] = try place.run(
            ["search", "features.sqlite", "--json", "--label", "jump", "--label", "run"] + query, status: 0
        ).json()
        #expect(jumps.count == 4 && jumps.allSatisfy { $0["labels"] as? [String] == ["jump", "run"] })
        #expect(jumps.allSatisfy { $0["label"] == nil })
        try place.run(
            ["search", "features.sqlite", "--label", "fly"] + query, status: 1, error: "has the label \"fly\"",
            "jump, run, run's")
        let condition = "video.id IN (SELECT video_id FROM annotation WHERE label = 'run''s')"
        let narrowed = try place.run(["search", "features.sqlite", "--where", condition] + query, status: 0)
        #expect(narrowed.out.split(separator: "\n").count == 5)
        try place.run(
            "search", "features.sqlite", "--video", "clips/0.y4m", "--html", "found.html", "--label", "jump",
            "--output-video", "found.mp4", status: 0)
        let page = try place.text("found.html")
        #expect(page.contains("jump, run") && json.allSatisfy { !page.contains($0) })

        let similar = try place.run("similar", "features.sqlite", "clips/0.y4m", "--top", "16", status: 0)
        #expect(similar.out.contains("jump, run") && similar.out.contains("none") && similar.out.contains("labels"))
        let listed: [[String: Any]] = try place.run(
            "similar", "features.sqlite", "clips/0.y4m", "--label", "run's", "--frames", "--json", status: 0
        ).json()
        let matches = try #require(listed.first?["similar"] as? [[String: Any]])
        #expect(matches.count == 4 && matches.allSatisfy { $0["labels"] as? [String] == ["run's"] })

        try place.run(
            "explore", "features.sqlite", "--root", "clips", "--label-errors", "suspected.csv", status: 0,
            error: "2 labels with fewer than 5 clips (or groups) were not checked: run, run's.", absent: "[\"")
        let map = try place.text("explore.html")
        for text in [
            "Clips of each label", "number of labels", "<optgroup label=\"one label\">", "run&#39;s",
            "mean average precision",
        ] { #expect(map.contains(text), "\(text)") }
        #expect(try place.text("suspected.csv").hasPrefix("path,label,suspected,probability,neighbours,score\n"))
        try place.run("dataset", "p.yaml", "--set", "dataset.exclude=suspected.csv", status: 0)
        try place.run("explore", "features.sqlite", "--root", "clips", "--frames", "--output", "frames.html", status: 0)
        #expect(try place.text("frames.html").contains("\"isMultilabel\":true"))

        try place.run("sequence", "p.yaml", status: 0)
        try place.run("explore", "features.sqlite", "--run", "runs/several", "--output", "run.html", status: 0)
        try place.run(
            "cam", "runs/several", "clips/0.y4m", status: 0, out: "clips/0.y4m: map of ", "; predicted: ")
        try place.run("cam", "runs/several", "clips/0.y4m", "--label", "run's", status: 0, out: "map of run's")
        try place.run("cam", "runs/several", "clips/0.y4m", "--class", "fly", status: 1, error: "no label \"fly\"")
        try place.run("cache", "export", "features.sqlite", "all.npz", status: 0)
        try place.run("cache", "export", "features.sqlite", "run.npz", "--run", "several", status: 0)
    }

    @Test("a backbone is fine-tuned with several labels a clip") func fineTuning() throws {
        let place = try place()
        try place.add(
            "tuned.yaml",
            """
            name: tuned
            dataset: {layout: csv, root: clips, splits: list.csv, task: multilabel, validation: 0.3}
            extract: {backbone: small_cnn, weights: random, image_size: 32, sampling: {policy: uniform, frames: 2}}
            finetune: {unfreeze: all, model: {kind: average}, epochs: 1, frames_per_class: 6, pos_weight: balanced}
            """)
        try place.run("finetune", "tuned.yaml", status: 0, out: "mAP")
        let configuration = try String(contentsOfFile: place.path + "/runs/tuned/config.json", encoding: .utf8)
        #expect(configuration.contains("\"thresholds\"") && configuration.contains("\"multilabel\""))
        try place.run("predict", "runs/tuned", "clips/1.y4m", "--top", "2", status: 0, out: "threshold")
        try place.run(
            "finetune", "tuned.yaml", "--set", "finetune.class_weights=balanced", status: 2, error: "pos_weight")
    }

    @Test("fine-tuning with a label that only a test clip has is an error, and leaves no run") func testOnly() throws {
        let place = try Workplace(clips: 0)
        for index in 0..<8 {
            let names = index == 7 ? ["run", "fly"] : [["jump"], ["run"]][index % 2]
            for name in names {
                try place.add("clips/\(index < 4 ? "train" : "test")/\(name)/\(index).y4m", TinyClip.numbered(index))
            }
        }
        try place.add(
            "tuned.yaml",
            """
            name: tuned
            dataset: {root: clips, task: multilabel, validation: 0}
            extract: {backbone: small_cnn, weights: random, image_size: 32, sampling: {policy: uniform, frames: 2}}
            finetune: {unfreeze: all, model: {kind: average}, epochs: 1}
            """)
        try place.run(
            "finetune", "tuned.yaml", status: 1, error: "The label \"fly\" occurs in the validation or test part only",
            absent: "--known-classes")
        #expect(!FileManager.default.fileExists(atPath: place.path + "/runs/tuned"))
        try place.run("finetune", "tuned.yaml", "--set", "dataset.classes=[jump, run]", status: 0, out: "mAP")
    }

    @Test("a file in several class folders, as a copy or a link, is one clip with several labels") func folders() throws
    {
        let place = try Workplace(clips: 0)
        for index in 0..<12 {
            let names = [["jump"], ["run"], ["jump", "run"], ["none"]][index % 4]
            let split = index < 8 ? "train" : "test"
            for name in names { try place.add("clips/\(split)/\(name)/\(index).y4m", TinyClip.numbered(index)) }
        }
        try place.add(
            "p.yaml",
            Workplace.pipeline.replacingOccurrences(
                of: "dataset: {root: clips}",
                with: "dataset: {root: clips, task: multilabel, negatives: none, validation: 0}"))
        try place.run("dataset", "p.yaml", status: 0, out: "jump + run (3)", "clips without a label")
        try place.run("extract", "p.yaml", status: 0, out: "Extracted 12 videos")
        try place.run("sequence", "p.yaml", status: 0, error: "2 labels; 8 training, 0 validation, 4 test clips")
        let labels: [String] = try Workplace.query(
            "SELECT label FROM sample ORDER BY label", path: place.path + "/features.sqlite")
        #expect(Set(labels) == ["[]", "[\"jump\"]", "[\"jump\",\"run\"]", "[\"run\"]"])
        // Labels that change need no new features.
        try place.add("clips/train/run/0.y4m", TinyClip.numbered(0))
        try place.run("extract", "p.yaml", status: 0, out: "12 skipped")
        let both: [Int] = try Workplace.query(
            "SELECT count(*) FROM annotation WHERE source = 'folder'", path: place.path + "/features.sqlite")
        #expect(both == [13])
    }

    @Test("a list with an error stops training; one that is gone leaves the labels of the cache, which a note says")
    func staleLabels() throws {
        let place = try place()
        try place.run("extract", "p.yaml", status: 0)
        let list = try place.text("list.csv")
        try place.add("list.csv", list + "\n0.y4m,jump,test")
        for command in ["sequence", "learning-curve"] {
            try place.run(command, "p.yaml", status: 1, error: "0.y4m is in test, but in train in row 2")
        }
        try FileManager.default.removeItem(atPath: place.path + "/list.csv")
        try place.run(
            "sequence", "p.yaml", "--name", "gone", status: 0, error: "the data set's folder or lists are gone")
        try place.run(
            "sequence", "p.yaml", "--set", "dataset.task=classification", status: 1,
            error: "were stored with another `dataset.task`")
    }

    @Test("a label only in the test part, a task that does not fit, and keys of the other task are clear errors")
    func errors() throws {
        let place = try place()
        try place.run("extract", "p.yaml", status: 0)
        var list = try String(contentsOfFile: place.path + "/list.csv", encoding: .utf8)
        list = list.replacingOccurrences(of: "15.y4m,,test", with: "15.y4m,new,test")
        try place.add("list.csv", list)
        try place.run("sequence", "p.yaml", status: 1, error: "\"new\"", "--known-classes")
        try place.run("sequence", "p.yaml", "--known-classes", status: 0, error: "1 label without training clips")
        try place.run(
            "sequence", "p.yaml", "--set", "sequence.class_weights=balanced", error: "pos_weight")
        try place.run("sequence", "p.yaml", "--set", "sequence.loss=cross_entropy", error: "binary_cross_entropy")
        try place.run("sequence", "p.yaml", "--folds", "6", error: "label", "folds")
        try place.run("evaluate", "runs/several", "--continuous", status: 1, error: "multilabel")
    }
}
