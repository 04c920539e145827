import NeuralNetwork

/// Calibrates the activation ranges of an int8 plan from histograms of each layer's outputs for typical images.
///
/// A layer's range is the one with the least squared quantisation error, from rounding and clipping. If the features
/// then differ too much from `f32`, groups of layers stay in `f32`: of all runs of an eighth of the network's layers,
/// and of all layers of one kind, the group that helps most is added each time until the features agree.
///
/// Each batch is processed on one core independently of the others, so the result does not depend on the number of
/// cores.
package final class Calibrator {
    private let request: PlanRequest
    private let weights: PackedWeights
    private let normalization: PixelNormalization
    private let convolutions: [ConvolutionStep]
    /// Names of the products of channels and their gates.
    private let gates: [String]
    private let hasAttention: Bool
    /// Number of quantisation levels in a layer's range, if it differs from the 127 of signed int8.
    private let levels: [String: Int]
    /// Speed-up of the int8 network over direct convolution in `f32` on the images of the last calibration.
    package private(set) var speed: Double?

    /// Minimum mean cosine similarity of int8 features to `f32` features at which no layer has to stay in `f32`.
    package static let goal = 0.995

    /// - `output`: a name in `graph.outputs`.
    /// - `batch`: images per run.
    /// - `weights`: retain what int8 plans need.
    /// - Throws: as `InferencePlan`.
    package init(
        graph: Graph, output: String, batch: Int, weights: PackedWeights, normalization: PixelNormalization
    ) throws {
        request = PlanRequest(graph: graph, output: output, batch: batch, arithmetic: .f32)
        self.weights = weights
        self.normalization = normalization
        let lowering = try Lowering(graph, output: request.node)
        convolutions = lowering.convolutions
        var (levels, gates) = ([String: Int](), [String]())
        for step in lowering.steps {
            guard let name = step.observedName else { continue }
            switch step.operation {
            case .convolution(let convolution) where convolution.activation?.isUnsigned == true: levels[name] = 255
            // Mostly uint8 with the zero point near the lowest value.
            case .binary:
                levels[name] = 235
                gates.append(name)
            default: break
            }
        }
        (self.levels, self.gates) = (levels, gates.sorted())
        hasAttention = lowering.steps.contains {
            if case .rows(.attention, _) = $0.operation { true } else { false }
        }
    }

    /// `pixels`: batches of typical images, each `[count, height, width, 3]` with count up to `batch`. `goal`: required
    /// mean cosine similarity.
    package func calibration(of pixels: [[UInt8]], goal: Double = Calibrator.goal) throws -> Calibration {
        let exact = try exact(pixels)
        var histograms: [String: Histogram] = [:]
        for (layer, histogram) in exact.flatMap(\.histograms) {
            histograms[layer, default: Histogram()].add(histogram)
        }
        let best = histograms.map { layer, histogram in
            (layer, histogram.bestRange(levels: levels[layer] ?? 127))
        }
        var calibration = Calibration(
            ranges: Dictionary(uniqueKeysWithValues: best), attention: hasAttention ? .int8 : nil)
        let features = exact.map(\.features)
        let most = convolutions.count / 4
        let first = try similarity(calibration, pixels, features)
        speed = exact.reduce(0) { $0 + $1.seconds } / first.seconds
        var reached = first.mean
        // int8 gates and attention are fast but lose precision in every block: they may use up to two fifths of the
        // accepted error.
        if reached < 1 - 0.4 * (1 - goal), !gates.isEmpty || hasAttention {
            let other = Calibration(ranges: calibration.ranges, kept: gates)
            let similarity = try similarity(other, pixels, features).mean
            if similarity > reached { (calibration, reached) = (other, similarity) }
        }
        while reached < goal, Set(calibration.kept).subtracting(gates).count < most {
            var tried: (kept: [String], similarity: Double)?
            for group in groups(atMost: most) where !Set(group).isSubset(of: calibration.kept) {
                var other = calibration
                other.kept = Set(calibration.kept + group).sorted()
                let similarity = try similarity(other, pixels, features).mean
                if similarity > tried?.similarity ?? -1 { tried = (other.kept, similarity) }
            }
            guard let tried else { break }
            (calibration.kept, reached) = tried
        }
        return calibration
    }

    /// Features of a batch in `f32`, and the outputs of its layers.
    private struct Exact: Sendable {
        let features: Tensor
        let histograms: [String: Histogram]
        let seconds: Double
    }

    private func exact(_ pixels: [[UInt8]]) throws -> [Exact] {
        // A separate copy, so that the `f32` weights are freed afterwards.
        let (request, weights, normalization) = (request, weights.unpacked(), normalization)
        return try onAllCores(pixels.count) {
            let plan = try InferencePlan(CompiledPlan(request, weights))
            return { index in
                var histograms: [String: Histogram] = [:]
                var counting = Duration.zero
                let begin = ContinuousClock.now
                let features = try plan.run(images: [pixels[index]], normalization: normalization) { layer, values in
                    counting += ContinuousClock().measure { histograms[layer, default: Histogram()].count(values) }
                }
                let seconds = (ContinuousClock.now - begin - counting) / .seconds(1)
                return Exact(features: features, histograms: histograms, seconds: seconds)
            }
        }
    }

    /// Groups of layers that may stay in `f32` together.
    private func groups(atMost most: Int) -> [[String]] {
        let names = convolutions.map(\.name)
        let size = max(1, (names.count + 7) / 8)
        let kinds = Dictionary(grouping: names) { $0.filter { !$0.isNumber } }.values
            .filter { (2...max(2, most)).contains($0.count) }
        return names.batches(of: size) + kinds.sorted { ($0.count, $0[0]) < ($1.count, $1[0]) }
    }

    /// Mean cosine similarity of int8 features to `f32` features, and the core seconds needed to compute them.
    private func similarity(
        _ calibration: Calibration, _ pixels: [[UInt8]], _ exact: [Tensor]
    ) throws -> (mean: Double, seconds: Double) {
        let request = PlanRequest(
            graph: request.graph, output: request.output, batch: request.batch, arithmetic: .int8(calibration))
        let rough = try request.features(of: pixels, weights, normalization)
        return (FeatureAgreement.mean(rough.map(\.features), exact), rough.reduce(0) { $0 + $1.seconds })
    }
}

extension Lowering {
    var convolutions: [ConvolutionStep] {
        steps.compactMap { step in
            if case .convolution(let step) = step.operation { return step }
            return nil
        }
    }
}

extension Lowering.Step {
    /// Name under which a plan reports the step's output; nil for steps that only pass on other steps' values.
    var observedName: String? {
        switch operation {
        case .convolution, .normalization, .rows, .binary(.multiply): name
        case .pooling, .activation, .binary, .concatenation: nil
        }
    }
}
