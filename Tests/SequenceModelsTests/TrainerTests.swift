import FeatureCache
import Foundation
import NeuralNetwork
import TestSupport
import Testing
import Training
@testable import SequenceModels

/// Sequences of two classes with the same rows in opposite order: only the order distinguishes them.
enum OrderProblem {
    static func features(_ count: Int, size: Int = 4, splits: [String] = ["train", "train", "train", "test"])
        -> FeatureSet
    {
        let random = RandomParameters(seed: 9)
        var rows: [Float] = [], examples: [FeatureSet.Example] = []
        for index in 0..<count {
            let length = 3 + index % 5
            let noise = random.uniform("noise \(index / 2)", count: length * size).map { 0.2 * ($0 - 0.5) }
            let isUp = index % 2 == 0
            for step in 0..<length {
                let place = isUp ? step : length - 1 - step
                let level = Float(place) / Float(length - 1) - 0.5
                for column in 0..<size {
                    rows.append(noise[place * size + column] + (column % 2 == 0 ? level : 0.5 - level) + 3)
                }
            }
            examples.append(
                .init(
                    videoID: Int64(index + 1), path: "clip\(index)", label: isUp ? "up" : "down",
                    split: splits[index / 2 % splits.count], group: nil, length: length,
                    firstRow: rows.count / size - length))
        }
        return FeatureSet(examples: examples, featureSize: size, rows: rows)
    }

    static func training(_ kind: HeadConfiguration.Kind, epochs: Int = 40) -> TrainingConfiguration {
        var configuration = TrainingConfiguration(
            model: HeadConfiguration(kind: kind, hidden: kind == .average ? [] : [12]), standardize: true,
            epochs: epochs)
        configuration.optimizer.learningRate = 1e-2
        (configuration.batchSize, configuration.seed) = (8, 1)
        return configuration
    }

    static func train(_ configuration: TrainingConfiguration, _ features: FeatureSet) throws -> (
        Trainer.Result, Metrics, [EpochRecord]
    ) {
        let partition = Partition(features, validation: configuration.validation, seed: configuration.seed)
        let (result, epochs) = try train(configuration, features, partition)
        return (
            result, try #require(try Evaluation(result.head, features, partition.test, split: .test).metrics?.classes),
            epochs
        )
    }

    static func train(
        _ configuration: TrainingConfiguration, _ features: FeatureSet, _ partition: Partition
    ) throws -> (Trainer.Result, [EpochRecord]) {
        var epochs: [EpochRecord] = []
        var hooks = Trainer.Hooks()
        hooks.report = { epochs.append($0) }
        return (try Trainer(configuration).train(features, partition, hooks: hooks), epochs)
    }
}

extension FeatureSet.Example {
    func with(group: String?, views: [FeatureSet.Span]) -> FeatureSet.Example {
        .init(videoID: videoID, path: path, label: label, split: split, group: group, views: views)
    }
}

@Suite struct TrainerTests {
    @Test(
        "recurrent heads learn classes that differ only in frame order",
        arguments: [HeadConfiguration.Kind.gru, .lstm, .bilstm])
    func learnsOrder(kind: HeadConfiguration.Kind) throws {
        let (_, metrics, epochs) = try OrderProblem.train(OrderProblem.training(kind), OrderProblem.features(96))
        #expect(metrics.accuracy > 0.95)
        #expect(epochs.last!.trainLoss < epochs[0].trainLoss / 3)
    }

    @Test("the average head cannot learn frame order") func averageCannot() throws {
        let (_, metrics, _) = try OrderProblem.train(OrderProblem.training(.average), OrderProblem.features(96))
        #expect(metrics.accuracy < 0.75)
    }

    @Test("the same seed gives bit-identical weights; another seed gives others") func deterministic() throws {
        var configuration = OrderProblem.training(.gru, epochs: 4)
        configuration.model.dropout = 0.3
        configuration.model.dense = 6
        configuration.model.projection = 5
        let features = OrderProblem.features(40)
        func weights() throws -> [UInt32] {
            try OrderProblem.train(configuration, features).0.head.parameters.values.map(\.bitPattern)
        }
        let first = try weights()
        #expect(try weights() == first)
        configuration.seed = 2
        #expect(try weights() != first)
    }

    @Test("training samples from all augmented views, and predictions can average them") func views() throws {
        let plain = OrderProblem.features(24)
        // The second augmented view of each clip is the first one of its neighbour of the same class.
        let examples = plain.examples.enumerated().map { index, example in
            example.with(group: example.group, views: [example.views[0], plain.examples[(index + 2) % 24].views[0]])
        }
        let both = FeatureSet(examples: examples, featureSize: 4, rows: plain.rows)
        let configuration = OrderProblem.training(.gru, epochs: 3)
        let (one, _, _) = try OrderProblem.train(configuration, plain)
        let (two, _, _) = try OrderProblem.train(configuration, both)
        #expect(one.head.parameters != two.head.parameters)
        let single = softmax(try two.head.logits(both, [5])).values
        let other = softmax(try two.head.logits(both, [7])).values
        let mean = softmax(try two.head.logits(both, [5], averagingViews: true)).values
        for (index, value) in mean.enumerated() { #expect(abs(value - (single[index] + other[index]) / 2) < 1e-6) }
    }

    @Test("the frame head is trained on single frames, and a clip's probabilities are the mean over its frames")
    func frameHead() throws {
        let features = OrderProblem.features(48)
        let (result, metrics, _) = try OrderProblem.train(OrderProblem.training(.frame, epochs: 5), features)
        #expect(metrics.accuracy < 0.8)
        let example = features.examples[3]
        let frames = try result.head.logits(features, spans: example.views[0].frames)
        let probabilities = softmax(frames)
        let clip = softmax(try result.head.logits(features, [3])).values
        for label in 0..<2 {
            let mean = (0..<example.length).reduce(0) { $0 + probabilities.values[$1 * 2 + label] }
            #expect(abs(clip[label] - mean / Float(example.length)) < 1e-5)
        }
    }

    @Test("the other heads learn frame order if they can", arguments: [HeadConfiguration.Kind.bigru, .transformer])
    func otherHeads(kind: HeadConfiguration.Kind) throws {
        var configuration = OrderProblem.training(kind)
        if kind == .transformer { configuration.model = HeadConfiguration(kind: kind, hidden: [16], heads: 2) }
        let (_, metrics, _) = try OrderProblem.train(configuration, OrderProblem.features(96))
        #expect(metrics.accuracy > 0.95)
    }

    @Test("attention weights of a clip's frames sum to one, and only attention heads have them") func attention() throws
    {
        let features = OrderProblem.features(24)
        let (result, _, _) = try OrderProblem.train(OrderProblem.training(.attention, epochs: 2), features)
        let weights = try #require(try result.head.attention(of: Array(features.rows[0..<12])))
        #expect(weights.count == 3 && abs(weights.reduce(0, +) - 1) < 1e-6 && weights.allSatisfy { $0 > 0 })
        let (gru, _, _) = try OrderProblem.train(OrderProblem.training(.gru, epochs: 1), features)
        #expect(try gru.head.attention(of: Array(features.rows[0..<12])) == nil)
    }

    @Test("weights are bit-identical for any number of threads", arguments: [HeadConfiguration.Kind.gru, .bilstm])
    func threads(kind: HeadConfiguration.Kind) throws {
        let features = OrderProblem.features(40)
        let partition = Partition(features, validation: 0.2, seed: 1)
        func weights(_ threads: Int) throws -> [UInt32] {
            try Trainer(OrderProblem.training(kind, epochs: 3), threads: threads).train(features, partition)
                .head.parameters.values.map(\.bitPattern)
        }
        let one = try weights(1)
        #expect(try weights(2) == one)
        #expect(try weights(5) == one)
    }

    @Test("initial weights are used unchanged if no epoch is requested") func initialWeights() throws {
        let folder = ScratchFolder()
        let features = OrderProblem.features(24)
        var configuration = OrderProblem.training(.gru, epochs: 2)
        let (trained, _, _) = try OrderProblem.train(configuration, features)
        configuration.initialWeights = folder.path + "/head.safetensors"
        try SafeTensorsWriter.write(trained.head.parameters.tensors, to: folder.path + "/head.safetensors")
        configuration.epochs = 0
        let (applied, _, epochs) = try OrderProblem.train(configuration, features)
        #expect(epochs.isEmpty && applied.head.parameters == trained.head.parameters)
        configuration.model.hidden = [13]
        #expect(throws: WeightsError.self) { try OrderProblem.train(configuration, features) }
    }

    @Test("class weights equal scikit-learn's, and explicit ones are used as given") func classWeights() throws {
        var configuration = OrderProblem.training(.average, epochs: 1)
        configuration.classWeights = .named(["sideways": 2])
        #expect(throws: SequenceError.unknownClass("sideways", available: ["down", "up"])) {
            try OrderProblem.train(configuration, OrderProblem.features(16))
        }
        let counts = [0: 6, 1: 2]
        #expect(TrainingConfiguration.ClassWeights.balanced.values(["a", "b"], counts: counts) == [8.0 / 12, 2])
        #expect(TrainingConfiguration.ClassWeights.named(["b": 3]).values(["a", "b"], counts: counts) == [1, 3])
        #expect(TrainingConfiguration.ClassWeights.equal.values(["a", "b"], counts: counts).isEmpty)
    }

    @Test("early stopping ends training when patience runs out, and the best epoch's weights are kept")
    func earlyStopping() throws {
        var configuration = OrderProblem.training(.gru, epochs: 200)
        configuration.earlyStopping = .init(monitor: .validationAccuracy, patience: 5)
        let features = OrderProblem.features(48)
        let partition = Partition(features, validation: 0.2, seed: configuration.seed)
        let (result, epochs) = try OrderProblem.train(configuration, features, partition)
        let accuracies = epochs.compactMap(\.validationAccuracy)
        let best = try #require(accuracies.firstIndex(of: accuracies.max() ?? 0))
        #expect(epochs.count < 200)
        #expect(result.bestEpoch == best + 1)
        #expect(result.epochs == result.bestEpoch + 5)
        let kept = try #require(try Evaluation(result.head, features, partition.validation, split: .validation).metrics)
        #expect(kept.accuracy == accuracies[best])
        #expect(abs(kept.loss - (epochs[best].validationLoss ?? 0)) < 1e-6)
    }

    @Test("monitoring validation without a validation split, a single class, and NaN features are errors") func errors()
        throws
    {
        var configuration = OrderProblem.training(.gru, epochs: 2)
        configuration.validation = 0
        configuration.earlyStopping = .init(monitor: .validationAccuracy, patience: 2)
        let features = OrderProblem.features(16)
        #expect(throws: SequenceError.noValidation(monitor: "validation_accuracy")) {
            try OrderProblem.train(configuration, features)
        }
        configuration.earlyStopping = nil
        let single = FeatureSet(
            examples: features.examples.filter { $0.label == "up" }, featureSize: 4, rows: features.rows)
        #expect(throws: SequenceError.oneClass("up")) { try OrderProblem.train(configuration, single) }
        var rows = features.rows
        rows[features.examples[3].firstRow * 4 + 1] = .nan
        let damaged = FeatureSet(examples: features.examples, featureSize: 4, rows: rows)
        #expect(throws: SequenceError.notFinite(video: "clip3")) { try OrderProblem.train(configuration, damaged) }
        configuration.standardize = false
        configuration.optimizer = Optimizer(kind: .sgd, learningRate: 1e38)
        configuration.epochs = 20
        let (diverged, _, epochs) = try OrderProblem.train(configuration, features)
        #expect(diverged.ending == .diverged && epochs.count < 20)
        #expect(diverged.bestEpoch > 0 && diverged.head.parameters.areFinite)
        configuration.optimizer = Optimizer(kind: .sgd, learningRate: 1e300)
        #expect(refusal(of: SequenceError.self) { try OrderProblem.train(configuration, features) }.contains("smaller"))
    }

    @Test("standardised training rows have mean 0 and standard deviation 1; constant features stay constant")
    func standardization() throws {
        let rows: [Float] = [1, 5, 2, 5, 3, 5, 100, 100]
        let examples = [(2, 0), (1, 2), (1, 3)].map { length, first in
            FeatureSet.Example(videoID: 1, path: "", label: "", split: "", group: nil, length: length, firstRow: first)
        }
        let scaling = try Standardization(
            FeatureSet(examples: examples, featureSize: 2, rows: rows),
            spans: [examples[0].views[0], examples[1].views[0]])
        #expect(scaling.mean == [2, 5])
        #expect(abs(scaling.scale[0] - Float(1 / (2.0 / 3).squareRoot())) < 1e-6)
        #expect(scaling.scale[1] == 1)
    }

    @Test("the GRU and LSTM heads of the published Keras recipe have as many parameters as theirs")
    func publishedParameterCounts() {
        let gru = HeadConfiguration(kind: .gru, hidden: [16, 8], dropout: 0.4, dense: 8)
        #expect(gru.graph(.init(shape: [2048], maximumLength: 8), classes: 5).parameterCount == 99_909)
        // PyTorch's LSTM has two bias vectors where Keras has one: 4 · (16 + 8) more.
        let lstm = HeadConfiguration(kind: .lstm, hidden: [16, 8], dropout: 0.4, dense: 8)
        #expect(lstm.graph(.init(shape: [2560], maximumLength: 8), classes: 5).parameterCount == 165_845 + 96)
    }
}

@Suite struct PartitionTests {
    @Test("the data set's own validation split is used, and no training clip is moved to it") func ownValidation() {
        let features = OrderProblem.features(24, splits: ["train", "validation", "test"])
        let partition = Partition(features, validation: 0.5, seed: 1)
        #expect(partition.train.count == 8 && partition.validation.count == 8 && partition.test.count == 8)
    }

    @Test("a validation split taken from train is stratified and disjoint") func carved() {
        let features = OrderProblem.features(80)
        let partition = Partition(features, validation: 0.2, seed: 1)
        #expect(partition.test.count == 20)
        #expect(partition.train.count == 48 && partition.validation.count == 12)
        #expect(Set(partition.train).isDisjoint(with: partition.validation))
        #expect(partition.validation.filter { features.examples[$0].label == "up" }.count == 6)
        #expect(Partition(features, validation: 0, seed: 1).validation.isEmpty)
    }
}

@Suite struct MetricsTests {
    @Test("accuracy, top-k accuracy, per-class metrics and the confusion matrix are computed correctly") func counts() {
        let logits = Tensor(shape: [4, 3], values: [3, 2, 1, 1, 2, 3, 3, 2, 1, 0, 0, 0])
        let labels = ["a", "b", "c"]
        let metrics = Metrics(logits: logits, targets: [0, 1, 2, 0], labels: labels)
        #expect(metrics.confusion == [[2, 0, 0], [0, 0, 1], [1, 0, 0]])
        #expect(metrics.accuracy == 0.5)
        #expect(metrics.accuracy(top: 2) == 0.75)
        #expect(metrics.accuracy(top: 9) == 1)
        #expect(metrics.perClass(0) == (2, 2))
        #expect(metrics.perClass(2) == (1, 0))
        // `b` is never predicted: scikit-learn's `zero_division=0`.
        #expect(labels.indices.map(metrics.precision) == [2.0 / 3, 0, 0])
        #expect(labels.indices.map(metrics.recall) == [1, 0, 0])
        #expect(labels.indices.map(metrics.f1) == [0.8, 0, 0])
    }
}
