import Backbones
import Extraction
import FeatureCache
import Foundation
import SequenceModels
import Training

/// The clips of a cache that are most like a video, or the moments that are.
public struct SimilarClips: Sendable {
    /// A clip, or a frame of one.
    public struct Match: Sendable, Encodable {
        /// Relative to the dataset's root.
        public let path: String
        /// Class.
        public let label: String
        /// Seconds; nil for a whole clip.
        public let time: Double?
        /// From −1 to 1, of the features less what all clips have in common.
        public let cosine: Double
    }

    private let vectors: ClipVectors
    private let search: NeighborSearch
    private let features: FeatureSet
    private let recipe: ExtractionRecipe
    private let extraction: Int64
    private let cache: CacheFile
    private let weights: LoadedWeights

    /// - `weights`: the backbone's weight file, where it is not where the recipe names it.
    /// - Throws: `SequenceError`, `CacheError`, `WeightsError`; `ExplorationError` where the weights are others.
    public init(
        _ cache: CacheFile, dataset: String, extraction: (id: Int64, record: ExtractionRecord), weights path: String?,
        memory: Int
    ) throws {
        features = try SequenceRun.load(
            cache, dataset: dataset, extraction: extraction, views: 1, memory: memory)
        vectors = try ClipVectors(features)
        search = NeighborSearch(vectors)
        recipe = try extraction.record.checkedRecipe()
        let name = path ?? extraction.record.weights
        let isRandom = recipe.weights == "random"
        weights = try LoadedWeights(of: recipe, file: name)
        guard isRandom || weights.digest == recipe.weights else {
            throw ExplorationError.otherWeights(file: name, recipe: extraction.record.name)
        }
        (self.cache, self.extraction) = (cache, extraction.id)
    }

    /// Clips that are searched.
    public var count: Int { features.examples.count }
    /// Frames that are searched for moments.
    public var frameCount: Int { features.examples.reduce(0) { $0 + $1.length } }

    /// The vector of a video, of length 1.
    ///
    /// - Throws: `VideoError`.
    public func query(_ video: String) throws -> [Float] {
        let extractor = try FeatureExtractor(
            [(recipe, weights.packed)], threads: ProcessInfo.processInfo.activeProcessorCount)
        let digest = try extractor.digest(of: video)
        let sequences = try extractor.extract(path: video, digest: digest, views: [.init(recipe: 0, view: 0)]).sequences
        let (rows, length) = (sequences[0].features, max(1, sequences[0].length))
        var mean = [Float](repeating: 0, count: vectors.size)
        for (place, value) in rows.prefix(length * vectors.size).enumerated() {
            mean[place % vectors.size] += value / Float(length)
        }
        return vectors.directions(of: mean)
    }

    /// The most alike clips.
    public func clips(like query: [Float], count: Int) -> [Match] {
        search.nearest(to: query, count: count).map { neighbor in
            let example = features.examples[neighbor.index]
            return Match(path: example.path, label: example.label, time: nil, cosine: Double(neighbor.cosine))
        }
    }

    /// The most alike frames, one of each clip at most.
    ///
    /// - Throws: `CacheError`.
    public func moments(like query: [Float], count: Int) throws -> [Match] {
        var best: [(index: Int, row: Int, cosine: Float)] = []
        try features.forEachSequence(features.examples.map { $0.views[0] }) { index, rows in
            let directions = vectors.directions(of: Array(rows))
            let cosines = RowProducts(directions, size: vectors.size).products(of: query)
            if let row = cosines.indices.max(by: { cosines[$0] < cosines[$1] }) {
                best.append((index, row, cosines[row]))
            }
        }
        return try best.sorted { ($1.cosine, $0.index) < ($0.cosine, $1.index) }.prefix(count).map { found in
            let example = features.examples[found.index]
            let sequence = try cache.sequence(extraction: extraction, video: example.videoID)
            return Match(
                path: example.path, label: example.label,
                time: sequence.flatMap { found.row < $0.times.count ? $0.times[found.row] : nil },
                cosine: Double(found.cosine))
        }
    }
}

/// Why a cache cannot be explored.
public enum ExplorationError: LocalizedError, Equatable {
    case otherWeights(file: String, recipe: String)
    case unknownRecipe(String, available: [String])
    case severalRecipes([String])
    case severalDatasets([String])

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .otherWeights(let file, let recipe):
            "\(file) does not hold the weights that the recipe \(recipe) was extracted with. Name the right file with "
                + "--weights."
        case .unknownRecipe(let name, let available):
            available.isEmpty
                ? "The cache holds no features yet. Run `zoetrope extract` first."
                : "The cache holds no recipe called \"\(name)\". It holds \(available.joined(separator: ", "))."
        case .severalRecipes(let names):
            "The cache holds several recipes: \(names.joined(separator: ", ")). Say which with --recipe, by name or by the beginning of the digest."
        case .severalDatasets(let names):
            "The cache holds several data sets: \(names.joined(separator: ", ")). Say which with --dataset."
        }
    }
}
