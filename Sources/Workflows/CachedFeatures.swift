import Extraction
import FeatureCache
import Foundation
import Language
import PipelineFile
import SequenceModels

/// The stored features that a pipeline trains on.
package struct CachedFeatures {
    package enum Event: Sendable {
        case note(String)
        case joining(done: Int, total: Int)
    }

    /// The pipeline's, for errors.
    let file: String
    let cache: CacheFile
    let version: String
    let isCancelled: @Sendable () -> Bool
    let report: (Event) -> Void

    /// Finds the features, concatenates those of several backbones if necessary, and encodes the class names for heads
    /// that start from text. Throws `PipelineError`, `SequenceError.notExtracted`, `CacheError`,
    /// `FeatureExtractor.Cancelled`, and the errors of the text tower.
    package func extraction(for pipelines: inout [Pipeline]) throws -> StoredExtraction {
        guard let first = pipelines.first, first.training != nil else {
            throw PipelineError(file: file, "`sequence` is missing: there is nothing to train")
        }
        let extraction = try extraction(of: first)
        for index in pipelines.indices { try readTexts(&pipelines[index], of: extraction.record) }
        return extraction
    }

    /// Reports the number of the pipeline's clips without features. Returns nil if all have features. Throws
    /// `SequenceError.partial` if more than a tenth have none.
    package func missing(
        _ pipeline: Pipeline, _ extraction: StoredExtraction, allowsPartial: Bool
    ) throws -> [MissingClips]? {
        let coverage = try ClipCoverage(pipeline.dataset, in: cache, extraction: extraction.id)
        try coverage.check(allowsPartial: allowsPartial)
        if !coverage.isListed {
            report(
                .note(
                    "the data set's folder or lists are gone; the labels and splits are those of the last extraction"))
        }
        guard let note = coverage.note else { return nil }
        report(.note(note))
        return coverage.parts
    }

    private func extraction(of pipeline: Pipeline) throws -> StoredExtraction {
        if !pipeline.joined.isEmpty {
            return try FeatureJoin(pipeline.joined.map(stored), in: cache).run(
                name: pipeline.name, version: version, isCancelled: isCancelled
            ) { report(.joining(done: $0, total: $1)) }
        }
        guard let features = pipeline.trainedOn else {
            let names = pipeline.extractions.map(\.backbone.name).joined(separator: ", ")
            throw PipelineError(
                file: file,
                "`extract.backbone` lists several (\(names)): choose one with `sequence.backbone`, or concatenate "
                    + "their features with `sequence.join`")
        }
        return try stored(features)
    }

    private func stored(_ features: ExtractionConfiguration) throws -> StoredExtraction {
        guard let extraction = try features.stored(in: cache) else {
            let known = try cache.extractions().map {
                "\($0.record.backbone) \($0.record.tap) at \($0.record.imageSize)"
            }
            let wanted =
                "\(features.backbone.name) \(features.tap) at \(features.imageSize), \(features.sampling.frames) frames"
            throw SequenceError.notExtracted(cache: cache.path, recipe: wanted, available: Set(known).sorted())
        }
        if case .file(let path, _) = features.weights, !FileManager.default.fileExists(atPath: path) {
            report(
                .note(
                    "\(path) does not exist; the features are those of a file of that name with the SHA-256 "
                        + "\((extraction.record.weightsDigest ?? "").prefix(12))…"))
        }
        if extraction.record.precision != features.precision.rawValue, !features.choosesPrecision {
            report(
                .note(
                    "the features are in \(extraction.record.precision): this processor has no instructions for "
                        + features.precision.rawValue))
        }
        return extraction
    }

    /// Encodes the class names with the text tower, if the head starts from them.
    private func readTexts(_ pipeline: inout Pipeline, of record: ExtractionRecord) throws {
        guard let model = pipeline.training?.model, model.kind.readsTexts, pipeline.training?.texts == nil else {
            return
        }
        let task = pipeline.dataset.task
        let labels = Set(try cache.samples(dataset: pipeline.dataset.name).flatMap { task.names(in: $0.label) })
            .sorted()
        if !labels.isEmpty { pipeline.training?.texts = try ClassPrompts.texts(labels, for: model, record) }
    }
}
