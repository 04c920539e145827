import Backbones
import Extraction
import Foundation
import Inference
import NeuralNetwork
import Reports
import SequenceModels
import Training
import Video

/// Class activation maps by Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391): the gradient of a class score goes
/// through the head to the last feature map of a CNN, or to the patches that the last block of a transformer attends
/// to. Each map is the sum of the channels weighted by the mean gradient of the channel, followed by a ReLU. If the
/// head is linear in features that are means of maps, the gradients are the head's weights, and this is CAM of Zhou et
/// al. 2016 (arXiv:1512.04150).
package final class ClassActivationMapper {
    private let run: LoadedRun
    private let network: GradCAMNetwork
    /// Size of a map; a window of frames has several, concatenated.
    private let shape: (frames: Int, height: Int, width: Int)

    /// Side of the displayed frames, in pixels.
    private static let side = 224

    /// - `weights`: the backbone's weight file, if it is not at the run's path.
    /// - Throws: `SequenceError`, `WeightsError`, `PlanError`.
    package init(_ directory: RunDirectory, weights path: String? = nil) throws {
        run = try LoadedRun(directory, weights: path)
        let recipe = run.recipe
        var graph = try run.graph()
        var size: (Int, Int, Int)?
        if recipe.backbone == Backbone.importedName || recipe.sampling.windowed != nil {
            guard let map = graph.lastMap(before: recipe.tap) else {
                throw PlanError.unsupported(node: "\(recipe.tap), which has no feature map before it")
            }
            graph = graph.naming(map.node, "activations")
            size = (map.frames, map.height, map.width)
        }
        ArithmeticLibrary.setThreadsOfCallingThread(ProcessInfo.processInfo.activeProcessorCount)
        network = try GradCAMNetwork(
            graph: graph, output: recipe.tap, watching: graph.outputs["activations"] == nil ? "spatial" : "activations",
            batch: recipe.batch, weights: run.weights.packed, normalization: recipe.input.normalization,
            arithmetic: recipe.arithmetic)
        if let size {
            shape = size
        } else {
            let map = try graph.featureShape(of: graph.outputs["spatial"] == nil ? "tokens" : "spatial")
            shape = (1, map[0], map[1])
        }
    }

    /// Problems with the backbone's weights, and deviations of this machine from the run's recipe.
    package var warnings: [String] { run.warnings }

    /// The maps of all sampled frames. `label`: the class or label to explain; nil for the most probable one. Throws
    /// `VideoError`; `PredictorError.unknownLabel`.
    package func map(_ video: String, label: String? = nil) throws -> ClassActivation {
        let request = run.recipe.request(digest: try FileDigest.clip(path: video))
        var shown = request
        shown.framing = .centerSquare(size: Self.side)
        let clip = try openClip(path: video)
        let sampled = try clip.sample([request, shown])
        guard !sampled[0].frames.isEmpty else { throw VideoError.noFrames(path: video) }
        let windows = try clip.windows(request)
        let pass = try network.forward(
            clip.images(sampled[0].frames, request, differences: run.recipe.input.isDifference == true))
        let labels = run.head.labels
        if let label, !labels.contains(label) {
            throw PredictorError.unknownLabel(label, available: labels, run.head.task)
        }
        let rows = run.recipe.storedType.rounding(pass.output.values)
        let probabilities = try run.head.probabilities(of: rows)
        let place = label.flatMap(labels.firstIndex) ?? probabilities.argmax ?? 0
        let relevance = Tensor(shape: pass.output.shape, values: run.head.relevance(of: rows, label: place))
        var maps = activations(network.value(pass), try network.gradient(pass, outputGradient: relevance))
        if let windows { maps = joined(maps, windows, frames: sampled[1].frames.map(\.index)) }
        return ClassActivation(
            video: video, label: labels[place], probability: probabilities[place],
            predicted: predicted(probabilities), height: shape.height, width: shape.width,
            frames: zip(sampled[1].frames, maps).map { frame, map in
                ClassActivation.Frame(time: frame.time, image: RGBImage(frame), map: map)
            })
    }

    /// The labels at or above their thresholds, most probable first; nil for one class a clip.
    private func predicted(_ probabilities: [Double]) -> [(label: String, probability: Double)]? {
        guard run.head.task == .multilabel else { return nil }
        return run.head.chosen(probabilities).map { (label: run.head.labels[$0], probability: probabilities[$0]) }
            .sorted { ($1.probability, $0.label) < ($0.probability, $1.label) }
    }

    /// `[height, width]` of each frame, from values and gradients `[frame, row, channel]`. Tokens before the patches
    /// are ignored.
    private func activations(_ values: [Float], _ gradients: [Float]) -> [[Float]] {
        let (rows, channels) = (network.shape.rows, network.shape.size)
        let pixels = shape.frames * shape.height * shape.width
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

    /// The map of each frame: the mean over the windows that contain it.
    private func joined(_ maps: [[Float]], _ windows: [[Int]], frames: [Int]) -> [[Float]] {
        let size = shape.height * shape.width
        var (sums, counts) = ([Int: [Float]](), [Int: Float]())
        for (map, window) in zip(maps, windows) {
            for (place, frame) in window.enumerated() {
                let moment = place * shape.frames / window.count * size
                let own = map[moment..<moment + size]
                sums[frame] = zip(sums[frame] ?? [Float](repeating: 0, count: size), own).map(+)
                counts[frame, default: 0] += 1
            }
        }
        return frames.map { frame in
            (sums[frame] ?? [Float](repeating: 0, count: size)).map { $0 / (counts[frame] ?? 1) }
        }
    }
}
