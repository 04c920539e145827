import Foundation
import Testing

/// Files with bit errors, read through the commands.
@Suite struct DamageTests {
    /// Flips one bit of a file: in the middle of the bytes `find`, or in the first tensor of a `.safetensors` file.
    private static func flip(_ path: String, find: Data? = nil) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        let header = Int(data[0]) + Int(data[1]) << 8 + Int(data[2]) << 16
        let place = try find.map { try #require(data.range(of: $0)).lowerBound + $0.count / 2 } ?? 8 + header + 5
        data[place] ^= 64
        try data.write(to: URL(fileURLWithPath: path))
    }

    @Test("a damaged run, checkpoint or backbone is rejected with an error") func runs() throws {
        let place = try Workplace(after: "extract")
        #expect(try place.run("sequence", "p.yaml", "--set", "sequence.checkpoint=1").status == 0)
        try place.add("f.yaml", Workplace.tuning)
        try place.run("finetune", "f.yaml", status: 0)
        let network = "extract.weights=runs/tuned/backbone/model.safetensors"
        let commands: [(file: String, command: [String])] = [
            ("runs/tiny/model.safetensors", ["evaluate", "runs/tiny"]),
            ("runs/tiny/model.safetensors", ["predict", "runs/tiny", "clips/test/run's/3.y4m"]),
            ("runs/tiny/last.safetensors", ["sequence", "p.yaml", "--resume", "--set", "sequence.epochs=9"]),
            ("runs/tuned/last.safetensors", ["finetune", "f.yaml", "--resume", "--set", "finetune.epochs=3"]),
            ("runs/tuned/backbone/model.safetensors", ["extract", "f.yaml", "--set", network]),
        ]
        for (file, command) in commands {
            let path = place.path + "/" + file
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            try Self.flip(path)
            try place.run(command, status: 1, error: "does not match its checksum")
            try whole.write(to: URL(fileURLWithPath: path))
        }
        for (_, command) in commands.dropFirst(2) { try place.run(command, status: 0) }
    }

    @Test("every command that reads features reports a flipped bit in the cache with the clip's name")
    func features() throws {
        let place = try Workplace(after: "extract", "sequence")
        let blobs: [Data] = try place.query(
            "SELECT features FROM sequence JOIN video ON id = video_id WHERE path LIKE '%/4.y4m'")
        try Self.flip(place.path + "/features.sqlite", find: try #require(blobs.first)[64..<96])
        let commands = [
            ["sequence", "p.yaml"], ["sequence", "p.yaml", "--memory", "1KB"], ["sequence", "p.yaml", "--folds", "2"],
            ["learning-curve", "p.yaml", "--folds", "2", "--sizes", "2"], ["explore", "features.sqlite"],
            ["explore", "features.sqlite", "--frames"], ["cache", "export", "features.sqlite", "x.npz"],
            ["evaluate", "runs/tiny", "--split", "train"],
            ["similar", "features.sqlite", "clips/test/run's/3.y4m"], ["dataset", "p.yaml", "--twins"],
        ]
        for command in commands {
            try place.run(
                command, status: 1, error: "train/jump up/4.y4m", "`zoetrope cache prune features.sqlite --damaged`")
        }
        #expect(try place.run("cache", "prune", "features.sqlite", "--damaged").status == 0)
        #expect(try place.run("extract", "p.yaml").out.contains("Extracted 1 video "))
        #expect(try place.run("sequence", "p.yaml", "--name", "again").status == 0)
    }

    @Test("training on damaged features fails and stores no result, and works after they are repaired")
    func training() throws {
        let place = try Workplace(after: "extract", "sequence")
        try place.add("s.yaml", Workplace.pipeline + "\nsweep: {sequence.model.hidden: [4, 6]}\n")
        let resume = ["sequence", "p.yaml", "--name", "tiny", "--resume", "--set", "sequence.epochs=5"]
        let model = try place.data("runs/tiny/model.safetensors")
        let blobs: [Data] = try place.query(
            "SELECT features FROM sequence JOIN video ON id = video_id WHERE path LIKE '%/4.y4m'")
        // The highest exponent bit of a value: the loss explodes, and the damage must be reported nevertheless.
        try Self.flip(place.path + "/features.sqlite", find: try #require(blobs.first)[51..<83])
        let commands = [
            ["sequence", "p.yaml", "--name", "new"], ["sequence", "p.yaml", "--name", "folds", "--folds", "2"],
            ["sequence", "p.yaml", "--name", "wild", "--set", "sequence.optimizer.learning_rate=1e300"],
            ["sweep", "s.yaml"], ["sweep", "s.yaml", "--folds", "2"], resume,
        ]
        for command in commands {
            let refused = try place.run(command, status: 1, error: "train/jump up/4.y4m", absent: "epoch 1")
            #expect(!refused.out.contains("%"), "\(command): \(refused.out)")
        }
        #expect(try place.query("SELECT name FROM run WHERE state = 'finished'") == ["tiny"])
        let states: Set<String> = Set(try place.query("SELECT state FROM run WHERE name <> 'tiny'"))
        #expect(states == ["failed"])
        let epochs: [Int] = try place.query(
            "SELECT count(*) FROM epoch JOIN run ON run.id = run_id WHERE name <> 'tiny'")
        let predictions: [Int] = try place.query(
            "SELECT count(*) FROM prediction JOIN run ON run.id = run_id WHERE name <> 'tiny'")
        #expect(epochs == [0] && predictions == [0])
        let files = try FileManager.default.subpathsOfDirectory(atPath: place.path + "/runs")
        #expect(
            Set(files.filter { $0.hasSuffix(".safetensors") || $0.hasSuffix("config.json") }) == [
                "tiny/model.safetensors", "tiny/last.safetensors", "tiny/config.json",
            ])
        #expect(!files.contains("tiny-sweep.csv"))
        #expect(try place.data("runs/tiny/model.safetensors") == model)
        try place.run("evaluate", "runs/new", status: 1, error: "there is no config.json")
        #expect(try place.run("cache", "prune", "features.sqlite", "--damaged").status == 0)
        #expect(try place.run("extract", "p.yaml").out.contains("Extracted 1 video "))
        for command in [resume, ["sequence", "p.yaml", "--name", "new", "--resume"], ["sweep", "s.yaml"]] {
            try place.run(command, status: 0)
        }
        #expect(try place.run("evaluate", "runs/new").status == 0)
    }

    @Test("a weight file that differs from the digest beside it, or in its published name, is rejected") func digests()
        throws
    {
        let place = try Workplace()
        let file = try Data(contentsOf: URL(fileURLWithPath: Self.weights))
        let names = ["weights/resnet18-f37072fd.pth", "weights/own.pth"]
        for name in names { try place.add(name, file) }
        try place.add("weights/own.pth.sha256", String(repeating: "0", count: 64) + "  own.pth\n")
        for (name, words) in zip(
            names, ["the published resnet18-f37072fd.pth with f37072fd", "the file that was fetched"])
        {
            try place.run(
                "extract", "p.yaml", "--set", "extract.weights=\(name)", status: 1, error: "its SHA-256 begins with",
                words)
        }
    }

    private static let weights = GuideTests.root + "/Tests/NeuralNetworkTests/Fixtures/weights/zip.bin"
}
