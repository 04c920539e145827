import Foundation
import ONNXMessages
import SwiftProtobuf
import TestSupport
import Testing

@Suite struct ExportCommandTests {
    /// A trained run in `runs/tiny`.
    static func trained(_ settings: [String] = []) throws -> Workplace {
        let place = try Workplace()
        let options = settings.flatMap { ["--set", $0] }
        #expect(try Program.run(["extract", "p.yaml"] + options, in: place.path).status == 0)
        let training = try Program.run(["sequence", "p.yaml", "--name", "tiny"] + options, in: place.path)
        #expect(training.status == 0, "\(training.error)")
        return place
    }

    static func model(_ path: String) throws -> Onnx_ModelProto {
        try Onnx_ModelProto(serializedBytes: try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    static func shape(_ value: Onnx_ValueInfoProto) -> [String] {
        value.type.tensorType.shape.dim.map { $0.dimParam.isEmpty ? String($0.dimValue) : $0.dimParam }
    }

    @Test("a run becomes one file with what a stranger needs to know")
    func whole() throws {
        let place = try Self.trained()
        let export = try place.run("export", "runs/tiny", "model.onnx")
        #expect(export.status == 0, "\(export.error)")
        #expect(export.out.hasPrefix("model.onnx: "))
        let model = try Self.model(place.path + "/model.onnx")
        #expect(model.opsetImport.map(\.version) == [17])
        #expect(model.graph.input.map(\.name) == ["frames", "mask"])
        #expect(Self.shape(model.graph.input[0]) == ["batch", "frames", "32", "32", "3"])
        #expect(Self.shape(model.graph.output[0]) == ["batch", "2"])
        let about = Dictionary(uniqueKeysWithValues: model.metadataProps.map { ($0.key, $0.value) })
        #expect(about["labels"] == #"["jump up","run's"]"#)
        #expect(about["weights"] == "random")
        #expect(about["weights_licence"] == "none: random numbers")
        #expect(about["max_frames"] == "4")
        let digests: [String] = try place.query("SELECT digest FROM extraction")
        #expect(about["recipe_digest"] == digests[0])
        // Standard operators only.
        #expect(model.graph.node.allSatisfy { $0.domain.isEmpty })
        #expect(Set(model.graph.node.map(\.name)).count == model.graph.node.count)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path).contains("model.onnx.data") == false)
    }

    @Test("parts fit together, and halves take half the space")
    func parts() throws {
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
        func bytes(_ name: String) throws -> Int {
            try Data(contentsOf: URL(fileURLWithPath: place.path + "/" + name)).count
        }
        let (whole, half) = (try bytes("b.onnx"), try bytes("half.onnx"))
        #expect((0.5..<0.52).contains(Double(half) / Double(whole)))
    }

    @Test("what cannot be written or read is said, and nothing is lost")
    func failures() throws {
        let place = try Self.trained()
        let none = try place.run("export", "runs/none", "model.onnx")
        #expect(none.status == 1)
        #expect(none.error.contains("runs/none") && none.error.contains("zoetrope sequence"))
        let folder = try place.run("export", "runs/tiny", "no/such/folder/model.onnx")
        #expect(folder.status == 1)
        #expect(folder.error.contains("no/such/folder/model.onnx cannot be written"), "\(folder.error)")
        try place.add("file.onnx/kept", Data("kept".utf8))
        #expect(try place.run("export", "runs/tiny", "file.onnx").status == 1)
        #expect(FileManager.default.fileExists(atPath: place.path + "/file.onnx/kept"))
        #expect(try place.run("export", "runs/tiny", "model.onnx", "--part", "tail").status == 64)
        #expect(!FileManager.default.fileExists(atPath: place.path + "/model.onnx"))
    }

    @Test("what the model does otherwise than the run is said")
    func notes() throws {
        let place = try Self.trained(["extract.views=3", "sequence.average_views=true"])
        let export = try place.run("export", "runs/tiny", "model.onnx")
        #expect(export.status == 0)
        #expect(export.error.contains("averages over 3 views"), "\(export.error)")
    }

    /// A Python that can run the README's program.
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
        "the README's program names the action in a file, as predict does",
        .enabled(
            if: python != nil, "onnxruntime, PyAV and Pillow are not installed; name a Python with ZOETROPE_PYTHON"),
        arguments: ["gru", "transformer", "attention"])
    func readme(kind: String) throws {
        let place = try Self.trained(["sequence.model.kind=" + kind])
        #expect(try place.run("export", "runs/tiny", "model.onnx").status == 0)
        let readme = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../README.md")
        let text = try String(contentsOf: readme, encoding: .utf8)
        let begin = try #require(text.range(of: "<!-- runs with onnxruntime, PyAV and Pillow -->\n```python\n"))
        let end = try #require(text.range(of: "```", range: begin.upperBound..<text.endIndex))
        try place.add("name.py", Data(text[begin.upperBound..<end.lowerBound].utf8))
        for clip in ["clips/test/run's/3.y4m", "clips/train/jump up/0.y4m"] {
            let said = try ChildProcess.run(
                try #require(Self.python), ["name.py", "model.onnx", clip], in: place.path)
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
            // Pictures are decoded and resized by others.
            #expect(abs(percent / 100 - best.probability) < 0.1)
        }
    }
}
