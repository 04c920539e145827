import Digests
import FeatureCache
import Foundation
import Inference
import NeuralNetwork

/// Ranges of eight bits that were found before from the same recipe and the same pictures, in the user's cache folder:
/// what `--check` found, `extract` need not find again. Nothing is kept where kernels are not either
/// (`KernelTuning.standard`).
struct RangeStore {
    private let path: String

    init(_ recipe: ExtractionRecipe, _ pictures: [[UInt8]]) {
        var digest = Digest()
        // What was found otherwise is found again.
        digest.update(Data("by chance".utf8))
        digest.update(Data(recipe.undecided.json.utf8))
        for picture in pictures { digest.update(picture) }
        path = UserCache.folder + "/ranges/\(digest.hex()).json"
    }

    /// What was found.
    struct Ranges: Codable {
        let calibration: Calibration
        /// As a multiple of `f32`'s.
        let speed: Double?
    }

    var ranges: Ranges? {
        if KernelTuning.standard == nil { return nil }
        return UserCache.contents(path).flatMap { try? JSONDecoder().decode(Ranges.self, from: $0) }
    }

    /// Where it cannot be written, the ranges are found again.
    func keep(_ ranges: Ranges) {
        if KernelTuning.standard == nil { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        if let data = try? encoder.encode(ranges) { UserCache.write(data, to: path) }
    }
}
