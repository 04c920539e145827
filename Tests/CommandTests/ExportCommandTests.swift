import Foundation
import ONNXMessages
import TestSupport
import Testing
import Video

@Suite struct ExportCommandTests {
    /// A trained run in `runs/tiny`.
    static func trained(_ settings: [String] = []) throws -> Workplace {
        let place = try Workplace()
        let options = settings.flatMap { ["--set", $0] }
        #expect(try place.run(["extract", "p.yaml"] + options).status == 0)
        try place.run(["sequence", "p.yaml", "--name", "tiny"] + options, status: 0)
        return place
    }

    static func model(_ path: String) throws -> ModelProto {
        try ModelProto(serializedBytes: try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    static func shape(_ value: ValueInfoProto) -> [String] {
        value.type.tensorType.shape.dim.map { $0.dimParam.isEmpty ? String($0.dimValue) : $0.dimParam }
    }

    @Test("a run is exported as one file with the metadata that other programs need") func whole() throws {
        let place = try Self.trained()
        let export = try place.run("export", "runs/tiny", "model.onnx", status: 0)
        #expect(export.out.hasPrefix("model.onnx: "))
        let model = try Self.model(place.path + "/model.onnx")
        #expect(model.opsetImport.map(\.version) == [17])
        #expect(model.graph.input.map(\.name) == ["frames", "mask"])
        #expect(Self.shape(model.graph.input[0]) == ["batch", "frames", "32", "32", "3"])
        #expect(Self.shape(model.graph.output[0]) == ["batch", "2"])
        let about = Dictionary(uniqueKeysWithValues: model.metadataProps.map { ($0.key, $0.value) })
        #expect(about["labels"] == #"["jump up","run's"]"#)
        #expect(about["weights"] == "random")
        #expect(about["weights_licence"] == "none: random initialisation")
        #expect(about["max_frames"] == "4")
        let digests: [String] = try place.query("SELECT digest FROM extraction")
        #expect(about["recipe_digest"] == digests[0])
        // Standard operators only.
        #expect(model.graph.node.allSatisfy { $0.domain.isEmpty })
        #expect(Set(model.graph.node.map(\.name)).count == model.graph.node.count)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path).contains("model.onnx.data") == false)
    }

    @Test("backbone and head exported separately compose, and float16 takes half the space") func parts() throws {
        let place = try Self.trained()
        #expect(try place.run("export", "runs/tiny", "b.onnx", "--part", "backbone").status == 0)
        #expect(try place.run("export", "runs/tiny", "h.onnx", "--part", "head").status == 0)
        #expect(
            try place.run("export", "runs/tiny", "half.onnx", "--part", "backbone", "--precision", "f16").status == 0)
        let (backbone, head) = (try Self.model(place.path + "/b.onnx"), try Self.model(place.path + "/h.onnx"))
        #expect(backbone.graph.input.map(\.name) == ["frames"])
        #expect(Self.shape(backbone.graph.output[0]) == ["batch", "frames", "512"])
        #expect(head.graph.input.map(\.name) == ["features", "mask"])
        #expect(Self.shape(head.graph.input[0]) == Self.shape(backbone.graph.output[0]))
        #expect(!head.metadataProps.contains { $0.key == "weights" })
        let (whole, half) = (try place.data("b.onnx").count, try place.data("half.onnx").count)
        #expect((0.5..<0.52).contains(Double(half) / Double(whole)))
    }

    @Test("a failed write or read is an error, and no file is lost") func failures() throws {
        let place = try Self.trained()
        try place.run("export", "runs/none", "model.onnx", status: 1, error: "runs/none", "zoetrope sequence")
        try place.run(
            "export", "runs/tiny", "no/such/folder/model.onnx", status: 1,
            error: "no/such/folder/model.onnx cannot be written")
        try place.add("file.onnx/kept", "kept")
        #expect(try place.run("export", "runs/tiny", "file.onnx").status == 1)
        #expect(FileManager.default.fileExists(atPath: place.path + "/file.onnx/kept"))
        #expect(try place.run("export", "runs/tiny", "model.onnx", "--part", "tail").status == 64)
        #expect(!FileManager.default.fileExists(atPath: place.path + "/model.onnx"))
    }

    @Test("differences between the exported model and the run are reported") func notes() throws {
        let place = try Self.trained(["extract.views=3", "sequence.average_views=true"])
        try place.run("export", "runs/tiny", "model.onnx", status: 0, error: "averages over 3 augmented views")
    }

    /// A Python interpreter that can run the guide's program.
    static let python: String? = {
        let home = ProcessInfo.processInfo.environment["HOME"] ?? ""
        let candidates = [
            ProcessInfo.processInfo.environment["ZOETROPE_PYTHON"], home + "/.cache/zoetrope/peers/bin/python",
            "python3",
        ]
        return candidates.compactMap { $0 }.first { python in
            let asked = try? ChildProcess.run(python, ["-c", "import av, numpy, onnxruntime, PIL"])
            return asked?.status == 0
        }
    }()

    @Test(
        "the guide's program classifies a video with an exported model as predict does",
        .enabled(if: python != nil, "needs onnxruntime, PyAV and Pillow; name a Python with ZOETROPE_PYTHON"),
        arguments: [
            ("gru", "antialias"), ("transformer", "antialias"), ("attention", "antialias"), ("gru", "bicubic"),
            ("gru", "bilinear"),
        ])
    func readme(kind: String, resize: String) throws {
        let place = try Self.trained(["sequence.model.kind=" + kind, "extract.resize=" + resize])
        #expect(try place.run("export", "runs/tiny", "model.onnx").status == 0)
        let guide = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
            path: "../../docs/deployment.md")
        let text = try String(contentsOf: guide, encoding: .utf8)
        let begin = try #require(text.range(of: "<!-- runs with onnxruntime, PyAV and Pillow -->\n```python\n"))
        let end = try #require(text.range(of: "```", range: begin.upperBound..<text.endIndex))
        try place.add("name.py", String(text[begin.upperBound..<end.lowerBound]))
        for clip in ["clips/test/run's/3.y4m", "clips/train/jump up/0.y4m"] {
            let said = try ChildProcess.run(try #require(Self.python), ["name.py", "model.onnx", clip], in: place.path)
            #expect(said.status == 0, "\(said.error)")
            struct Answer: Decodable {
                struct Entry: Decodable { let label: String, probability: Double }
                let classes: [Entry]
            }
            let predicted = try place.run("predict", "runs/tiny", clip, "--json")
            let answer = try JSONDecoder().decode([Answer].self, from: Data(predicted.out.utf8))
            let best = try #require(answer.first?.classes.first)
            let parts = said.out.split(separator: " ")
            #expect(parts.dropLast().joined(separator: " ") == best.label)
            let percent = try #require(Double(parts[parts.count - 1].dropLast(2)))
            // Frames are decoded and resized by other libraries.
            #expect(abs(percent / 100 - best.probability) < 0.1)
        }
    }
}

@Suite struct SeveralLabelsExportTests {
    /// Clips of images that need no scaling, with two labels, one, or none, and a run in `runs/several`.
    private static func trained(_ kind: String) throws -> Workplace {
        let place = try Workplace(clips: 0)
        var list = ["path,labels,split"]
        for index in 0..<12 {
            for frame in 0..<2 + index % 3 {
                let pixels = (0..<32 * 32 * 3).map { UInt8(truncatingIfNeeded: $0 * (index + 3) / (frame + 2)) }
                let name = "\(place.path)/clips/\(index)/\(frame).png"
                try place.add("clips/\(index)/\(frame).png", Data())
                try RGBImage(width: 32, height: 32, pixels: pixels).write(to: name)
            }
            let labels = [["jump", "run"], ["jump"], ["run's"], []][index % 4]
            list.append("\(index),\(labels.joined(separator: "|")),\(index < 8 ? "train" : "test")")
        }
        try place.add("list.csv", list.joined(separator: "\n"))
        try place.add(
            "p.yaml",
            """
            name: several
            dataset: {layout: csv, root: clips, splits: list.csv, task: multilabel, validation: 0.5}
            extract:
              {backbone: resnet18, weights: random, image_size: 32, sampling: {policy: uniform, frames: 4}}
            sequence: {model: {kind: \(kind)\(kind == "gru" ? ", hidden: 8" : "")}, epochs: 4}
            """)
        for command in ["extract", "sequence"] { try place.run(command, "p.yaml", status: 0) }
        return place
    }

    private struct Answer: Decodable {
        struct Entry: Decodable { let label: String, probability: Double, threshold: Double, predicted: Bool }
        let classes: [Entry]

        /// In the order of the labels.
        var sorted: [Entry] { classes.sorted { $0.label < $1.label } }
    }

    @Test("a model with several labels ends in a sigmoid and states its thresholds", arguments: ["gru", "frame"])
    func metadata(kind: String) throws {
        let place = try Self.trained(kind)
        let answers = try JSONDecoder().decode(
            [Answer].self, from: Data(try place.run("predict", "runs/several", "clips/0", "--json").out.utf8))
        let expected = try #require(answers.first).sorted
        for part in ["all", "head"] {
            try place.run("export", "runs/several", "\(part).onnx", "--part", part, status: 0)
            let model = try ExportCommandTests.model(place.path + "/\(part).onnx")
            let operators = model.graph.node.map(\.opType)
            #expect(operators.contains("Sigmoid") && !operators.contains("Softmax"))
            let about = Dictionary(uniqueKeysWithValues: model.metadataProps.map { ($0.key, $0.value) })
            #expect(about["task"] == "multilabel" && about["labels"] == #"["jump","run","run's"]"#)
            let thresholds = try JSONDecoder().decode([Double].self, from: Data((about["thresholds"] ?? "").utf8))
            #expect(thresholds == expected.map(\.threshold))
        }
    }

    @Test(
        "onnxruntime computes the probabilities of predict, and the guide's lines apply the thresholds",
        .enabled(
            if: ExportCommandTests.python != nil,
            "needs onnxruntime, PyAV and Pillow; name a Python with ZOETROPE_PYTHON"),
        arguments: ["gru", "frame"])
    func probabilities(kind: String) throws {
        let place = try Self.trained(kind)
        for part in ["all", "head", "backbone"] {
            try place.run("export", "runs/several", "\(part).onnx", "--part", part, status: 0)
        }
        let guide = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
            path: "../../docs/deployment.md")
        let blocks = try String(contentsOf: guide, encoding: .utf8).components(separatedBy: "```python\n").dropFirst()
            .compactMap { $0.components(separatedBy: "```").first }
        try place.add(
            "check.py",
            """
            import json, numpy, onnxruntime
            from pathlib import Path
            from PIL import Image
            models = {p: onnxruntime.InferenceSession(p + ".onnx") for p in ["all", "head", "backbone"]}
            about = models["all"].get_modelmeta().custom_metadata_map
            labels, lines = json.loads(about["labels"]), []
            for clip in range(12):
                images = [numpy.asarray(Image.open(path)) for path in sorted(Path(f"clips/{clip}").iterdir())]
                frames = numpy.stack(images)[None]
                mask = numpy.ones(frames.shape[:2], bool)
                whole = models["all"].run(None, {"frames": frames, "mask": mask})[0]
                features = models["backbone"].run(None, {"frames": frames})[0]
                head = models["head"].run(None, {"features": features, "mask": mask})[0]
                answer = whole[0]
                print(json.dumps([whole[0].tolist(), head[0].tolist()]))
            \(blocks.last ?? "")
            """)
        let said = try ChildProcess.run(try #require(ExportCommandTests.python), ["check.py"], in: place.path)
        try #require(said.status == 0, "\(said.error)")
        let clips = (0..<12).map { "clips/\($0)" }
        let predicted = try JSONDecoder().decode(
            [Answer].self,
            from: Data(try place.run(["predict", "runs/several", "--json"] + clips, status: 0).out.utf8))
        let lines = said.out.split(separator: "\n").map(String.init)
        try #require(lines.count == 13 && predicted.count == 12)
        for (line, answer) in zip(lines, predicted) {
            let both = try JSONDecoder().decode([[Double]].self, from: Data(line.utf8))
            for values in both {
                #expect(zip(values, answer.sorted).allSatisfy { abs($0 - $1.probability) <= 1e-5 }, "\(line)")
                #expect(values.count == answer.classes.count)
            }
        }
        let chosen = predicted[11].sorted.filter(\.predicted).map(\.label)
        let shown = lines[12] == "none" ? [] : lines[12].components(separatedBy: ", ")
        #expect(shown.map { $0.components(separatedBy: " ").dropLast().joined(separator: " ") } == chosen)
    }
}

@Suite struct ModelFileCommandTests {
    private static let fixtures =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../ONNXTests/Fixtures/").path

    private static func settings(_ file: String, _ more: String...) -> [String] {
        (["extract.backbone=onnx", "extract.weights=" + file] + more).flatMap { ["--set", $0] }
    }

    @Test(
        "every command accepts an ONNX file as a backbone",
        arguments: ["convolutions-script", "tokens-dynamo", "external"])
    func everyCommand(name: String) throws {
        let place = try Workplace()
        let file = Self.fixtures + "/\(name).onnx"
        let settings = Self.settings(file, "extract.input=imagenet")
        try place.run(["extract", "p.yaml"] + settings, status: 0)
        #expect(
            try place.query("SELECT backbone || ' ' || tap || ' ' || image_size FROM extraction") == ["onnx output 32"])
        // The same features, extracted as shards into another cache.
        for shard in ["1/2", "2/2"] {
            let part = ["extract", "p.yaml", "--shard", shard, "--cache", "part.sqlite"]
            #expect(try place.run(part + settings).status == 0)
        }
        #expect(
            try place.run("cache", "merge", "both.sqlite", "part.shard-1-of-2.sqlite", "part.shard-2-of-2.sqlite")
                .status == 0)
        let sql = "SELECT checksum FROM sequence JOIN video ON video.id = video_id ORDER BY path"
        let checksums: [String] = try place.query(sql)
        #expect(try place.query(sql, cache: "both.sqlite") == checksums)
        try place.run(["sequence", "p.yaml", "--name", "tiny"] + settings, status: 0)
        let clip = "clips/test/run's/3.y4m"
        try place.run("predict", "runs/tiny", clip, status: 0, out: "run's")
        try place.run("cam", "runs/tiny", clip, status: 0)
        try place.run("similar", "features.sqlite", clip, status: 0, out: "test/run's/3.y4m")
        try place.run("describe", file, out: "output")
    }

    @Test("a backbone that was exported and imported again gives the same features") func roundTrip() throws {
        let place = try ExportCommandTests.trained()
        #expect(try place.run("export", "runs/tiny", "b.onnx", "--part", "backbone").status == 0)
        let settings = Self.settings("b.onnx")
        try place.run(["extract", "p.yaml", "--cache", "again.sqlite"] + settings, status: 0)
        let sql = "SELECT features FROM sequence JOIN video ON video.id = video_id ORDER BY path"
        let (before, after): ([Data], [Data]) = (try place.query(sql), try place.query(sql, cache: "again.sqlite"))
        #expect(before.count == 8 && after.count == 8)
        for (first, second) in zip(before, after) {
            let (a, b) = (Self.numbers(first), Self.numbers(second))
            let largest = a.reduce(0) { max($0, abs($1)) }
            #expect(a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 * largest })
        }
    }

    private static func numbers(_ data: Data) -> [Float] {
        data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    @Test("missing properties of an ONNX file are errors that say what to write") func failures() throws {
        let place = try Workplace()
        let file = Self.fixtures + "/pixels-script.onnx"
        func error(_ settings: [String]) throws -> String {
            let output = try place.run(["extract", "p.yaml"] + settings, status: 2)
            return output.error
        }
        #expect(try error(Self.settings(file)).contains("`extract.input` is missing"))
        let imagenet = "extract.input=imagenet"
        #expect(
            try error(Self.settings(file, imagenet, "extract.image_size=64")).contains("only takes images of 32 pixels")
        )
        let tap = try error(Self.settings(file, imagenet, "extract.tap=outputs"))
        #expect(tap.contains("Did you mean `output`?") && tap.contains("zoetrope describe"), "\(tap)")
        #expect(try error(Self.settings("none.onnx", imagenet)).contains("it does not exist"))
        #expect(try error(Self.settings("random", imagenet)).contains("must name an ONNX file"))
    }
}
