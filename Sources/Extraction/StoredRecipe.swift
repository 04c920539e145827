import Backbones
import FeatureCache
import Files
import Foundation
import Inference

extension ExtractionConfiguration {
    /// Finds the stored recipe with the same settings as this configuration. Weights are compared by the file's
    /// SHA-256; if the file does not exist, by its name, which must be unambiguous. Returns nil if no recipe has these
    /// settings. Throws `StoredRecipeError` if there are only features of other weights; `CacheError`; `WeightsError`
    /// if the file cannot be read.
    package func stored(in cache: CacheFile) throws -> StoredExtraction? {
        let all = try cache.extractions()
        // `extract` falls back to f32 if the processor has no instructions for the configured precision.
        let precisions =
            choosesPrecision ? Precision.allCases : precision.isNative(onGPU: false) ? [precision] : [precision, .f32]
        let matching = precisions.lazy.map { precision in
            var wanted = self
            wanted.precision = precision
            return all.filter { wanted.describes($0.record) }
        }.first { !$0.isEmpty }
        guard let matching else { return nil }
        let counts = try cache.sequenceCounts()
        let newestFirst = matching.sorted { first, second in
            let (one, other) = (counts[first.id] ?? 0 > 0, counts[second.id] ?? 0 > 0)
            return one == other ? first.id > second.id : one
        }
        guard case .file(let path, let wanted) = weights else { return newestFirst.first }
        guard FileManager.default.fileExists(atPath: path) else {
            return try withoutFile(path, newestFirst.filter { counts[$0.id] ?? 0 > 0 })
        }
        let digest = try WeightsDigest.of(path, in: cache)
        let same = newestFirst.filter { $0.record.weightsDigest == digest }
        if !same.isEmpty {
            // An ONNX file contains one network.
            let part =
                backbone.name == Backbone.importedName
                ? nil : try ResolvedWeights(path: path, for: backbone, part: wanted).part
            return same.first { (try? ExtractionRecipe(json: $0.record.recipe))?.part == part }
        }
        throw StoredRecipeError.otherWeights(
            file: path, digest: digest, cache: cache.path, stored: newestFirst.map { .init($0.record) })
    }

    /// The recipe of weights whose file is missing.
    private func withoutFile(_ path: String, _ candidates: [StoredExtraction]) throws -> StoredExtraction? {
        guard let first = candidates.first else { return nil }
        let digests = Set(candidates.map(\.record.weightsDigest))
        if digests.count == 1, candidates.contains(where: { $0.record.weights.fileName == path.fileName }) {
            return first
        }
        throw StoredRecipeError.missingWeights(file: path, stored: candidates.map { .init($0.record) })
    }
}

/// SHA-256 of weight files, each read once until it changes.
enum WeightsDigest {
    /// - Throws: `WeightsError`, `CacheError`.
    static func of(_ path: String, in cache: CacheFile) throws -> String {
        let absolute = URL(fileURLWithPath: path).standardizedFileURL.path
        let stamp = try? FileStamp(path: absolute)
        if let stamp, let known = try cache.knownFiles()[absolute], stamp.agrees(with: known) { return known.digest }
        let files = try openWeights(path: path).files
        let digest = try LoadedWeights.digest(of: files)
        // Optional, because the cache may be read-only.
        if files.count == 1, let file = stamp?.known(digest, readAt: .now) { try? cache.remember([(absolute, file)]) }
        return digest
    }
}

/// Why stored features do not belong to a pipeline's weights.
package enum StoredRecipeError: LocalizedError, Equatable {
    /// Weights for which features are stored.
    package struct Weights: Sendable, Hashable {
        /// The file name in the pipeline.
        package let name: String
        /// SHA-256, hex.
        package let digest: String

        init(_ record: ExtractionRecord) { (name, digest) = (record.weights, record.weightsDigest ?? record.digest) }

        fileprivate var text: String { "\(name) (SHA-256 \(digest.prefix(12))…)" }
    }

    case otherWeights(file: String, digest: String, cache: String, stored: [Weights])
    case missingWeights(file: String, stored: [Weights])

    package var errorDescription: String? {
        switch self {
        case .otherWeights(let file, let digest, let cache, let stored):
            "\(cache) has no features of \(file) (SHA-256 \(digest.prefix(12))…). It has features with these settings "
                + "of \(Self.list(stored)). Run `zoetrope extract` with this pipeline, or name one of those files in "
                + "`extract.weights`."
        case .missingWeights(let file, let stored):
            "\(file) does not exist, so its features cannot be identified. Features stored with these settings are "
                + "those of \(Self.list(stored)). Restore the file, name another in `extract.weights`, or remove other "
                + "recipes with `zoetrope cache prune`."
        }
    }

    private static func list(_ stored: [Weights]) -> String {
        var seen: Set<Weights> = []
        return stored.filter { seen.insert($0).inserted }.map(\.text).joined(separator: ", ")
    }
}
