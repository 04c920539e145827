import Backbones
import Extraction
import Foundation
import NeuralNetwork
import Reports
import SequenceModels
import Video

/// Where in its frames a run sees a class: Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) through the head to the last
/// maps of the CNN, or to the patches that the last block of a transformer attends to. Each map is the sum of the channels,
/// weighted by the mean gradient of the class score in the channel, negative sums cut off. Where the head is linear in the
/// features, and those are means of maps, the gradients are the head's own weights, and this is the class activation map of
/// Zhou et al. 2016 (arXiv:1512.04150).
public final class ClassActivationMapper {
    private let run: LoadedRun
    private let network: WatchedNetwork
    /// Size of a map.
    private let shape: (height: Int, width: Int)

    /// Side of the frames that are shown, in pixels.
    private static let side = 224

    /// - Parameter weights: the backbone's weight file, where it is not where the run left it.
    /// - Throws: `SequenceError`, `WeightsError`, `PredictorError`.
    public init(_ directory: RunDirectory, weights path: String? = nil) throws {
        run = try LoadedRun(directory, weights: path)
        let recipe = run.recipe
        var graph = try recipe.graph()
        var size: (Int, Int)?
        if recipe.backbone == Backbone.importedName {
            guard let map = graph.lastMap(before: recipe.tap) else {
                throw PlanError.unsupported(node: "\(recipe.tap), which no map stands before")
            }
            graph = graph.naming(map.node, "activations")
            size = (map.height, map.width)
        }
        ArithmeticLibrary.setThreadsOfCallingThread(ProcessInfo.processInfo.activeProcessorCount)
        network = try WatchedNetwork(
            graph: graph, output: recipe.tap, watching: graph.outputs["activations"] == nil ? "spatial" : "activations",
            batch: recipe.batch, weights: run.weights.packed, normalization: recipe.input.normalization,
            arithmetic: recipe.arithmetic)
        if let size {
            shape = size
        } else {
            let map = try graph.featureShape(of: graph.outputs["spatial"] == nil ? "tokens" : "spatial")
            shape = (map[0], map[1])
        }
    }

    /// What is wrong with the backbone's weights, and what this processor does otherwise than the run says.
    public var warnings: [String] { run.warnings }

    /// The maps of all frames that the run looks at.
    ///
    /// - Parameter label: the class to look for; nil for the predicted one.
    /// - Throws: `VideoError`; `PredictorError.unknownLabel`.
    public func map(_ video: String, label: String? = nil) throws -> ClassActivation {
        let request = run.recipe.request(digest: try FileDigest.clip(path: video))
        var shown = request
        shown.framing = .centerSquare(size: Self.side)
        let sampled = try openClip(path: video).sample([request, shown])
        guard !sampled[0].frames.isEmpty else { throw VideoError.noFrames(path: video) }
        let pass = try network.forward(sampled[0].frames.map(\.pixels))
        let labels = run.head.labels
        if let label, !labels.contains(label) { throw PredictorError.unknownLabel(label, available: labels) }
        let rows = run.recipe.storedType.rounding(pass.output.values)
        let probabilities = run.head.probabilities(of: rows)
        let likeliest = probabilities.indices.max { (probabilities[$0], -$0) < (probabilities[$1], -$1) } ?? 0
        let place = label.flatMap(labels.firstIndex) ?? likeliest
        let relevance = Tensor(shape: pass.output.shape, values: run.head.relevance(of: rows, label: place))
        let maps = activations(network.value(pass), try network.gradient(pass, outputGradient: relevance))
        return ClassActivation(
            video: video, label: labels[place], probability: Double(probabilities[place]), height: shape.height,
            width: shape.width,
            frames: zip(sampled[1].frames, maps).map { frame, map in
                ClassActivation.Frame(time: frame.time, picture: RGBImage(frame), map: map)
            })
    }

    /// `[height, width]` of each frame, from values and gradients `[frame, row, channel]`. What stands before the patches
    /// is left out.
    private func activations(_ values: [Float], _ gradients: [Float]) -> [[Float]] {
        let (rows, channels, pixels) = (network.shape.rows, network.shape.size, shape.height * shape.width)
        return stride(from: (rows - pixels) * channels, to: values.count, by: rows * channels).map { start in
            var weights = [Float](repeating: 0, count: channels)
            for pixel in 0..<pixels {
                for channel in 0..<channels { weights[channel] += gradients[start + pixel * channels + channel] }
            }
            for channel in 0..<channels { weights[channel] /= Float(pixels) }
            return (0..<pixels).map { pixel in
                max(0, (0..<channels).reduce(0) { $0 + weights[$1] * values[start + pixel * channels + $1] })
            }
        }
    }
}
