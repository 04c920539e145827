import Digests
import FeatureCache
import Foundation
import NeuralNetwork
import Video

/// Ranges of eight bits that were found before from the same recipe and the same pictures, in the user's cache folder:
/// what `--check` found, `extract` need not find again.
struct RangeStore {
    private let path: String

    init(_ recipe: ExtractionRecipe, _ frames: [VideoFrame]) {
        var digest = Digest()
        digest.update(Data(recipe.uncalibrated.json.utf8))
        for frame in frames { digest.update(frame.pixels) }
        path = UserCache.folder + "/ranges/\(digest.hex()).json"
    }

    var calibration: Calibration? {
        FileManager.default.contents(atPath: path).flatMap { try? JSONDecoder().decode(Calibration.self, from: $0) }
    }

    /// Where it cannot be written, the ranges are found again.
    func keep(_ calibration: Calibration) {
        let folder = (path as NSString).deletingLastPathComponent
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        try? encoder.encode(calibration).write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}
