import Extraction
import Foundation
import NeuralNetwork
import Reports
import SequenceModels
import Video

/// Where in its frames a run sees a class: Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) through the head to the last
/// maps of the CNN. Each map is the sum of the channels, weighted by the mean gradient of the class score in the channel,
/// negative sums cut off. Where the head is linear in the features, the gradients are its own weights, and this is the class
/// activation map of Zhou et al. 2016 (arXiv:1512.04150).
public final class ClassActivationMapper {
    private let run: LoadedRun
    private let extractor: FeatureExtractor
    private let shape: [Int]

    /// Side of the frames that are shown, in pixels.
    private static let side = 224

    /// - Parameter weights: the backbone's weight file, where it is not where the run left it.
    /// - Throws: `SequenceError`, `WeightsError`, `PredictorError`.
    public init(_ directory: RunDirectory, weights path: String? = nil) throws {
        run = try LoadedRun(directory, weights: path)
        var recipe = run.recipe
        recipe.tap = "spatial"
        shape = try recipe.graph().featureShape(of: recipe.tap)
        extractor = try FeatureExtractor(
            [(recipe, run.weights.packed)], threads: ProcessInfo.processInfo.activeProcessorCount)
    }

    /// What is wrong with the backbone's weights, and what this processor does otherwise than the run says.
    public var warnings: [String] { run.warnings }

    /// The maps of all frames that the run looks at.
    ///
    /// - Parameter label: the class to look for; nil for the predicted one.
    /// - Throws: `VideoError`; `PredictorError.unknownLabel`.
    public func map(_ video: String, label: String? = nil) throws -> ClassActivation {
        let request = run.recipe.request(digest: try extractor.digest(of: video))
        var shown = request
        shown.framing = .centerSquare(size: Self.side)
        let sampled = try openClip(path: video).sample([request, shown])
        guard !sampled[0].frames.isEmpty else { throw VideoError.noFrames(path: video) }
        let maps = try extractor.features(of: sampled[0].frames)
        let labels = run.head.labels
        if let label, !labels.contains(label) { throw PredictorError.unknownLabel(label, available: labels) }
        let rows = features(of: maps)
        let probabilities = run.head.probabilities(of: rows)
        let likeliest = probabilities.indices.max { (probabilities[$0], -$0) < (probabilities[$1], -$1) } ?? 0
        let place = label.flatMap(labels.firstIndex) ?? likeliest
        let activations = self.activations(maps, run.head.relevance(of: rows, label: place))
        let (height, width) = (shape[0], shape[1])
        return ClassActivation(
            video: video, label: labels[place], probability: Double(probabilities[place]), height: height, width: width,
            frames: sampled[1].frames.enumerated().map { index, frame in
                ClassActivation.Frame(
                    time: frame.time, picture: RGBImage(frame),
                    map: Array(activations[index * height * width..<(index + 1) * height * width]))
            })
    }

    /// What the head reads, from maps `[frame, height, width, channel]`.
    private func features(of maps: [Float]) -> [Float] {
        guard run.recipe.tap == "pooled" else { return maps }
        let (pixels, channels) = (shape[0] * shape[1], shape[2])
        var result: [Float] = []
        result.reserveCapacity(maps.count / pixels)
        for start in stride(from: 0, to: maps.count, by: pixels * channels) {
            var sums = [Float](repeating: 0, count: channels)
            for pixel in 0..<pixels {
                for channel in 0..<channels { sums[channel] += maps[start + pixel * channels + channel] }
            }
            result += sums.map { $0 / Float(pixels) }
        }
        return result
    }

    /// `[frame, height, width]`, from maps and the gradients of what the head read.
    private func activations(_ maps: [Float], _ gradients: [Float]) -> [Float] {
        let (pixels, channels) = (shape[0] * shape[1], shape[2])
        let isPooled = run.recipe.tap == "pooled"
        var result: [Float] = []
        for frame in 0..<maps.count / (pixels * channels) {
            var weights = [Float](repeating: 0, count: channels)
            for channel in 0..<channels {
                if isPooled {
                    weights[channel] = gradients[frame * channels + channel] / Float(pixels)
                } else {
                    let start = frame * pixels * channels + channel
                    let sum = (0..<pixels).reduce(Float(0)) { $0 + gradients[start + $1 * channels] }
                    weights[channel] = sum / Float(pixels)
                }
            }
            for pixel in 0..<pixels {
                let start = (frame * pixels + pixel) * channels
                result.append(max(0, (0..<channels).reduce(0) { $0 + weights[$1] * maps[start + $1] }))
            }
        }
        return result
    }
}
