import PipelineFile
import Datasets
import Extraction
import FeatureCache
import Foundation
import Inference
import NeuralNetwork
import SequenceModels

/// Compares precisions with `f32` on a sample of a pipeline's data set: similarity of the features, speed of the
/// network on this machine, and accuracy of heads. Stores nothing.
package struct PrecisionCheck: Sendable {
    package var pipeline: Pipeline
    package var workers: Int
    package var device = InferenceDevice.cpu
    package var version: String
    package var sample = ClipSample(classes: 10, clipsPerClass: 16)
    /// Minimum mean cosine similarity to features in `f32`.
    package static let leastCosine = 0.99
    /// The extraction to check; nil for the pipeline's own.
    package var configuration: ExtractionConfiguration?
    /// Precisions to compare with `f32`; nil for the configured one, or all.
    package var precisions: [Precision]?
    /// Whether speed and layers are compared too.
    var isThorough = true
    /// Heads trained per precision, whose accuracies are averaged.
    package var seeds = 3

    package init(pipeline: Pipeline, workers: Int, version: String) {
        (self.pipeline, self.workers, self.version) = (pipeline, workers, version)
    }

    package struct Row: Sendable, Encodable {
        package let precision: Precision
        /// The network alone, on one core or on the GPU.
        package let framesPerSecond: Double
        /// Mean cosine similarity of frame features to those in `f32`.
        package let meanCosine: Double
        package let leastCosine: Double
        /// Mean cosine similarity after centring on the mean over all frames, which removes what all frames have in
        /// common.
        package let centredCosine: Double
        /// Of the heads on clips they were not trained on, from 0 to 1; nil if there are none, or clips have several
        /// labels.
        package let accuracy: Double?
        /// The same for clips with several labels.
        package let meanAveragePrecision: Double?
        /// Layers that stay in `f32`.
        package let kept: [String]
        /// Every layer in order, compared with `f32`; empty for `f32` itself.
        package let layers: [LayerAgreement]

        /// The accuracy or the mean average precision of the heads.
        package var score: Double? { accuracy ?? meanAveragePrecision }
    }

    package struct Result: Sendable, Encodable {
        package let backbone: String
        /// `f32` first.
        package let rows: [Row]
        /// Precisions that this processor or GPU does not support.
        package let missing: [Precision]
        package let isGPU: Bool
        package let frames: Int
        package let clips: Int
        package let classes: Int
        /// Number of clips in the accuracy.
        package let judged: Int
        /// Nil for one class a clip.
        package let task: DatasetConfiguration.Task?

        /// Whether features have a mean cosine similarity of at least 0.99 to those in `f32`, and the score is at most
        /// one percentage point or one clip lower: with few clips, one more or less is chance.
        package func isAsGood(_ row: Row) -> Bool {
            let lost = (rows[0].score ?? 0) - (row.score ?? 0)
            return row.meanCosine >= PrecisionCheck.leastCosine && lost <= max(0.01, 1 / Double(max(1, judged)))
        }
    }

    /// - Throws: as `Extractor.run`; `PrecisionCheckError` if there is nothing to compare.
    package func run(isCancelled: @escaping @Sendable () -> Bool, report: (Extractor.Event) -> Void) throws -> Result {
        var base = configuration ?? pipeline.trainedOn ?? pipeline.extractions[0]
        base.choosesPrecision = false
        let isGPU = try device.isGPU()
        let others = isGPU ? [Precision.tf32, .f16, .bf16] : [.bf16, .int8]
        let wanted = precisions ?? (base.precision == .f32 ? others : [base.precision])
        let native = try [.f32] + wanted.filter { try isTaken($0, base, isGPU) }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("zoetrope-check-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let configurations = native.map { precision in
            var configuration = base
            (configuration.precision, configuration.views) = (precision, 1)
            return configuration
        }
        let cache = try CacheFile(path: folder + "/features.sqlite")
        var extractor = Extractor(
            name: pipeline.name, dataset: pipeline.dataset, configurations: configurations, workers: workers,
            version: version)
        (extractor.sample, extractor.device) = (sample, device)
        _ = try extractor.run(into: cache, isCancelled: isCancelled, report: report)
        if isCancelled() { throw FeatureExtractor.Cancelled() }
        let stored = try cache.extractions()
        let sets = try configurations.map { configuration in
            guard let extraction = configuration.stored(in: stored) else { throw PrecisionCheckError.nothing }
            return (extraction.record, try features(extraction, cache))
        }
        let exact = sets[0].1
        let weights = try LoadedWeights(base.weights, for: base.backbone)
        let rows = try zip(native, sets).map { precision, set in
            try row(precision, set.0, set.1, exact: exact, extractor, weights)
        }
        return Result(
            backbone: base.backbone.name, rows: rows, missing: wanted.filter { !native.contains($0) }, isGPU: isGPU,
            frames: exact.rows.count / exact.featureSize, clips: exact.examples.count,
            classes: Set(exact.examples.flatMap { task.names(in: $0.label) }).count,
            judged: judged(Partition(exact, validation: pipeline.dataset.validation, seed: 1, task: task)).count,
            task: task == .multilabel ? task : nil)
    }

    private var task: DatasetConfiguration.Task { pipeline.dataset.task }

    /// Whether the processor has instructions for a precision, or the GPU can run the network in it.
    private func isTaken(_ precision: Precision, _ base: ExtractionConfiguration, _ isGPU: Bool) throws -> Bool {
        if !isGPU || !precision.isNative(onGPU: true) { return precision.isNative(onGPU: isGPU) }
        var tried = base
        tried.precision = precision
        var extractor = Extractor(
            name: pipeline.name, dataset: pipeline.dataset, configurations: [tried], workers: workers, version: version)
        extractor.device = device
        let (recipe, weights) = try extractor.recipe(tried) { _ in }
        return try extractor.takes(recipe, weights)
    }

    private func features(_ extraction: StoredExtraction, _ cache: CacheFile) throws -> FeatureSet {
        let splits = Dictionary(
            try pipeline.dataset.clips().map { ($0.path, $0.split.rawValue) }, uniquingKeysWith: { first, _ in first })
        return try SequenceRun.load(
            cache, dataset: pipeline.dataset.name, extraction: extraction, views: 1, memory: .max
        ).placing { splits[$0.path] ?? $0.split }
    }

    private func row(
        _ precision: Precision, _ record: ExtractionRecord, _ features: FeatureSet, exact: FeatureSet,
        _ extractor: Extractor, _ weights: LoadedWeights
    ) throws -> Row {
        func tensor(_ set: FeatureSet) -> Tensor {
            Tensor(shape: [set.rows.count / set.featureSize, set.featureSize], values: set.rows)
        }
        let cosines = FeatureAgreement.cosines(tensor(features), tensor(exact))
        let centred = FeatureAgreement.centredCosines(tensor(features), tensor(exact))
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
        let recipe = try ExtractionRecipe(json: record.recipe)
        let speed = isThorough ? try extractor.framesPerSecond(recipe, weights) : 0
        // On a GPU, layers are fused and their outputs are not accessible.
        let hasLayers = try precision != .f32 && isThorough && !device.isGPU()
        let layers = hasLayers ? try extractor.layerAgreement(recipe, weights) : []
        let score = try score(features, record)
        return Row(
            precision: precision, framesPerSecond: speed, meanCosine: mean(cosines), leastCosine: cosines.min() ?? 1,
            centredCosine: mean(centred), accuracy: task == .classification ? score : nil,
            meanAveragePrecision: task == .multilabel ? score : nil,
            kept: recipe.calibration?.kept ?? [], layers: layers)
    }

    /// Clips for evaluation: the test set, or others that the head was not trained on.
    private func judged(_ partition: Partition) -> [Int] {
        partition.test.isEmpty ? partition.validation : partition.test
    }

    private func score(_ features: FeatureSet, _ record: ExtractionRecord) throws -> Double? {
        var training =
            pipeline.training.flatMap { $0.model.kind.readsTexts ? nil : $0 }
            ?? TrainingConfiguration(
                model: HeadConfiguration(kind: record.featureShape.count == 1 ? .gru : .convlstm), standardize: true,
                epochs: 40)
        training.task = task == .multilabel ? .multilabel : nil
        let input = HeadConfiguration.Input(record)
        if training.model.kind.readsMaps != (record.featureShape.count == 3) { return nil }
        (training.views, training.averagesViews) = (1, false)
        var scores: [Double] = []
        for seed in 0..<seeds {
            training.seed = seed
            let partition = Partition(features, validation: pipeline.dataset.validation, seed: 1, task: task)
            let judged = judged(partition)
            // A head needs two classes, which a small sample may not have.
            let classes = Set(partition.train.flatMap { task.names(in: features.examples[$0].label) }).count
            if classes < (task == .multilabel ? 1 : 2) || judged.isEmpty { return nil }
            if training.earlyStopping != nil && partition.validation.isEmpty { training.earlyStopping = nil }
            let head = try Trainer(training, threads: workers).train(features, partition, input: input).head
            let evaluation = try Evaluation(head, features, judged, split: .test)
            if let metrics = evaluation.metrics { scores.append(metrics.score) }
        }
        return scores.isEmpty ? nil : scores.reduce(0, +) / Double(scores.count)
    }
}

enum PrecisionCheckError: LocalizedError, Equatable {
    case nothing

    var errorDescription: String? {
        "None of the sampled clips could be decoded, so there is nothing to compare. `zoetrope dataset PIPELINE` "
            + "checks the data set."
    }
}
