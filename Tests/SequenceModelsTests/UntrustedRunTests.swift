import FeatureCache
import Foundation
import NeuralNetwork
import TestSupport
import Testing
@testable import SequenceModels

/// Runs with modified files.
@Suite struct UntrustedRunTests {
    let folder = ScratchFolder()

    @Test(
        "a named pipe in place of a run's file, or given as weights of a head, is rejected immediately",
        arguments: ["config.json", "last.safetensors", "model.safetensors"])
    func pipes(name: String) throws {
        try #require(mkfifo(folder.path + "/" + name, 0o600) == 0)
        let run = RunDirectory(path: folder.path)
        let words = "it is a named pipe, not a regular file"
        if name == "config.json" { #expect(refusal { _ = try run.load() }.contains(words)) }
        if name == "last.safetensors" { #expect(refusal { _ = try run.checkpointConfiguration() }.contains(words)) }
        #expect(refusal { _ = try openHeadWeights(path: folder.path + "/" + name, for: []) }.contains(words))
    }

    @Test("a config.json that is nested deeply or too large is rejected before it is parsed")
    func configuration() throws {
        try folder.file("config.json", "{\"name\":" + String(repeating: "[", count: 500_000))
        let run = RunDirectory(path: folder.path)
        #expect(refusal { _ = try run.load() }.contains("nested more than 64 levels deep"))
        let path = try folder.file("config.json", "")
        try #require(truncate(path, 1 << 40) == 0)
        #expect(refusal { _ = try run.load() }.contains("the limit is"))
    }

    @Test("heads of impossible sizes are rejected") func sizes() {
        #expect(HeadConfiguration(kind: .gru, hidden: [64]).isPossible)
        #expect(HeadConfiguration(kind: .average).isPossible)
        #expect(HeadConfiguration(kind: .transformer, hidden: [128, 128]).isPossible)
        for head in [
            HeadConfiguration(kind: .gru, hidden: []), HeadConfiguration(kind: .gru, hidden: [.max]),
            HeadConfiguration(kind: .gru, hidden: [Int](repeating: 1, count: 65)),
            HeadConfiguration(kind: .attention, hidden: [-1]), HeadConfiguration(kind: .average, dense: 0),
            HeadConfiguration(kind: .average, projection: 1 << 40), HeadConfiguration(kind: .average, dropout: 1),
            HeadConfiguration(kind: .average, dropout: .nan),
            HeadConfiguration(kind: .transformer, hidden: [128], heads: 0),
            HeadConfiguration(kind: .transformer, hidden: [128], heads: 3),
            HeadConfiguration(kind: .transformer, hidden: [128, 64]),
            HeadConfiguration(kind: .transformer, hidden: [128], feedForward: .min),
        ] { #expect(!head.isPossible, "\(head.summary)") }
    }

    /// Possible values of a key; numbers out of range for JSON parsers are written as strings first.
    private static var values: [Any] {
        [
            NSNull(), true, "", "x", 0, 1, -1, 3, Int.max, Int.min, 1 << 40, 0.5, -0.5, 1e300, [Int](), [[Int]()], [0],
            [-1],
            [Int.max, Int.max], [4, 4, 4], ["a", "a"], [NSNull()], [String: Int](), ["a": -1],
            [Int](repeating: 4, count: 65),
        ]
    }

    private static func paths(_ document: Any) -> [[String]] {
        guard let mapping = document as? [String: Any] else { return [] }
        return mapping.keys.sorted().flatMap { key in [[key]] + paths(mapping[key] ?? NSNull()).map { [key] + $0 } }
    }

    private static func put(_ value: Any?, at path: ArraySlice<String>, in document: Any) -> Any {
        guard let key = path.first, var mapping = document as? [String: Any] else { return value ?? NSNull() }
        mapping[key] = path.count == 1 ? value : put(value, at: path.dropFirst(), in: mapping[key] ?? [String: Any]())
        return mapping
    }

    /// A run with its config.json, whose content is `whole`.
    private static func trained(_ head: HeadConfiguration) throws -> (RunPlace, RunDirectory, file: URL, whole: Any) {
        let place = try RunPlace()
        try place.train(place.run("r", TrainingConfiguration(model: head, epochs: 1, validation: 0.3)))
        let directory = RunDirectory(path: place.scratch.path + "/runs/r")
        let file = URL(fileURLWithPath: directory.path + "/config.json")
        return (place, directory, file, try JSONSerialization.jsonObject(with: Data(contentsOf: file)))
    }

    private static let more = [
        ["training", "folds"], ["training", "repeats"], ["training", "clipNorm"], ["training", "model", "projection"],
        ["training", "model", "dense"], ["training", "model", "heads"], ["training", "model", "feedForward"],
        ["temperature"], ["sampledRate"], ["missing"], ["crossValidation"], ["excluded"], ["diverged"],
    ]

    @Test(
        "a run with any value in a key of config.json is read, or rejected with an error that names the key",
        arguments: [HeadConfiguration.Kind.gru, .attention, .transformer, .average])
    func keys(kind: HeadConfiguration.Kind) throws {
        let head = HeadConfiguration(kind: kind, hidden: [4], heads: kind == .transformer ? 2 : nil)
        let (place, directory, file, whole) = try Self.trained(head)
        let rows = [Float](repeating: 0.5, count: 8)
        var refused = 0
        for path in Self.paths(whole) + Self.more {
            for value in [nil] + Self.values.map(Optional.some) {
                try JSONSerialization.data(withJSONObject: Self.put(value, at: path[...], in: whole)).write(to: file)
                do {
                    let (head, _) = try directory.load()
                    _ = try head.probabilities(of: rows)
                    _ = try Comparison([directory], cache: place.cache.path)
                } catch let error as any LocalizedError {
                    refused += 1
                    let text = error.errorDescription ?? ""
                    #expect(text.hasSuffix("."), "\(path) = \(String(describing: value)): \(text)")
                }
            }
        }
        #expect(refused > 200)
    }

    @Test("a run with values that no pipeline can state is rejected with an error that names the key") func ranges()
        throws
    {
        let (place, directory, file, whole) = try Self.trained(HeadConfiguration(kind: .gru, hidden: [4]))
        defer { withExtendedLifetime(place) {} }
        let changes: [(key: String, value: Any, named: String)] = [
            ("training.model.hidden", [Int](), "training.model.hidden"),
            ("training.model.hidden", [0], "training.model.hidden.0"),
            ("training.model.dropout", 1, "training.model.dropout"),
            ("training.model.kind", "none", "training.model.kind"), ("training.epochs", -1, "training.epochs"),
            ("training.batchSize", 0, "training.batchSize"), ("training.checkpoint", 0, "training.checkpoint"),
            ("training.schedule.every", 0, "training.schedule.every"),
            ("training.schedule.warmUp", Int.min, "training.schedule.warmUp"),
            ("training.optimizer.learningRate", 0, "training.optimizer.learningRate"),
            ("training.views", 0, "training.views"), ("training.folds", 0, "training.folds"),
            ("input.shape", [1 << 30], "input.shape.0"), ("input.shape", [Int](), "input.shape"),
            ("labels", [String](), "labels"), ("labels", ["a", "a"], "labels"), ("bestEpoch", -1, "bestEpoch"),
            ("sampledRate", 0, "sampledRate"), ("temperature", -1, "temperature"),
            (
                "missing", [["split": "test", "listed": 1, "failed": Int.max, "without_file": 1, "not_extracted": 1]],
                "missing.0.failed"
            ),
            (
                "crossValidation", ["folds": 2, "repeats": 0, "accuracies": [[Double]](), "epochs": 1],
                "crossValidation.repeats"
            ),
        ]
        for (key, value, named) in changes {
            let path = key.split(separator: ".").map(String.init)
            try JSONSerialization.data(withJSONObject: Self.put(value, at: path[...], in: whole)).write(to: file)
            let text = refusal { _ = try directory.load() }
            #expect(text.contains("in its config.json, `\(named)`"), "\(key) = \(value): \(text)")
        }
    }

    @Test("a checkpoint with impossible progress is rejected with an error that names the key") func progress() throws {
        let place = try RunPlace()
        let training = TrainingConfiguration(
            model: HeadConfiguration(kind: .gru, hidden: [4]), epochs: 1, validation: 0.3)
        try place.train(place.run("r", training))
        let path = place.scratch.path + "/runs/r/last.safetensors"
        let file = try SafeTensorsFile(path: path)
        var tensors: [String: Tensor] = [:]
        for name in file.shapes.keys { tensors[name] = try file.tensor(named: name) }
        let whole = try JSONSerialization.jsonObject(with: Data(try #require(file.metadata["progress"]).utf8))
        for (key, value, named) in [
            ("epoch", -1, "progress.epoch"), ("epoch", Int.max, "progress.epoch"),
            ("bestEpoch", 2, "progress.bestEpoch"),
            ("step", -1, "progress.step"), ("generator", "x", "progress.generator"), ("epoch", "x", "epoch"),
            ("schedule.badEpochs", Int.max, "progress.schedule.badEpochs"),
            ("schedule.rate", -1, "progress.schedule.rate"),
        ] as [(String, Any, String)] {
            let changed = Self.put(value, at: key.split(separator: ".").map(String.init)[...], in: whole)
            var metadata = file.metadata
            metadata["progress"] = String(decoding: try JSONSerialization.data(withJSONObject: changed), as: UTF8.self)
            try SafeTensorsWriter.write(tensors, metadata: metadata, to: path)
            var longer = training
            longer.epochs = 2
            let text = refusal { try place.train(place.run("r", longer, resumes: true)) }
            #expect(text.contains("in its last.safetensors, `\(named)`"), "\(key): \(text)")
        }
    }

    @Test("a head that gets features of another size, or more frames than it has positions for, is an error")
    func otherFeatures() throws {
        let head = HeadConfiguration(kind: .transformer, hidden: [4], heads: 2)
        let made = try Head(
            head, labels: ["a", "b"], input: .init(shape: [3], maximumLength: 2), standardization: nil,
            from: RandomParameters())
        let features = FeatureSet(examples: [], featureSize: 4, rows: [Float](repeating: 0, count: 12))
        #expect(throws: SequenceError.otherFeatures(size: 4, head: 3)) {
            try made.logits(features, spans: [.init(videoID: 1, firstRow: 0, length: 1)])
        }
        #expect(throws: SequenceError.tooLong(frames: 3, most: 2)) {
            try made.probabilities(of: [Float](repeating: 0, count: 9))
        }
    }
}
