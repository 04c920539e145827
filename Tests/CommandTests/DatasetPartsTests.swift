import Foundation
import TestSupport
import Testing

@Suite struct DatasetPartsTests {
    private func place() throws -> Workplace {
        let place = try Workplace(clips: 24)
        #expect(try place.run("extract", "p.yaml", "--set", "dataset.root=clips/train").status == 0)
        return place
    }

    @Test(
        "`dataset` lists the parts that `sequence` trains, validates and tests on, and what determines them",
        .timeLimit(.minutes(5)))
    func parts() throws {
        let place = try place()
        for (test, validation) in [("0", "0.3"), ("0.2", "0.2"), ("0.3", "0")] {
            let options = [
                "--set", "dataset.root=clips/train", "--set", "dataset.test=\(test)", "--set",
                "dataset.validation=\(validation)",
            ]
            let look = try place.run(["dataset", "p.yaml"] + options, status: 0)
            let run = "t\(test)v\(validation)"
            try place.run(["sequence", "p.yaml", "--name", run] + options, status: 0)
            for role in ["train", "validation", "test"] {
                let counts: [Int] = try place.query(
                    "SELECT count(*) FROM membership JOIN run ON run.id = run_id WHERE name = '\(run)' AND role = "
                        + "'\(role)'")
                let line = try #require(look.out.split(separator: "\n").last { $0.hasPrefix("  \(role) ") })
                let shown: Int? = line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
                #expect(shown == counts.first, "\(look.out)")
            }
            #expect(look.out.contains("`dataset.validation: \(Double(validation) ?? 0)`"), "\(look.out)")
        }
        try place.run("dataset", "p.yaml", out: "Splits that `sequence` uses:", "the folders")
        try place.run(
            "dataset", "p.yaml", "--set", "sequence.folds=3", "--set", "sequence.repeats=2", out: "cross-validation",
            "`folds: 3`, `repeats: 2`")
        try place.run(
            "dataset", "p.yaml", "--set", "sequence.folds=20", out: "fewer than the 20 folds", absent: "No problems")
    }

    @Test(
        "a test share that sets no clip aside stops `sequence` with an error that suggests a larger share",
        .timeLimit(.minutes(5)))
    func tooSmall() throws {
        let place = try place()
        func run(_ command: String, _ share: String, _ others: String...) throws -> ChildProcess.Output {
            try place.run(
                [command, "p.yaml", "--set", "dataset.root=clips/train", "--set", "dataset.test=\(share)"] + others)
        }
        let words = "`dataset.test: 0.01` selects no clip"
        #expect(try run("dataset", "0.01").out.contains(words))
        #expect(try run("extract", "0.01").status == 0)
        let refused = try run("sequence", "0.01")
        #expect(refused.status == 1 && refused.error.contains(words), "\(refused.error)")
        let match = try #require(refused.error.firstMatch(of: /Set it to ([0-9.]+) or more/))
        #expect(try run("sequence", String(match.1), "--name", "larger").status == 0)
        let folds = try #require(refused.error.firstMatch(of: /--folds (\d)/))
        #expect(try run("sequence", "0", "--folds", String(folds.1), "--name", "folds").status == 0)
        #expect(try run("sequence", "0.01", "--folds", "2", "--name", "both").status == 0)
    }

    @Test("assumptions about a list are printed by `dataset` and `extract`") func notes() throws {
        let place = try Workplace(clips: 8)
        try place.add(
            "l.csv", Data("train/run's/1.mp4,\u{e9}\ntrain/jump up/0,b\n".unicodeScalars.map { UInt8($0.value) }))
        let options = ["--set", "dataset={layout: csv, root: clips, splits: l.csv}"]
        for command in ["dataset", "extract"] {
            let output = try place.run([command, "p.yaml"] + options)
            let text = output.out + output.error
            #expect(output.status == 0 && text.contains("l.csv is not UTF-8 and is read as Windows-1252"), "\(text)")
            #expect(text.contains("2 clips have other names than in the list, such as"), "\(text)")
        }
    }

    @Test("suspicious labels and ignored columns are listed by `dataset`, which then does not report a clean data set")
    func suspiciousLabels() throws {
        let place = try Workplace(clips: 8)
        let rows = ["train/run's/1.mp4,Jump,1", "train/jump up/0,jump,0", "train/jump up/2,jump|run,1"]
        try place.add("l.csv", "path,label,is_train\n# old.mp4,x,1\n" + rows.joined(separator: "\n") + "\n")
        try place.run(
            "dataset", "p.yaml", "--set", "dataset={layout: csv, root: clips, splits: l.csv}",
            out: "column `is_train` is not read: name a column `split`", "differ only in case", "`Jump` and `jump`",
            "several labels", "`jump|run`", absent: "old.mp4", "No problems found.")
    }

    @Test("`dataset` counts the clips of each label, clips without a label and labels that occur together")
    func severalLabels() throws {
        let place = try Workplace(clips: 8)
        let rows = ["run's/1,jump|run", "jump up/0,", "jump up/2,run", "run's/5,jump|run", "jump up/4,swim"]
        try place.add("l.csv", "path,labels\n" + rows.map { "train/\($0)\n" }.joined().replacing(",", with: ".y4m,"))
        func run(_ keys: String, _ more: String...) throws -> ChildProcess.Output {
            let value = "dataset={root: clips, task: multilabel, \(keys)}"
            return try place.run(["dataset", "p.yaml", "--set", value] + more)
        }
        let found = try run("layout: csv, splits: l.csv, validation: 0.3")
        let lines = found.out.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        for line in [
            "label train validation test", "jump 2 – –", "run 3 – –", "swim 1 – –", "clips without a label 1 – –",
            "all clips, 3 labels 5 0 0",
            "A clip has 1.20 labels on average, and at most 2; 1 of 5 clips has none.",
            "Labels that occur together (clips): jump + run (2).",
        ] { #expect(lines.contains(line), "\(found.out)") }
        #expect(found.status == 0 && found.out.contains("No problems found."))
        let folds = try run("layout: csv, splits: l.csv", "--set", "sequence.folds=2")
        #expect(folds.out.contains("The label \"swim\" has 1 clip, fewer than the 2 folds"), "\(folds.out)")
        let one = try run("layout: folders, negatives: run's")
        #expect(one.out.contains("jump up") && one.out.contains("Labels that occur together (clips): none."))
    }

    @Test("ignored files in a folder of lists are reported, and an unclosed quote stops `dataset` with its line")
    func listFolders() throws {
        let place = try Workplace(clips: 8)
        for (name, clip) in [("train.csv", "1.mp4"), ("train_old.csv", "3.mp4")] {
            try place.add("lists/\(name)", "train/run's/\(clip),x\n")
        }
        let options = ["--set", "dataset={layout: csv, root: clips, splits: lists}"]
        try place.run(
            ["dataset", "p.yaml"] + options, out: "train_old.csv is not read: train.csv is the list of the train part")
        try place.add("lists/train.csv", "path,label\na.mp4,\"x\nb.mp4,y\"\n")
        try place.run(["dataset", "p.yaml"] + options, status: 1, error: "train.csv, row 2: a quoted field")
    }
}

/// Messages of commands about files that are no clips.
@Suite struct LeftOutCommandTests {
    @Test(
        "`dataset` lists skipped files with reasons, `extract` counts them, and neither fails for them",
        .timeLimit(.minutes(5)))
    func commands() throws {
        let place = try Workplace(clips: 4)
        try place.add("clips/train/run's/notes.txt", "Text.\n")
        try place.add("clips/train/run's/deep/a.y4m", TinyClip.numbered(30))
        try #require(mkfifo(place.path + "/clips/train/run's/pipe", 0o600) == 0)
        try FileManager.default.createDirectory(
            atPath: place.path + "/clips/train/fall", withIntermediateDirectories: true)
        try place.run(
            "dataset", "p.yaml", status: 0, out: "3 files left out:", "train/run's/notes.txt: it is a text file",
            "train/run's/deep/a.y4m: it is deeper", "train/run's/pipe: it is a named pipe",
            "1 class folder without a clip:\n  train/fall", absent: "No problems found")
        let note =
            "note: 3 files are left out: 1 is deeper than <root>/<label>/<video>, 1 is not a regular file, 1 is not a "
            + "video; 1 class folder contains no clip. `zoetrope dataset PIPELINE` lists them."
        try place.run("extract", "p.yaml", status: 0, error: note)
    }

    @Test("more than 20 skipped files are only counted") func many() throws {
        let place = try Workplace(clips: 4)
        for index in 0..<22 { try place.add("clips/train/run's/\(index).txt", "Text.\n") }
        try place.run("dataset", "p.yaml", out: "22 files left out:", "… and 2 more")
    }

    @Test(
        "`predict` rejects pipes, folders of videos, playlists and single images with errors that name them",
        .timeLimit(.minutes(5)))
    func predict() throws {
        let place = try Workplace(after: "extract", "sequence")
        try #require(mkfifo(place.path + "/pipe.mp4", 0o600) == 0)
        try #require(symlink("pipe.mp4", place.path + "/link.mp4") == 0)
        try place.add("list.m3u8", "#EXTM3U\na.mp4\n")
        for (video, reason) in [
            ("pipe.mp4", "it is a named pipe"), ("link.mp4", "it is a named pipe"), ("/dev/zero", "it is a device"),
            ("list.m3u8", "is a playlist"), ("clips/test/run's", "it holds the videos 3.y4m, 7.y4m"),
        ] { try place.run("predict", "runs/tiny", video, status: 1, error: reason) }
        try place.add("image.ppm", Data("P6\n24 16\n255\n".utf8) + Data(repeating: 90, count: 24 * 16 * 3))
        try place.run(
            "predict", "runs/tiny", "image.ppm", status: 0, out: "(1 frame)", error: "image.ppm is a single image")
    }
}
