import Extraction
import FeatureCache
import Foundation

/// Computes unit vectors of videos and images in the space of the searched features.
package struct ImageEncoder {
    private let extractor: FeatureExtractor

    /// - Parameters:
    ///   - record: the recipe of the features.
    ///   - path: of the image tower's weight file; nil uses the recipe's.
    /// - Throws: `WeightsError`, `RecipeError`; `TextError.otherWeights`.
    package init(_ record: ExtractionRecord, weights path: String?) throws {
        let recipe = try record.checkedRecipe()
        let name = path ?? record.weights
        let weights = try LoadedWeights(of: recipe, file: name)
        guard weights.digest ?? "random" == recipe.weights else {
            throw TextError.otherWeights(file: name, recipe: record.name)
        }
        extractor = try FeatureExtractor(
            [(recipe, weights.packed)], threads: ProcessInfo.processInfo.activeProcessorCount)
    }

    /// The normalised mean of a video's frame vectors, or an image's vector. Throws `VideoError`.
    package func encode(_ path: String) throws -> [Float] {
        let sequence = try extractor.extract(path: path, digest: extractor.digest(of: path)).sequences[0]
        let size = sequence.features.count / max(1, sequence.length)
        let rows = (0..<sequence.length).map { row in
            TextEncoder.normalized(Array(sequence.features[row * size..<(row + 1) * size]))
        }
        return Question(wanted: rows).wanted
    }
}
