import Datasets
import Extraction
import FeatureCache
import Foundation
import Inference
import SequenceModels

/// Searches a cache for the clips, or moments, that are most similar to a video.
package struct SimilarClips: Sendable {
    /// A clip, or a frame of one.
    package struct Match: Sendable, Encodable {
        package let path: String
        /// The class; nil for several labels a clip.
        package let label: String?
        /// Nil for one class a clip.
        package let labels: [String]?
        /// In seconds; nil for a whole clip.
        package let time: Double?
        /// Cosine similarity of the centred features, from −1 to 1.
        package let cosine: Double

        /// The class or the labels, for people.
        package var shownLabel: String { label ?? LabelSet.shown(labels ?? []) }

        init(_ example: FeatureSet.Example, _ task: DatasetConfiguration.Task, time: Double?, cosine: Float) {
            path = example.path
            label = task == .classification ? example.label : nil
            labels = task == .multilabel ? task.names(in: example.label) : nil
            (self.time, self.cosine) = (time, Double(cosine))
        }
    }

    private let vectors: ClipVectors
    /// Over the clips at these indices.
    private let search: NeighborSearch
    private let indices: [Int]
    private let task: DatasetConfiguration.Task
    private let features: FeatureSet
    private let recipe: ExtractionRecipe
    private let extraction: Int64
    private let cache: CacheFile
    private let weights: LoadedWeights

    /// `labels`: only clips that have all of them are listed. `weights`: the backbone's weight file, if it is not at
    /// the recipe's path. Throws `SequenceError`, `CacheError`, `LabelFilterError`, `WeightsError`; `RecipeError` if
    /// the weights differ from the recipe's.
    package init(
        _ cache: CacheFile, dataset: String, extraction: StoredExtraction, labels: [String] = [],
        weights path: String?, memory: Int
    ) throws {
        let chosen = labels.isEmpty ? nil : try cache.videos(dataset: dataset, labels: labels)
        task = try cache.task(dataset: dataset)
        features = try SequenceRun.load(cache, dataset: dataset, extraction: extraction, views: 1, memory: memory)
        // Centred on all clips, so that labels change no similarity.
        let vectors = try ClipVectors(features)
        let indices = vectors.examples.indices.filter { chosen?.contains(vectors.examples[$0].videoID) ?? true }
        (self.vectors, self.indices) = (vectors, indices)
        search = NeighborSearch(vectors, indices)
        let name = path ?? extraction.record.weights
        weights = try LoadedWeights(of: ExtractionRecipe(json: extraction.record.recipe), file: name)
        recipe = try extraction.record.checkedRecipe(weights.source)
        try weights.requireDigest(of: recipe, file: name, user: "the recipe \(extraction.record.name) was extracted")
        (self.cache, self.extraction) = (cache, extraction.id)
    }

    /// The centred unit vector of a video. Throws `VideoError`.
    package func query(_ video: String) throws -> [Float] {
        let extractor = try FeatureExtractor(
            [(recipe, weights.packed)], threads: ProcessInfo.processInfo.activeProcessorCount)
        let digest = try extractor.digest(of: video)
        let sequences = try extractor.extract(path: video, digest: digest, views: [.init(recipe: 0, view: 0)]).sequences
        return vectors.directions(of: meanRow(sequences[0].features, size: vectors.size))
    }

    package func clips(like query: [Float], count: Int) -> [Match] {
        search.nearest(to: query, count: count).map { neighbor in
            Match(features.examples[indices[neighbor.index]], task, time: nil, cosine: neighbor.cosine)
        }
    }

    /// The most similar frames, at most one per clip. Throws `CacheError`.
    package func moments(like query: [Float], count: Int) throws -> [Match] {
        var best: [(index: Int, row: Int, cosine: Float)] = []
        try features.forEachSequence(indices.map { features.examples[$0].views[0] }) { place, rows in
            let directions = vectors.directions(of: Array(rows))
            let cosines = RowProducts(directions, size: vectors.size).products(of: query)
            if let row = cosines.indices.max(by: { cosines[$0] < cosines[$1] }) {
                best.append((indices[place], row, cosines[row]))
            }
        }
        return try best.sorted { ($1.cosine, $0.index) < ($0.cosine, $1.index) }.prefix(count).map { found in
            let example = features.examples[found.index]
            let sequence = try cache.sequence(extraction: extraction, video: example.videoID)
            return Match(
                example, task, time: sequence.flatMap { found.row < $0.times.count ? $0.times[found.row] : nil },
                cosine: found.cosine)
        }
    }
}

package enum ExplorationError: LocalizedError, Equatable {
    case unknownRecipe(String, available: [String])
    case severalRecipes([String]), severalDatasets([String])

    package var errorDescription: String? {
        switch self {
        case .unknownRecipe(let name, let available):
            available.isEmpty
                ? "The cache holds no features. Run `zoetrope extract` first."
                : "The cache holds no recipe called \"\(name)\". It holds \(available.joined(separator: ", "))."
        case .severalRecipes(let names):
            "The cache holds several recipes: \(names.joined(separator: ", ")). Choose one with --recipe, by name or "
                + "by the first digits of its digest."
        case .severalDatasets(let names):
            "The cache holds several data sets: \(names.joined(separator: ", ")). Choose one with --dataset."
        }
    }
}
