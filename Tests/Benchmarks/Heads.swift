import Backbones
import Datasets
import FeatureCache
import Foundation
import Inference
import NeuralNetwork
import SequenceModels
import Synchronization
import Training

/// Seconds per epoch of a published head on generated features, trained like `sequence` does.
enum HeadBenchmark {
    static func run(_ name: String, epochs: Int) throws {
        let hasLabels = name.hasSuffix("-labels")
        let isGRU = name.hasPrefix("gru")
        let (count, size, classes) = isGRU ? (594, 2048, 5) : (1024, 2048, 101)
        let model =
            isGRU
            ? HeadConfiguration(kind: .gru, hidden: [16, 8], dropout: 0.4, dense: 8)
            : HeadConfiguration(kind: .bilstm, hidden: [256, 256], projection: 512)
        let features = GeneratedFeatures.make(clips: count, size: size, classes: classes, hasLabels: hasLabels)
        var configuration = TrainingConfiguration(model: model, epochs: epochs, validation: 0)
        configuration.batchSize = isGRU ? 64 : 32
        if hasLabels { configuration.task = .multilabel }
        var seconds: [Double] = []
        var hooks = Trainer.Hooks()
        hooks.report = { seconds.append($0.seconds) }
        let threads = ProcessInfo.processInfo.activeProcessorCount
        _ = try Trainer(configuration, threads: threads).train(
            features, Partition(features, validation: 0, seed: 1), hooks: hooks)
        print("{\"head\": \"\(name)\", \"seconds\": \(seconds), \"rows\": \(features.rows.count / size)}")
    }
}

/// Random features of clips of 5 to 20 frames, as in the peers' scripts.
enum GeneratedFeatures {
    /// `hasLabels`: whether a clip has any number of labels instead of one class.
    static func make(clips: Int, size: Int, classes: Int, hasLabels: Bool = false) -> FeatureSet {
        var generator = SplitMix64(seed: 1)
        let random = RandomParameters()
        let lengths = random.uniform("lengths", count: clips).map { 5 + Int($0 * 16) }
        let rows = random.uniform("rows", count: lengths.reduce(0, +) * size)
        var first = 0
        let examples = lengths.enumerated().map { index, length in
            defer { first += length }
            let names = (0..<classes).filter { _ in hasLabels && Bool.random(using: &generator) }
            let label = hasLabels ? LabelSet.text(names.map { "class \($0)" }) : "class \(index % classes)"
            return FeatureSet.Example(
                videoID: Int64(index), path: "\(index)", label: label, split: "train", group: nil, length: length,
                firstRow: first)
        }
        return FeatureSet(examples: examples, featureSize: size, rows: rows)
    }
}

/// Seconds for five folds of a small data set, one model per core at a time.
enum FoldsBenchmark {
    static func run(clips: Int, size: Int) throws {
        let features = GeneratedFeatures.make(clips: clips, size: size, classes: 10)
        let training = TrainingConfiguration(
            model: HeadConfiguration(kind: .bilstm, hidden: [64]), standardize: true, epochs: 20)
        let begin = ContinuousClock.now
        let validation = try CrossValidation(
            training, folds: 5, repeats: 1, features: features, input: .init(shape: [size], maximumLength: 20))
        let failures = Mutex<[any Error]>([])
        DispatchQueue.concurrentPerform(iterations: validation.count) { index in
            do { _ = try validation.fit(index) } catch { failures.withLock { $0.append(error) } }
        }
        if let error = failures.withLock({ $0.first }) { throw error }
        print(
            "{\"clips\": \(clips), \"features\": \(size), \"seconds\": \((ContinuousClock.now - begin) / .seconds(1))}")
    }
}

/// Seconds per training step of a published backbone with its head, on generated frames that are already decoded.
enum TrainingBenchmark {
    static func run(_ name: String, steps: Int) throws {
        let threads = ProcessInfo.processInfo.activeProcessorCount
        try ArithmeticLibrary.training(threads: threads) { try run(name, steps: steps, threads: threads) }
    }

    private static func run(_ name: String, steps: Int, threads: Int) throws {
        let isVGG = name == "vgg16"
        guard let backbone = Backbone.named(name) else { return }
        let graph = backbone.graph(imageSize: 128)
        let tap = isVGG ? "flatten" : "pooled"
        let trained = isVGG ? graph.parameters(ofLast: 4, of: tap) : Set(graph.parameters.map(\.name))
        let network = try PartlyFrozenNetwork(
            graph: graph, output: tap, source: FreshParameters(graph, seed: 1),
            normalization: backbone.inputConvention().normalization, tuning: KernelTuning.standard
        ) { trained.contains($0.name) }
        // R4: four clips of twenty frames and an LSTM; R5: a hundred frames and a linear layer.
        let (clips, length, classes) = isVGG ? (100, 1, 51) : (4, 20, 10)
        let size = try graph.featureShape(of: tap).reduce(1, *)
        let model = isVGG ? HeadConfiguration(kind: .frame) : HeadConfiguration(kind: .lstm, hidden: [128, 128])
        var head = try Head(
            model, labels: (0..<classes).map { "\($0)" }, input: .init(shape: [size], maximumLength: length),
            standardization: nil, from: RandomParameters())
        let objective = Objective(
            TrainingConfiguration(model: model), labels: head.labels, truths: (0..<clips).map { "\($0 % classes)" },
            training: Array(0..<clips))
        let images = (0..<clips * length).map { image in
            (0..<128 * 128 * 3).map { UInt8(truncatingIfNeeded: ($0 &* 31 &+ image &* 977) >> 3) }
        }
        let adam = Optimizer(kind: .adam, learningRate: 1e-4)
        var (ofNetwork, ofHead) = (Optimizer.State(), Optimizer.State())
        var gradient = network.parameters.trained
        var kept: Tensor?
        func step(keepsFrozen: Bool) throws {
            let rows = try kept ?? network.boundary(images)
            if keepsFrozen { kept = rows }
            let pass = try network.forward(rows, dropout: RandomParameters(seed: 1))
            let result = head.step(
                rows: pass.output.values, lengths: Array(repeating: length, count: clips),
                examples: Array(0..<clips), objective: objective, dropout: RandomParameters(seed: 1), threads: threads)
            try network.backward(
                pass, outputGradient: Tensor(shape: pass.output.shape, values: result.rowGradient), into: &gradient)
            network.updateStatistics(pass)
            adam.update(
                &network.parameters.trained, gradient: gradient, &ofNetwork, parallel: Parallel(threads: threads))
            adam.update(&head.parameters, gradient: result.gradient, &ofHead)
        }
        func measure(keepsFrozen: Bool) throws -> [Double] {
            kept = nil
            try step(keepsFrozen: keepsFrozen)
            return try (0..<steps).map { _ in try seconds { try step(keepsFrozen: keepsFrozen) } }
        }
        let whole = try measure(keepsFrozen: false)
        let top = isVGG ? try measure(keepsFrozen: true) : []
        let peak = Int(NetworkBenchmark.peakMemory() * 1024)
        print("{\"network\": \"\(name)\", \"seconds\": \(whole), \"top\": \(top), \"peak_kib\": \(peak)}")
    }
}

/// Coverage of a cross-validation's interval: how often it contains the true accuracy of the trained heads, measured on
/// enough new clips. Data sets are sampled for each trial, and clips of a source are correlated.
enum CoverageBenchmark {
    private static let size = 8, classes = 3

    static func run(datasets: Int) throws {
        let centres = cloud(seed: 1)
        for (sources, spread) in [(24, Float(0.9)), (60, 0.9), (24, 0.35), (60, 2.5)] {
            var held = 0, widths = 0.0, means = 0.0
            for number in 0..<datasets {
                let features = dataset(centres, sources: sources, spread: spread, seed: UInt64(number * 7919 + sources))
                let (interval, truth) = try validate(features, centres, spread)
                if interval.lower <= truth, truth <= interval.upper { held += 1 }
                widths += interval.upper - interval.lower
                means += truth
            }
            let count = Double(datasets)
            print(
                String(
                    format: "{\"sources\": %d, \"accuracy\": %.3f, \"coverage\": %.3f, \"width\": %.3f}", sources,
                    means / count, Double(held) / count, widths / count))
        }
    }

    private static func cloud(seed: UInt64) -> [[Float]] {
        var generator = SplitMix64(seed: seed)
        return (0..<classes).map { _ in (0..<size).map { _ in Float.random(in: -1...1, using: &generator) } }
    }

    /// Three to five clips per source, which share most of their random variation.
    private static func dataset(_ centres: [[Float]], sources: Int, spread: Float, seed: UInt64) -> FeatureSet {
        var generator = SplitMix64(seed: seed)
        func noise() -> Float {
            Float.random(in: -1...1, using: &generator) + Float.random(in: -1...1, using: &generator)
        }
        var rows: [Float] = [], examples: [FeatureSet.Example] = []
        for source in 0..<sources {
            let label = source % classes
            let common = (0..<size).map { _ in spread * noise() }
            for _ in 0..<Int.random(in: 3...5, using: &generator) {
                rows += (0..<size).map { centres[label][$0] + common[$0] + 0.4 * spread * noise() }
                examples.append(
                    .init(
                        videoID: Int64(examples.count), path: "\(examples.count)", label: "c\(label)", split: "train",
                        group: "g\(source)", length: 1, firstRow: examples.count))
            }
        }
        return FeatureSet(examples: examples, featureSize: size, rows: rows)
    }

    private static func validate(
        _ features: FeatureSet, _ centres: [[Float]], _ spread: Float
    ) throws -> (interval: Statistics.Interval, truth: Double) {
        var training = TrainingConfiguration(
            model: HeadConfiguration(kind: .average), standardize: true, epochs: 15, validation: 0)
        training.optimizer.learningRate = 0.02
        let validation = try CrossValidation(
            training, folds: 5, repeats: 1, features: features, input: .init(shape: [size], maximumLength: 1))
        let fits = try (0..<validation.count).compactMap { try validation.fit($0) }
        let result = CrossValidationResult(fits, of: validation)
        let fresh = dataset(centres, sources: 600, spread: spread, seed: 5)
        let accuracies = try fits.map { fit in
            let evaluation = try Evaluation(fit.head, fresh, Array(fresh.examples.indices), split: .test)
            return evaluation.metrics?.accuracy ?? 0
        }
        return (result.interval, accuracies.reduce(0, +) / Double(accuracies.count))
    }
}
