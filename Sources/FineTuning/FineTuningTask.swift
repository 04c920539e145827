import Backbones
import Datasets
import Extraction
import FeatureCache
import Foundation
import Inference
import NeuralNetwork
import SequenceModels
import Threads
import Training

/// Values that are constant over epochs: frames, partition, and the initial backbone and head.
final class FineTuningTask {
    /// One training sample: the frames of a clip, or one frame.
    struct Sample {
        let entry: Int
        let frames: Range<Int>
        var count: Int { frames.count }
    }

    let network: PartlyFrozenNetwork
    let head: Head
    let samples: [Sample]
    let objective: Objective
    let initialState: FineTuner.State
    let monitor: TrainingConfiguration.Monitor
    private let configuration: FineTuningConfiguration
    private let frames: FrameSet
    private let features: FeatureSet
    private let partition: Partition
    private let recipe: ExtractionRecipe
    private let graph: Graph
    private let source: any ParameterSource
    /// All frames, if they fit into memory.
    private var pixels: [[[UInt8]]]?
    private var boundaries: [Float]?

    init(_ configuration: FineTuningConfiguration, _ frames: FrameSet, memory: Int) throws {
        self.configuration = configuration
        self.frames = frames
        let training = configuration.training
        let loaded = try LoadedWeights(
            configuration.extraction.weights, for: configuration.extraction.backbone)
        recipe = try ExtractionRecipe(configuration.extraction, loaded)
        graph = try recipe.graph(loaded.source)
        let parameters = graph.parameters(for: recipe.tap)
        try loaded.validate(for: parameters)
        switch configuration.extraction.weights {
        case .random: source = FreshParameters(graph, seed: training.seed)
        case .file: source = loaded.source
        }
        let trained = try Self.trained(configuration.unfreezing, graph, recipe)
        network = try PartlyFrozenNetwork(
            graph: graph, output: recipe.tap, source: source, normalization: recipe.input.normalization,
            batch: recipe.sampling.windowed == nil ? 16 : 1, tuning: KernelTuning.standard
        ) { trained.contains($0.name) }
        let shape = try graph.featureShape(of: recipe.tap)
        features = frames.features(size: shape.reduce(1, *))
        let task = training.labelTask
        partition = Partition(features, validation: training.validation, seed: training.seed, task: task)
        let labels = try training.model.kind.requiredClasses(features, partition, task)
        let longest = max(configuration.extraction.sampling.frames, frames.entries.map(\.frames).max() ?? 1)
        head = try Head(
            training.model, labels: labels, input: .init(shape: shape, maximumLength: longest), standardization: nil,
            task: task, from: RandomParameters(seed: UInt64(bitPattern: Int64(training.seed))))
        samples = Self.samples(frames, partition, labels, configuration)
        if samples.count == 1 || training.batchSize == 1, samples.contains(where: { $0.count == 1 }),
            graph.hasSinglePixelNormalization(trained)
        {
            throw FineTuningError.singleValue(backbone: recipe.backbone)
        }
        objective = Objective(
            training, labels: labels, truths: features.examples.map(\.label), training: samples.map(\.entry))
        monitor = try training.monitor(features, partition)
        initialState = FineTuner.State(
            TunedWeights(network: network.parameters, head: head.parameters), seed: training.seed)
        try keepInMemory(memory)
    }

    private static func trained(
        _ unfreezing: FineTuningConfiguration.Unfreezing, _ graph: Graph, _ recipe: ExtractionRecipe
    ) throws -> Set<String> {
        let own = graph.parameters(for: recipe.tap).filter(\.isTrainable).map(\.name)
        let chosen: Set<String>
        switch unfreezing {
        case .all: chosen = Set(own)
        case .last(let count): chosen = graph.parameters(ofLast: count, of: recipe.tap).intersection(own)
        case .named(let names):
            func matches(_ parameter: String, _ name: String) -> Bool { parameter.hasPrefix(name + ".") }
            let unknown = names.filter { name in !own.contains { matches($0, name) } }
            guard unknown.isEmpty else {
                var known: [String] = []
                for name in own.compactMap({ $0.split(separator: ".").first.map(String.init) })
                where !known.contains(name) { known.append(name) }
                throw FineTuningError.unknownLayers(unknown, available: known)
            }
            chosen = Set(own.filter { parameter in names.contains { matches(parameter, $0) } })
        }
        if chosen.isEmpty { throw FineTuningError.nothingTrained(backbone: recipe.backbone) }
        return chosen
    }

    /// Training samples, with at most the configured number of frames per class or label; clips without a label count
    /// as a class.
    private static func samples(
        _ frames: FrameSet, _ partition: Partition, _ labels: [String], _ configuration: FineTuningConfiguration
    ) -> [Sample] {
        var generator = SplitMix64(seed: UInt64(bitPattern: Int64(configuration.training.seed)))
        let limit = configuration.framesPerClass ?? .max
        var left = Dictionary(uniqueKeysWithValues: labels.map { ($0, limit) })
        let task = configuration.training.labelTask
        if task == .multilabel { left[""] = limit }
        var samples: [Sample] = []
        for index in partition.train.shuffled(using: &generator) {
            let entry = frames.entries[index]
            let names = task.names(in: entry.clip.label)
            let own = names.isEmpty ? [""] : names
            let rooms = own.compactMap { left[$0] }
            guard rooms.count == own.count, let room = rooms.min(), room > 0 else { continue }
            let count = min(entry.frames, room)
            for name in own { left[name, default: count] -= count }
            if configuration.training.model.kind == .frame {
                samples += (0..<count).map { Sample(entry: index, frames: $0..<$0 + 1) }
            } else {
                samples.append(Sample(entry: index, frames: 0..<count))
            }
        }
        return samples.sorted { ($0.entry, $0.frames.lowerBound) < ($1.entry, $1.frames.lowerBound) }
    }

    private func keepInMemory(_ memory: Int) throws {
        let count = frames.entries.reduce(0) { $0 + $1.frames }
        let imageElements = graph.nodes[0].shape.size
        if network.hasFrozenPart, configuration.augmentation.isIdentity, count * network.boundarySize * 4 <= memory {
            var values: [Float] = []
            values.reserveCapacity(count * network.boundarySize)
            for entry in frames.entries {
                values += try network.boundary(frames.store.frames(key: entry.key)).values
            }
            boundaries = values
        } else if count * imageElements <= memory {
            pixels = try frames.entries.map { try frames.store.frames(key: $0.key) }
        }
    }

    /// The input of the trained part for a batch `[frame, element]`.
    func boundary(_ batch: [Sample], _ generator: inout SplitMix64) throws -> Tensor {
        if let boundaries {
            let size = network.boundarySize
            var values: [Float] = []
            for sample in batch {
                let first = features.examples[sample.entry].firstRow
                values +=
                    boundaries[
                        (first + sample.frames.lowerBound) * size..<(first + sample.frames.upperBound) * size]
            }
            return Tensor(shape: [values.count / size, size], values: values)
        }
        var images: [[UInt8]] = []
        var draws: [Augmentation.Draw] = []
        let augmentation = configuration.augmentation
        for sample in batch {
            let own = try pixels?[sample.entry] ?? frames.store.frames(key: frames.entries[sample.entry].key)
            images += own[sample.frames]
            let shared = augmentation.draw(&generator)
            draws += sample.frames.map { _ in
                augmentation.isSharedByClip ? shared : augmentation.draw(&generator)
            }
        }
        return try network.boundary(augmentation.isIdentity ? images : augmented(images, draws))
    }

    private func augmented(_ images: [[UInt8]], _ draws: [Augmentation.Draw]) -> [[UInt8]] {
        let side = recipe.imageSize
        return concurrentMap(images.count) { Augmentation.apply(draws[$0], toEach: images[$0], side: side) }
    }

    /// Evaluates backbone and head on a split as `extract` and `sequence` would: with running statistics and without
    /// dropout. `thresholds`: of the head.
    func evaluate(_ tuned: TunedWeights, _ split: Split, _ thresholds: [Double]) throws -> Evaluation? {
        let indices = partition[split]
        guard !indices.isEmpty else { return nil }
        let weights = try weights(tuned.network)
        // Without tuning: weights change in every epoch, so measured algorithms would have to be checked again.
        let plan = try InferencePlan(
            graph: graph, output: recipe.tap, batch: recipe.batch, weights: PackedWeights(NamedTensors(weights)))
        var rows: [Float] = []
        var first = 0
        let examples = try indices.map { index in
            let entry = frames.entries[index]
            let images = try pixels?[index] ?? frames.store.frames(key: entry.key)
            rows += try plan.run(all: images, normalization: recipe.input.normalization)
            defer { first += entry.frames }
            return FeatureSet.Example(
                videoID: Int64(index), path: entry.clip.path, label: entry.clip.label, split: split.rawValue,
                group: nil, length: entry.frames, firstRow: first)
        }
        let set = FeatureSet(examples: examples, featureSize: head.input.featureSize, rows: rows)
        var head = head.with(tuned.head)
        head.thresholds = thresholds
        return try Evaluation(head, set, Array(examples.indices), split: split)
    }

    /// The backbone's parameters up to the tap.
    private func weights(_ network: NetworkParameters) throws -> [String: Tensor] {
        var tensors = network.tensors
        for parameter in graph.parameters(for: recipe.tap) where tensors[parameter.name] == nil {
            tensors[parameter.name] = try source.tensor(for: parameter)
        }
        return tensors
    }

    func result(_ state: FineTuner.State, _ ending: TrainingOutcome) throws -> FineTuner.Result {
        var evaluations: [Split: Evaluation] = [:]
        var head = head.with(state.best.weights.head)
        if ending != .cancelled, head.task == .multilabel,
            let validation = try evaluate(state.best.weights, .validation, head.thresholds)
        {
            head = head.choosingThresholds(validation.predictions)
        }
        // An interrupted run is not evaluated, because its weights are not final.
        for split in Split.allCases where ending != .cancelled {
            evaluations[split] = try evaluate(state.best.weights, split, head.thresholds)
        }
        return FineTuner.Result(
            head: head, weights: try weights(state.best.weights.network),
            bestEpoch: state.best.epoch, epochs: state.epoch, ending: ending, evaluations: evaluations)
    }
}

extension Graph {
    /// Whether a trained normalisation has an input of 1 × 1 pixels.
    fileprivate func hasSinglePixelNormalization(_ trained: Set<String>) -> Bool {
        nodes.contains { node in
            guard case .batchNormalization = node.operation, node.shape.size == node.shape.rowSize else { return false }
            return node.parameters.contains { trained.contains(parameters[$0].name) }
        }
    }
}
