import Digests
import FeatureCache
import Foundation
import NeuralNetwork
import TestSupport
import Testing
import Training
@testable import SequenceModels

final class RunPlace {
    let scratch: ScratchFolder
    let cache: CacheFile
    let features = OrderProblem.features(48)

    init() throws {
        scratch = ScratchFolder()
        cache = try CacheFile(path: scratch.path + "/cache.sqlite")
        let extraction = try cache.addExtraction(
            ExtractionRecord(
                digest: hexDigest(Data("{}".utf8)), name: "order", backbone: "resnet18", weights: "random",
                weightsDigest: nil, tap: "pooled",
                imageSize: 32, maxFrames: 8, featureShape: [4], precision: "f32", recipe: "{}", version: "test"))
        try register()
        for example in features.examples {
            let rows = features.rows[example.firstRow * 4..<(example.firstRow + example.length) * 4]
            try store(example.path, Array(rows), extraction)
        }
    }

    /// Stores classes and splits of all clips.
    func register(
        label: (FeatureSet.Example) -> String = { $0.label }, split: (FeatureSet.Example) -> String = { $0.split }
    ) throws { for example in features.examples { try register(example.path, label(example), split(example)) } }

    func register(_ path: String, _ label: String, _ split: String) throws {
        let sample = SampleRecord(dataset: "order", label: label, split: split, group: nil)
        try cache.registerSamples([(VideoRecord(digest: path, path: path), sample)])
    }

    func store(_ path: String, _ rows: [Float], _ extraction: Int64 = 1) throws {
        let length = rows.count / 4
        try cache.store(
            SequenceRecord(
                frameIndices: Array(0..<length), frameTimes: (0..<length).map(Double.init), decodeErrors: 0,
                features: rows),
            video: VideoRecord(digest: path, path: path), extraction: extraction, maxFrames: 8, featureSize: 4)
    }

    func run(_ name: String, _ training: TrainingConfiguration, memory: Int = .max, resumes: Bool = false)
        -> SequenceRun
    {
        var run = SequenceRun(
            name: name, dataset: "order", training: training, runs: scratch.path + "/runs", version: "test")
        (run.memory, run.resumes) = (memory, resumes)
        return run
    }

    @discardableResult
    func train(
        _ run: SequenceRun, stopAfter: Int = .max, notes: ((String) -> Void)? = nil
    ) throws -> SequenceRun.Summary {
        let extraction = try #require(try cache.extractions().first)
        var epochs = 0
        return try run.run(cache: cache, extraction: extraction, isCancelled: { epochs >= stopAfter }) { event in
            switch event {
            case .epoch: epochs += 1
            case .note(let text): notes?(text)
            default: break
            }
        }
    }

    func weights(_ name: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: "\(scratch.path)/runs/\(name)/model.safetensors"))
    }
}

@Suite struct SequenceRunTests {
    @Test("the positive one of two classes can be chosen for training and for evaluation; others are errors")
    func positive() throws {
        let place = try RunPlace()
        var training = Self.training()
        training.positive = "down"
        try place.train(place.run("run", training))
        let directory = RunDirectory(path: place.scratch.path + "/runs/run")
        let (own, other) = (try RunEvaluation(directory), try RunEvaluation(directory, positive: "up"))
        let (down, up) = (try #require(own.scores.roc), try #require(other.scores.roc))
        #expect(down.positive == "down" && up.positive == "up" && abs(down.area - up.area) < 1e-12)
        // The recall of one class is the specificity of the other.
        #expect(abs(down.atHalf.recall - up.atHalf.specificity) < 1e-12)
        training.positive = "left"
        #expect(
            throws: SequenceError.unknownPositive(
                "left", option: "`sequence.positive`", available: ["down", "up"])
        ) { try place.train(place.run("other", training)) }
        #expect(throws: SequenceError.self) { try RunEvaluation(directory, positive: "left") }
    }

    static func training(_ kind: HeadConfiguration.Kind = .gru) -> TrainingConfiguration {
        var training = OrderProblem.training(kind, epochs: 12)
        training.model.dropout = 0.2
        training.schedule = Schedule(kind: .plateau)
        (training.schedule.factor, training.schedule.patience, training.schedule.warmUp) = (0.5, 1, 2)
        training.clipNorm = 1
        return training
    }

    @Test("a run that was stopped and resumed is bit-identical to an uninterrupted one", arguments: [1, 5, 11])
    func resumes(stop: Int) throws {
        let place = try RunPlace()
        let whole = try place.train(place.run("whole", Self.training()))
        let first = try place.train(place.run("parts", Self.training()), stopAfter: stop)
        #expect(first.wasCancelled && first.epochs == stop)
        let second = try place.train(place.run("parts", Self.training(), resumes: true))
        #expect(second.epochs == 12 && second.bestEpoch == whole.bestEpoch)
        #expect(try place.weights("parts") == place.weights("whole"))
        #expect(second.metrics[.test] == whole.metrics[.test])
        func lines(_ file: String) throws -> [Substring] {
            try String(contentsOfFile: "\(place.scratch.path)/runs/parts/\(file)", encoding: .utf8).split(
                separator: "\n")
        }
        #expect(try lines("epochs.csv").count == 13 && lines("epochs.csv")[12].hasPrefix("12,"))
        #expect(try lines("predictions.csv").count == 49 && lines("predictions.csv")[1].contains(",train,"))
        let last = try SafeTensorsFile(path: place.scratch.path + "/runs/parts/last.safetensors")
        let other = try SafeTensorsFile(path: place.scratch.path + "/runs/whole/last.safetensors")
        for name in other.shapes.keys { #expect(try last.tensor(named: name) == other.tensor(named: name), "\(name)") }
    }

    @Test("a changed configuration is rejected with an error that names the difference; more epochs are accepted")
    func otherConfiguration() throws {
        let place = try RunPlace()
        try place.train(place.run("run", Self.training()), stopAfter: 3)
        var other = Self.training()
        other.optimizer.learningRate = 0.5
        other.batchSize = 4
        let text = refusal(of: SequenceError.self) { try place.train(place.run("run", other, resumes: true)) }
        #expect(text.contains("training.batchSize: 8 → 4"), "\(text)")
        #expect(text.contains("training.optimizer.learningRate: 0.01 → 0.5"), "\(text)")
        var longer = Self.training()
        longer.epochs = 14
        #expect(try place.train(place.run("run", longer, resumes: true)).epochs == 14)
        // Without a checkpoint, training starts from the beginning.
        #expect(try place.train(place.run("none", longer, resumes: true)).epochs == 14)
        #expect(throws: CacheError.self) { try place.train(place.run("run", longer)) }
    }

    @Test(
        "features that do not fit in memory are streamed, and give the same weights",
        arguments: [HeadConfiguration.Kind.gru, .frame])
    func streams(kind: HeadConfiguration.Kind) throws {
        let place = try RunPlace()
        try place.train(place.run("memory", Self.training(kind)))
        var notes: [String] = []
        try place.train(place.run("stream", Self.training(kind), memory: 100)) { notes.append($0) }
        #expect(notes.contains { $0.contains("streamed in batches") })
        #expect(try place.weights("stream") == place.weights("memory"))
    }

    @Test("a head on the wrong tap is an error, and sequences without a valid frame are left out with a note")
    func wrongFeatures() throws {
        let place = try RunPlace()
        #expect(throws: SequenceError.notMaps(shape: [4], head: "convlstm")) {
            try place.train(place.run("maps", Self.training(.convlstm)))
        }
        try place.register("empty", "up", "train")
        try place.store("empty", [])
        var notes: [String] = []
        try place.train(place.run("empty", Self.training())) { notes.append($0) }
        #expect(notes == ["1 video without a valid frame is left out"])
        let lock = try ExtractionLock(cache: place.cache.path)
        notes = []
        try place.train(place.run("filling", Self.training())) { notes.append($0) }
        withExtendedLifetime(lock) {}
        #expect(notes.contains { $0.contains("an extraction is filling") })
    }

    @Test(
        "training works with one clip per class, classes without training clips, and a batch larger than the data set")
    func smallSets() throws {
        let place = try RunPlace()
        var training = Self.training()
        (training.batchSize, training.validation, training.epochs) = (1000, 0, 2)
        #expect(try place.train(place.run("large", training)).epochs == 2)
        let all = place.features
        let few = FeatureSet(
            examples: Array(all.examples.filter { $0.split == "train" }.prefix(2)) + [
                .init(videoID: 99, path: "other", label: "sideways", split: "test", group: nil, length: 3, firstRow: 0)
            ], featureSize: 4, storage: all.storage)
        let partition = Partition(few, validation: 0, seed: 1)
        let result = try Trainer(training).train(few, partition)
        #expect(result.head.labels == ["down", "up"])
        let metrics = try #require(try Evaluation(result.head, few, partition.test, split: .test).metrics?.classes)
        #expect(metrics.count == 1 && metrics.accuracy == 0 && metrics.accuracy(top: 3) == 0 && metrics.loss.isNaN)
        #expect(metrics.labels == ["down", "up", "sideways"] && metrics.unknown.count == 1)
        #expect(metrics.perClass(2) == (1, 0) && metrics.balancedAccuracy == 0)
    }
}
