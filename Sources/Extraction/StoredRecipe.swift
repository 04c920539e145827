import Backbones
import Digests
import FeatureCache
import Files
import Foundation
import Inference

extension ExtractionConfiguration {
    /// The stored recipe that this configuration describes: every part that it names is the same. The weights are those of the
    /// file, by its SHA-256; if the file does not exist, the only ones stored under its name.
    ///
    /// - Returns: nil if no recipe has these settings.
    /// - Throws: `StoredRecipeError` if features are stored, and those of other weights; `CacheError`; `WeightsError` if the file
    ///   cannot be read.
    public func stored(in cache: CacheFile) throws -> (id: Int64, record: ExtractionRecord)? {
        let all = try cache.extractions()
        // `extract` computes in f32 if the processor has no instructions for the precision wanted.
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
            // ONNX files hold one network.
            let part =
                backbone.name == Backbone.importedName
                ? nil : try ResolvedWeights(path: path, for: backbone, part: wanted).part
            if let own = same.first(where: { (try? ExtractionRecipe(json: $0.record.recipe))?.part == part }) {
                return own
            }
            return nil
        }
        throw StoredRecipeError.otherWeights(
            file: path, digest: digest, cache: cache.path, stored: newestFirst.map { .init($0.record) })
    }

    /// The recipe of weights that cannot be read any more.
    private func withoutFile(
        _ path: String, _ candidates: [(id: Int64, record: ExtractionRecord)]
    ) throws -> (id: Int64, record: ExtractionRecord)? {
        func name(_ path: String) -> String { path.fileName }
        guard let first = candidates.first else { return nil }
        let digests = Set(candidates.map(\.record.weightsDigest))
        if digests.count == 1, candidates.contains(where: { name($0.record.weights) == name(path) }) { return first }
        throw StoredRecipeError.missingWeights(file: path, stored: candidates.map { .init($0.record) })
    }
}

/// SHA-256 of weight files, which are read once for each state that they have.
enum WeightsDigest {
    /// - Throws: `WeightsError`, `CacheError`.
    static func of(_ path: String, in cache: CacheFile) throws -> String {
        let absolute = URL(fileURLWithPath: path).standardizedFileURL.path
        let stamp = try? FileStamp(path: absolute)
        if let stamp, let known = try cache.knownFiles()[absolute], known.bytes == stamp.bytes,
            known.modified == stamp.modified, known.inode == stamp.inode
        {
            return known.digest
        }
        let files = try openWeights(path: path).files
        let digest = try LoadedWeights.digest(of: files)
        // A file that was changed just now may change again within what its clock tells apart.
        let latest = Int((Date.now.timeIntervalSince1970 - 2) * 1e9)
        if files.count == 1, let stamp, stamp.modified < latest {
            let file = KnownFile(
                digest: digest, bytes: stamp.bytes, modified: stamp.modified, inode: stamp.inode)
            // Nothing depends on it: the cache may be read-only.
            try? cache.remember([(absolute, file)])
        }
        return digest
    }
}

/// Why stored features are not those of a pipeline's weights.
public enum StoredRecipeError: LocalizedError, Equatable {
    /// Weights that features are stored of.
    public struct Weights: Sendable, Hashable {
        /// As the pipeline named the file.
        public let name: String
        /// SHA-256, hex.
        public let digest: String

        init(_ record: ExtractionRecord) {
            (name, digest) = (record.weights, record.weightsDigest ?? record.digest)
        }

        fileprivate var text: String { "\(name) (SHA-256 \(digest.prefix(12))…)" }
    }

    case otherWeights(file: String, digest: String, cache: String, stored: [Weights])
    case missingWeights(file: String, stored: [Weights])

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .otherWeights(let file, let digest, let cache, let stored):
            "\(cache) has no features of \(file) (SHA-256 \(digest.prefix(12))…). Its features with these settings are those of "
                + "\(Self.list(stored)). Run `zoetrope extract` with this pipeline, or name one of those files in `extract.weights`."
        case .missingWeights(let file, let stored):
            "\(file) does not exist, so it cannot be told which features are meant. Stored with these settings are those of "
                + "\(Self.list(stored)). Put the file back, name another in `extract.weights`, or remove recipes that are not wanted with "
                + "`zoetrope cache prune`."
        }
    }

    private static func list(_ stored: [Weights]) -> String {
        var seen: Set<Weights> = []
        return stored.filter { seen.insert($0).inserted }.map(\.text).joined(separator: ", ")
    }
}
