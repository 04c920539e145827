import Datasets
import Digests
import FeatureCache
import Foundation
import GRDB
import NeuralNetwork
import TestSupport
import Testing
import Training
@testable import SequenceModels

/// Clips with any of four labels: two actions that occur independently, each forwards or backwards. The mean of the
/// frames does not tell forwards from backwards.
final class LabelPlace {
    let scratch = ScratchFolder()
    let cache: CacheFile
    static let labels = ["close", "fall", "open", "rise"]

    init(_ count: Int = 120, extra: (Int) -> [String] = { _ in [] }) throws {
        cache = try CacheFile(path: scratch.path + "/cache.sqlite")
        _ = try cache.addExtraction(
            ExtractionRecord(
                digest: hexDigest(Data("{}".utf8)), name: "two", backbone: "resnet18", weights: "random",
                weightsDigest: nil, tap: "pooled", imageSize: 32, maxFrames: 8, featureShape: [4], precision: "f32",
                recipe: "{}", version: "test"))
        var generator = SplitMix64(seed: 5)
        for index in 0..<count {
            let states = [Int.random(in: 0..<3, using: &generator), Int.random(in: 0..<3, using: &generator)]
            let rows = (0..<8).flatMap { step in
                states.flatMap { state -> [Float] in
                    let slope = state == 0 ? 0 : Float(step) / 4 - 0.875
                    let noise = { Float.random(in: -0.1...0.1, using: &generator) }
                    return [(state == 2 ? -slope : slope) + noise(), Float(state == 0 ? 0 : 1) + noise()]
                }
            }
            let names = zip(states, [["rise", "fall"], ["open", "close"]]).compactMap { state, names in
                state == 0 ? nil : names[state - 1]
            }
            try add("\(index).mp4", names + extra(index), split: index % 3 == 0 ? "test" : "train", rows: rows)
        }
    }

    func add(_ path: String, _ names: [String], split: String, rows: [Float]) throws {
        let digest = hexDigest(Data(path.utf8))
        let sample = SampleRecord(
            dataset: "two", label: LabelSet.text(names), split: split, group: nil, labels: names, source: .list)
        try cache.registerSamples([(VideoRecord(digest: digest, path: path), sample)])
        let length = rows.count / 4
        try cache.store(
            SequenceRecord(
                frameIndices: Array(0..<length), frameTimes: (0..<length).map(Double.init), decodeErrors: 0,
                features: rows),
            video: VideoRecord(digest: digest, path: path), extraction: 1, maxFrames: 8, featureSize: 4)
    }

    static func training(_ kind: HeadConfiguration.Kind, epochs: Int = 40) -> TrainingConfiguration {
        var training = TrainingConfiguration(
            model: HeadConfiguration(kind: kind, hidden: [16]), epochs: epochs, validation: 0.25)
        training.task = .multilabel
        training.optimizer = Optimizer(kind: .adam, learningRate: 1e-2)
        return training
    }

    @discardableResult
    func train(
        _ name: String, _ training: TrainingConfiguration, leavesOutUnknown: Bool = false, resumes: Bool = false,
        stopAfter: Int = .max
    ) throws -> SequenceRun.Summary {
        var run = SequenceRun(
            name: name, dataset: "two", training: training, runs: scratch.path + "/runs", version: "test")
        (run.leavesOutUnknown, run.resumes) = (leavesOutUnknown, resumes)
        let extraction = try #require(try cache.extractions().first)
        if let folds = training.folds {
            let features = try run.load(cache, extraction)
            let validation = try CrossValidation(
                training, folds: folds, repeats: training.repeats ?? 1, features: features,
                input: .init(extraction.record))
            let fits = try (0..<validation.count).compactMap { try validation.fit($0) }
            run.crossValidation = CrossValidationResult(fits, of: validation)
            return try run.run(cache: cache, extraction: extraction, features: validation.features) { _ in }
        }
        var epochs = 0
        return try run.run(cache: cache, extraction: extraction, isCancelled: { epochs >= stopAfter }) {
            if case .epoch = $0 { epochs += 1 }
        }
    }

    func directory(_ name: String) -> RunDirectory { RunDirectory(path: scratch.path + "/runs/" + name) }
}

@Suite struct LabelRunTests {
    @Test("a recurrent head finds two independent actions in a clip; the mean of the frames does not know their order")
    func order() throws {
        let place = try LabelPlace()
        let recurrent = try #require(try place.train("gru", LabelPlace.training(.gru)).metrics[.test]?.labels)
        let average = try #require(try place.train("average", LabelPlace.training(.average)).metrics[.test]?.labels)
        #expect(recurrent.meanAveragePrecision > 0.95 && recurrent.labels == LabelPlace.labels)
        #expect(average.meanAveragePrecision < 0.8)
        let comparison = try Comparison([place.directory("average"), place.directory("gru")])
        let pair = try #require(comparison.pairs.first)
        #expect(
            comparison.task == .multilabel
                && comparison.entries[1].meanAveragePrecision == recurrent.meanAveragePrecision)
        #expect(abs(pair.gain - (recurrent.meanAveragePrecision - average.meanAveragePrecision)) < 1e-12)
        #expect(pair.interval.lower > 0 && pair.probability < 0.01)
        #expect(Set(comparison.classGains.map(\.label)) == Set(LabelPlace.labels))
        #expect(comparison.classGains.allSatisfy { $0.interval != nil })
    }

    @Test(
        "every head trains on several labels a clip, and evaluating the stored run gives the same metrics",
        arguments: [HeadConfiguration.Kind.frame, .average, .max, .gru, .bilstm, .attention, .transformer])
    func heads(kind: HeadConfiguration.Kind) throws {
        let place = try LabelPlace(60)
        let summary = try place.train("run", LabelPlace.training(kind, epochs: 6))
        let (head, configuration) = try place.directory("run").load()
        #expect(head.task == .multilabel && head.thresholds == configuration.thresholds)
        #expect(head.thresholds.count == 4 && head.thresholds.allSatisfy { $0 > 0 && $0 < 1 })
        let evaluation = try RunEvaluation(place.directory("run"))
        let (stored, live) = (try #require(evaluation.metrics.labels), try #require(summary.metrics[.test]?.labels))
        #expect(stored == live && stored.loss.isFinite)
        #expect(
            evaluation.interval.lower <= stored.meanAveragePrecision
                && stored.meanAveragePrecision <= evaluation.interval.upper)
        for prediction in evaluation.predictions {
            let chosen = zip(head.labels, zip(prediction.probabilities, head.thresholds)).filter { $1.0 >= $1.1 }
            #expect(prediction.predicted == LabelSet.text(chosen.map(\.0)))
        }
    }

    @Test("the cache has the labels, the task and the metrics of a run, and a view of each label") func sql() throws {
        let place = try LabelPlace()
        let summary = try place.train("run", LabelPlace.training(.gru, epochs: 20))
        let metrics = try #require(summary.metrics[.test]?.labels)
        try DatabaseQueue(path: place.cache.path).read { database in
            let rows = try Row.fetchAll(
                database, sql: "SELECT * FROM label_accuracy WHERE run = 'run' AND split = 'test' ORDER BY label")
            #expect(rows.map { $0["label"] as String } == LabelPlace.labels)
            for (row, counts) in zip(rows, metrics.atThresholds.classes) {
                #expect(row["videos"] == counts.positives && row["predicted"] == counts.predicted)
                #expect(row["correct"] == counts.truePositives)
                #expect(abs((row["f1"] as Double) - counts.rates.f1) < 1e-12)
            }
            #expect(try String.fetchOne(database, sql: "SELECT task FROM run") == "multilabel")
            #expect(try Int.fetchOne(database, sql: "SELECT count(*) FROM class_accuracy") == 0)
            #expect(
                try Double.fetchOne(
                    database, sql: "SELECT value FROM metric WHERE split = 'test' AND name = 'mean_average_precision'")
                    == metrics.meanAveragePrecision)
            #expect(
                try Double.fetchOne(database, sql: "SELECT count(*) FROM epoch WHERE validation_map IS NULL") == 0)
            let clips = try Int.fetchOne(
                database, sql: "SELECT count(DISTINCT video_id) FROM annotation WHERE label = 'rise'")
            let listed = try Int.fetchOne(database, sql: "SELECT count(*) FROM sample WHERE label LIKE '%\"rise\"%'")
            #expect(clips == listed && clips ?? 0 > 20)
        }
        let runs = try place.cache.runs()
        #expect(runs[0].testMAP == metrics.meanAveragePrecision && runs[0].task == .multilabel)
    }

    @Test("cross-validation predicts every clip by models that did not see it, with thresholds of their own")
    func folds() throws {
        let place = try LabelPlace()
        var training = LabelPlace.training(.gru, epochs: 15)
        (training.folds, training.repeats, training.calibrates) = (3, 2, true)
        let summary = try place.train("folds", training)
        let result = try #require(summary.crossValidation)
        #expect(result.predictions.count == 80 && result.summary.averagePrecisions?.joined().count == 6)
        #expect(result.metrics.score > 0.9)
        let evaluation = try RunEvaluation(place.directory("folds"), role: .heldout)
        #expect(evaluation.metrics == summary.metrics[.validation])
        let (head, configuration) = try place.directory("folds").load()
        #expect(configuration.calibration?.scale.count == 4 && head.thresholds == configuration.thresholds)
        #expect(Set(try place.directory("folds").foldHeads(like: head).map(\.head.thresholds)).count > 1)
    }

    @Test("calibration changes no ranking, and brings the loss on the clips it was fitted on down")
    func calibration() throws {
        let place = try LabelPlace()
        var training = LabelPlace.training(.gru, epochs: 8)
        let plain = try #require(try place.train("plain", training).metrics[.validation]?.labels)
        training.calibrates = true
        let calibrated = try #require(try place.train("calibrated", training).metrics[.validation]?.labels)
        for (before, after) in zip(plain.averagePrecision, calibrated.averagePrecision) {
            #expect(abs((before ?? 0) - (after ?? 0)) < 1e-6)
        }
        #expect(calibrated.loss < plain.loss + 0.02)
    }

    @Test("a label that only the test clips have is an error, unless it is left out") func testOnly() throws {
        let place = try LabelPlace(60) { $0 == 3 || $0 == 9 ? ["new"] : [] }
        #expect(throws: SequenceError.testOnly(labels: ["new"])) {
            try place.train("run", LabelPlace.training(.gru, epochs: 2))
        }
        let summary = try place.train("known", LabelPlace.training(.gru, epochs: 2), leavesOutUnknown: true)
        #expect(summary.metrics[.test]?.labels?.labels == LabelPlace.labels)
        let whole = try RunEvaluation(place.directory("known"))
        let metrics = try #require(whole.metrics.labels)
        #expect(whole.notes.contains { $0.contains("1 label without training clips (new) counts as missed") })
        #expect(metrics.labels.last == "new" && metrics.averagePrecision.last == 0 && metrics.positives.last == 2)
        let known = try #require(
            try RunEvaluation(place.directory("known"), leavesOutUnknown: true).metrics.labels)
        #expect(abs(metrics.meanAveragePrecision - known.meanAveragePrecision * 4 / 5) < 1e-12)
        #expect(known == summary.metrics[.test]?.labels)
    }

    @Test("an interrupted run resumes with the same result; another task is an error") func resume() throws {
        let place = try LabelPlace(60)
        var training = LabelPlace.training(.gru, epochs: 6)
        training.checkpoint = 1
        let whole = try place.train("whole", training)
        #expect(try place.train("parts", training, stopAfter: 3).wasCancelled)
        let parts = try place.train("parts", training, resumes: true)
        #expect(parts.metrics == whole.metrics)
        _ = try place.train("other", training, stopAfter: 2)
        training.task = nil
        #expect(throws: SequenceError.self) { try place.train("other", training, resumes: true) }
    }

    @Test("runs of different tasks cannot be compared; concatenated clips need classes") func otherTasks() throws {
        let place = try LabelPlace(60)
        try place.train("labels", LabelPlace.training(.average, epochs: 2))
        var training = LabelPlace.training(.average, epochs: 2)
        training.task = nil
        try place.train("classes", training)
        #expect(throws: SequenceError.otherTasks) {
            try Comparison([place.directory("labels"), place.directory("classes")])
        }
        let directory = place.directory("labels")
        #expect(throws: SequenceError.needsClasses("--continuous")) {
            try RunEvaluation(directory).continuous(directory, .init())
        }
    }

    @Test("weights of positives, smoothing and the focal loss are used, and weights of unknown labels are errors")
    func losses() throws {
        let place = try LabelPlace(60)
        var losses: [Double] = []
        for change in [
            { _ in }, { $0.positiveWeights = .balanced }, { $0.positiveWeights = .named(["rise": 5]) },
            { $0.labelSmoothing = 0.2 }, { $0.focal = 2 },
        ] as [(inout TrainingConfiguration) -> Void] {
            var training = LabelPlace.training(.gru, epochs: 1)
            change(&training)
            let name = "run\(losses.count)"
            try place.train(name, training)
            let run = try #require(try place.cache.run(named: name))
            losses.append(try #require(try place.cache.epochs(run: run).first).trainLoss)
        }
        #expect(Set(losses).count == losses.count)
        var training = LabelPlace.training(.gru, epochs: 1)
        training.positiveWeights = .named(["jump": 2])
        #expect(
            throws: SequenceError.unknownClass("jump", key: "pos_weight", available: LabelPlace.labels)
        ) { try place.train("unknown", training) }
    }

    @Test("heads that start from texts score every label; calibration makes probabilities of similarities")
    func texts() throws {
        let place = try LabelPlace()
        var training = LabelPlace.training(.zeroShot, epochs: 0)
        // The second and the fourth feature show whether an action occurs, whatever its direction.
        let vectors: [String: [Float]] = [
            "rise": [0, 1, 0, 0], "fall": [0, 1, 0, 0], "open": [0, 0, 0, 1], "close": [0, 0, 0, 1],
        ]
        training.texts = ClassTexts(vectors: vectors, scale: 10, bias: 0)
        let plain = try #require(try place.train("plain", training).metrics[.test]?.labels)
        training.calibrates = true
        let calibrated = try #require(try place.train("calibrated", training).metrics[.test]?.labels)
        // Of the clips with an action, about half have each direction.
        #expect(plain.meanAveragePrecision > 0.35 && plain.meanAveragePrecision < 0.8)
        #expect(abs(plain.meanAveragePrecision - calibrated.meanAveragePrecision) < 1e-3)
        #expect(calibrated.loss < 0.7 && plain.loss > calibrated.loss)
        training = LabelPlace.training(.linearProbe, epochs: 3)
        training.texts = ClassTexts(vectors: vectors, scale: 10, bias: -5)
        #expect(try place.train("probe", training).metrics[.test]?.labels?.labels == LabelPlace.labels)
    }

    @Test("clips without a label are negatives, and a data set without any label is an error") func negatives() throws {
        let place = try LabelPlace(30)
        for index in 0..<6 {
            try place.add(
                "none\(index).mp4", [], split: index < 4 ? "train" : "test", rows: Array(repeating: 0, count: 32))
        }
        let summary = try place.train("run", LabelPlace.training(.gru, epochs: 3))
        #expect(summary.metrics[.train].map(\.count) ?? 0 > 0 && summary.metrics[.test]?.count == 12)
        let empty = try LabelPlace(0)
        for index in 0..<4 {
            try empty.add("none\(index).mp4", [], split: "train", rows: Array(repeating: 0, count: 32))
        }
        #expect(throws: SequenceError.noLabels) { try empty.train("run", LabelPlace.training(.gru, epochs: 1)) }
    }
}
