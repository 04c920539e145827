import Foundation
import TestSupport
import Testing

/// Small data sets with the folder layout of the public ones.
enum PublicLayouts {
    static let classes = ["BalanceBeam", "Archery", "YoYo"]

    /// Clips of a class look similar and differ from those of other classes.
    static func clip(_ label: Int, _ number: Int) -> Data {
        TinyClip.y4m(width: 40, height: 32, frames: 12, chroma: UInt8(90 + 30 * label)) { pixel, frame in
            UInt8((pixel * (label + 2) + 9 * frame + 5 * number) % 180 + 30)
        }
    }

    static func write(to folder: ScratchFolder) throws {
        var lists = (train: "", test: "")
        var tables = (train: "video_name,tag\n", test: "video_name,tag\n")
        for (index, label) in classes.enumerated() {
            var splits = ""
            for number in 0..<9 {
                let name = "v_\(label)_g\(number + 1 < 10 ? "0" : "")\(number + 1)_c01.avi"
                let isTest = number % 3 == 0
                let data = clip(index, number)
                try folder.file("UCF-101/\(label)/\(name)", data)
                try folder.file("top5/\(isTest ? "test" : "train")/\(name)", data)
                let film = "film\(number)_\(label)_u_nm_np1_ba_med_0.avi"
                try folder.file("hmdb51/\(label)/\(film)", data)
                splits += "\(film) \(isTest ? 2 : 1) \n"
                if isTest {
                    lists.test += "\(label)/\(name)\n"
                    tables.test += "\(name),\(label)\n"
                } else {
                    lists.train += "\(label)/\(name) \(index + 1)\n"
                    tables.train += "\(name),\(label)\n"
                }
            }
            try folder.file("lists/\(label)_test_split1.txt", splits)
            for (user, clips) in [("S1", 1...3), ("S2", 4...5), ("S3", 6...7), ("S4", 8...9)] {
                for clip in clips {
                    for frame in 1...6 {
                        let pixels = (0..<40 * 32 * 3).map { UInt8(($0 * (index + 2) + frame * 9 + clip) % 200) }
                        let path = "GTEA61/processed_frames2/\(user)/\(label)/\(clip)/rgb/rgb000\(frame).png"
                        try folder.file(path, Data("P6\n40 32\n255\n".utf8) + Data(pixels))
                    }
                }
            }
        }
        try folder.file("lists/trainlist01.txt", lists.train)
        try folder.file("lists/testlist01.txt", lists.test)
        try folder.file("top5/train.csv", tables.train)
        try folder.file("top5/test.csv", tables.test)
    }
}

@Suite struct PublishedPipelinesTests {
    /// The data set of a pipeline in this test, and settings that make it small enough.
    static let cases: [(file: String, root: String, splits: String?, settings: [String])] = [
        ("ucf101-resnet152-bilstm", "UCF-101", "lists", ["extract.image_size=32", "extract.views=2"]),
        ("ucf101-resnet18-lstm", "UCF-101", "lists", ["extract.image_size=32"]),
        ("ucf101-smallcnn-lstm", "UCF-101", "lists", ["extract.image_size=32"]),
        (
            "ucf101-r2plus1d-average", "UCF-101", "lists",
            ["extract.image_size=32", "extract.sampling.length=4", "extract.sampling.frames_per_second=25"]
        ), ("ucf101-top5-inceptionv3-gru", "top5", "top5", ["extract.image_size=75"]),
        ("ucf101-top5-efficientnetb7-lstm", "top5", "top5", ["extract.image_size=32"]),
        ("gtea61-resnet34-average", "GTEA61", nil, ["extract.image_size=32"]),
        ("gtea61-resnet34-lstm", "GTEA61", nil, ["extract.image_size=32", "sequence.model.hidden=16"]),
        ("gtea61-resnet34-convlstm", "GTEA61", nil, ["extract.image_size=64", "sequence.model.hidden=4"]),
        ("hmdb51-vgg16-frame", "hmdb51", "lists", ["extract.image_size=32"]),
        ("hmdb51-vgg16-gru", "hmdb51", "lists", ["extract.image_size=32"]),
    ]

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../pipelines")
        .standardizedFileURL.path

    @Test("every published pipeline works in extract, sequence and evaluate on a data set with the expected layout")
    func endToEnd() throws {
        let scratch = ScratchFolder()
        try PublicLayouts.write(to: scratch)
        for (file, root, splits, settings) in Self.cases {
            let all =
                settings + ["dataset.root=\(root)", "extract.weights=random", "sequence.epochs=2"]
                + (splits.map { ["dataset.splits=\($0)"] } ?? [])
            let options = all.flatMap { ["--set", $0] }
            let pipeline = "\(Self.folder)/\(file).yaml"
            try Program.run(["extract", pipeline] + options, in: scratch.path, status: 0)
            try Program.run(["sequence", pipeline] + options, in: scratch.path, status: 0)
            try Program.run(["evaluate", "runs/\(file)"], in: scratch.path, status: 0, out: "split test")
        }
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder)
        let covered = Set(
            Self.cases.map { $0.file + ".yaml" } + ["folders.yaml"] + Self.sweeps.map { $0.file + ".yaml" })
        #expect(Set(files.filter { $0.hasSuffix(".yaml") }) == covered)
    }

    static let fineTuned = [
        (
            file: "ucf101-smallcnn-lstm", root: "UCF-101",
            settings: ["finetune.batch_size=6", "finetune.model.hidden=8"]
        ),
        (
            file: "ucf101-resnet18-lstm", root: "UCF-101",
            settings: ["finetune.batch_size=6", "finetune.model.hidden=8"]
        ), (file: "hmdb51-vgg16-frame", root: "hmdb51", settings: ["finetune.batch_size=12"]),
    ]

    @Test(
        "a fine-tuned backbone extracts features, another head is trained on them, and both are compared",
        arguments: fineTuned.indices)
    func fineTunedEndToEnd(index: Int) throws {
        let (file, root, settings) = Self.fineTuned[index]
        let scratch = ScratchFolder()
        try PublicLayouts.write(to: scratch)
        let all =
            settings + [
                "dataset.root=\(root)", "dataset.splits=lists", "extract.image_size=32", "extract.sampling.frames=3",
                "finetune.epochs=1", "sequence.epochs=1",
            ]
        func run(_ command: String, _ more: [String] = [], weights: String) throws -> ChildProcess.Output {
            let options = (all + ["extract.weights=\(weights)"]).flatMap { ["--set", $0] }
            return try Program.run([command, "\(Self.folder)/\(file).yaml"] + options + more, in: scratch.path)
        }
        let tuned = try run("finetune", ["--name", "tuned"], weights: "random")
        #expect(tuned.status == 0, "\(tuned.error)")
        #expect(tuned.out.contains("Backbone: runs/tuned/backbone/model.safetensors"))
        let weights = "runs/tuned/backbone/model.safetensors"
        #expect(try run("extract", weights: weights).status == 0)
        let trained = try run("sequence", ["--name", "head"], weights: weights)
        #expect(trained.status == 0, "\(trained.error)")
        try Program.run(["compare", "runs/tuned", "runs/head"], in: scratch.path, status: 0, out: "9 clips")
        try Program.run(["evaluate", "runs/tuned", "--report", "r.html"], in: scratch.path, status: 0)
    }

    static let sweeps = [
        (file: "gtea61-resnet34-grid", root: "GTEA61", splits: nil as String?, runs: 27),
        (file: "recurrence", root: "hmdb51", splits: "lists", runs: 15),
    ]

    @Test("the grid and the comparison of recurrent heads take one command each") func sweeps() throws {
        let scratch = ScratchFolder()
        try PublicLayouts.write(to: scratch)
        for (file, root, splits, runs) in Self.sweeps {
            let all =
                [
                    "dataset.root=\(root)", "extract.weights=random", "extract.image_size=32", "sequence.epochs=1",
                    "extract.sampling.frames=4",
                ] + (splits.map { ["dataset.splits=\($0)"] } ?? [])
            let small = file == "recurrence" ? [] : ["sequence.model.hidden=8"]
            let options = (all + small).flatMap { ["--set", $0] }
            let pipeline = "\(Self.folder)/\(file).yaml"
            #expect(try Program.run(["extract", pipeline] + options, in: scratch.path).status == 0)
            let swept = try Program.run(["sweep", pipeline] + options, in: scratch.path, status: 0)
            let table = try String(contentsOfFile: "\(scratch.path)/runs/\(file)-sweep.csv", encoding: .utf8)
            #expect(table.split(separator: "\n").count == runs + 1)
            if file == "recurrence" { #expect(swept.out.contains("Over seeds:")) }
        }
    }
}
