import Foundation
import Testing

@Suite struct WindowCommandTests {
    static let pipeline = """
        name: windows
        dataset: {root: clips}
        extract:
          backbone: r3d_18
          weights: random
          image_size: 32
          sampling: {policy: windows, length: 4, stride: 2, frames_per_second: 25, windows: 3}
        sequence:
          model: {kind: gru, hidden: 8}
          epochs: 2
        finetune:
          model: {kind: average}
          unfreeze: 1
          epochs: 1
          batch_size: 4
        """
    private static let video = "clips/test/run's/3.y4m"

    private func place(_ pipeline: String = pipeline) throws -> Workplace {
        let place = try Workplace()
        try place.add("w.yaml", pipeline)
        return place
    }

    @Test("a video encoder works in extract, sequence, predict, timelines, maps, export and finetune")
    func wholeWay() throws {
        let place = try place()
        try place.run("extract", "w.yaml", status: 0, out: "(16 windows)")
        #expect(try place.query("SELECT window_ends FROM sequence LIMIT 1") == ["[[0,3],[2,5]]"])
        #expect(try place.run("sequence", "w.yaml").status == 0)
        let predict = try place.run("predict", "runs/windows", Self.video, status: 0, out: "(2 windows)")
        let stored: [Double] = try place.query(
            "SELECT probability FROM prediction JOIN video ON video.id = video_id WHERE path LIKE '%/3.y4m'")
        #expect(predict.out.contains(String(format: "%.1f %%", try #require(stored.first) * 100)))
        try place.run(
            "predict", "runs/windows", Self.video, "--windows", status: 0, out: "(2 windows at 12.50 per second, ")
        try place.run(
            "predict", "runs/windows", Self.video, "--windows", "--frame-rate", "5", status: 1,
            error: "whose frame rate is part of the recipe")
        try place.run("cam", "runs/windows", Self.video, status: 0)
        #expect(FileManager.default.fileExists(atPath: place.path + "/cam/3.gif"))
        #expect(try place.run("export", "runs/windows", "model.onnx").status == 0)
        let model = try ExportCommandTests.model(place.path + "/model.onnx")
        #expect(ExportCommandTests.shape(model.graph.input[0]) == ["batch", "windows", "4", "32", "32", "3"])
        #expect(ExportCommandTests.shape(model.graph.input[1]) == ["batch", "windows"])
        try place.run("finetune", "w.yaml", "--name", "tuned", status: 0)
        try place.run("predict", "runs/tuned", Self.video, status: 0, out: "(2 windows)")
    }

    @Test("features of an appearance and a motion encoder together train one head") func joined() throws {
        let place = try place(
            """
            name: both
            dataset: {root: clips}
            extract:
              backbone: [resnet18, r3d_18]
              weights: random
              image_size: 32
              sampling:
                - {policy: uniform, frames: 6}
                - {policy: windows, length: 4, stride: 2, windows: 3}
            sequence:
              join: [resnet18, r3d_18]
              model: {kind: gru, hidden: 8}
              epochs: 2
            """)
        #expect(try place.run("extract", "w.yaml").status == 0)
        try place.run("sequence", "w.yaml", status: 0)
        #expect(try place.query("SELECT feature_size FROM extraction ORDER BY id") == [512, 512, 1024])
        let predict = try place.run("predict", "runs/both", Self.video, status: 0)
        let stored: [Double] = try place.query(
            "SELECT probability FROM prediction JOIN video ON video.id = video_id WHERE path LIKE '%/3.y4m'")
        #expect(predict.out.contains(String(format: "%.1f %%", try #require(stored.first) * 100)))
        for command in ["cam", "predict --windows"] {
            let words = command.split(separator: " ").map(String.init)
            try place.run(
                [words[0], "runs/both", Self.video] + words.dropFirst(), status: 1,
                error: "the concatenation of several backbones")
        }
    }

    @Test("runs record that they use frame differences, and a model that cannot record it is rejected")
    func differences() throws {
        let place = try place(
            Self.pipeline.replacing("  weights: random", with: "  weights: random\n  input: difference"))
        #expect(try place.run("extract", "w.yaml").status == 0)
        #expect(try place.query("SELECT recipe ->> '$.input.difference' FROM extraction") == [1])
        #expect(try place.run("sequence", "w.yaml").status == 0)
        #expect(try place.run("predict", "runs/windows", Self.video, "--windows").status == 0)
        try place.run("export", "runs/windows", "model.onnx", status: 1, error: "--part head")
        #expect(try place.run("export", "runs/windows", "model.onnx", "--part", "head").status == 0)
    }

    @Test(
        "invalid windows are rejected with an error that names the key and what to write",
        arguments: [
            ("policy: windows, length: 4", "policy: uniform, frames: 4", "does not apply to the policy `uniform`"),
            ("length: 4", "length: 1", "`extract.sampling.length` must be an integer from 2 to 1024"),
            ("length: 4, ", "", "`extract.sampling.length` is missing"),
            ("backbone: r3d_18", "backbone: i3d_rgb\n  tap: pooled", "image_size"),
            ("backbone: r3d_18", "backbone: resnet18", "resnet18 is an image encoder"),
        ])
    func refusals(old: String, new: String, message: String) throws {
        let place = try place(Self.pipeline.replacing(old, with: new))
        try place.run("extract", "w.yaml", status: 2, error: message)
    }

    @Test("a published video encoder classifies each window") func classifies() throws {
        let place = try place()
        try place.run(
            "classify", Self.video, "--backbone", "mc3_18", "--weights", "random", "--frames", "4", "--stride", "2",
            "--frame-rate", "25", "--moments", "--top", "1", status: 0, out: "(2 windows)")
        try place.run("describe", "mc3_18", "--frames", "8", out: "at 8 frames of 112×112")
        try place.run("describe", "resnet18", "--frames", "8", status: 64, error: "is an image encoder")
    }
}
