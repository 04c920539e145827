import Digests
import FeatureCache
import Foundation
import Inference
import NeuralNetwork

/// Cache of int8 calibrations in the user's cache folder, by recipe and images: `extract` reuses what `--check`
/// determined. Disabled together with the tuning cache (`KernelTuning.standard`).
struct CalibrationStore {
    private let path: String

    init(_ recipe: ExtractionRecipe, _ images: [[UInt8]]) {
        var digest = Digest()
        // Part of the key; a new algorithm needs another text.
        digest.update(Data("by chance".utf8))
        digest.update(Data(recipe.undecided.json.utf8))
        for image in images { digest.update(image) }
        path = UserCache.folder + "/ranges/\(digest.hex()).json"
    }

    struct Ranges: Codable {
        let calibration: Calibration
        /// Speed-up over `f32`.
        let speed: Double?
    }

    var ranges: Ranges? {
        if KernelTuning.standard == nil { return nil }
        return UserCache.contents(path).flatMap { try? JSONDecoder().decode(Ranges.self, from: $0) }
    }

    /// A failure is ignored: calibration is then repeated.
    func keep(_ ranges: Ranges) {
        if KernelTuning.standard == nil { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        if let data = try? encoder.encode(ranges) { UserCache.write(data, to: path) }
    }
}
