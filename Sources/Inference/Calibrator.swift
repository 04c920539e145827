import NeuralNetwork

/// Finds what eight bits should stand for in each layer of a network, by looking at how often which of its layers'
/// outputs occur for typical pictures.
///
/// The range of a layer is the one with the least squared error of its numbers after rounding and cutting off.
/// Where features then differ too much from those in `f32`, groups of layers keep `f32`: of all stretches of an eighth of
/// the network, and of all layers of one kind, that one each time which helps most, until features are alike enough.
///
/// Each batch is one core's work, and what it gives does not depend on the others: any number of cores finds the same.
public final class Calibrator {
    private let request: PlanRequest
    private let weights: PackedWeights
    private let normalization: PixelNormalization
    private let convolutions: [ConvolutionStep]
    /// Names of products of channels and their gates.
    private let gates: [String]
    private let hasAttention: Bool
    /// How many steps make up a layer's range, where these are not the 127 of bytes with a sign.
    private let levels: [String: Int]
    /// How many times as fast as direct sums in `f32` the network was in eight bits on the pictures of the last
    /// calibration.
    public private(set) var speed: Double?

    /// The least mean cosine of features in eight bits to those in `f32` that keeps no layer in `f32`.
    public static let goal = 0.995

    /// - `output`: a name in `graph.outputs`.
    /// - `batch`: pictures looked at together.
    /// - `weights`: keep what plans in eight bits need.
    /// - Throws: as `InferencePlan`.
    public init(
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
            switch step {
            case .convolution(let convolution) where convolution.activation?.isUnsigned == true: levels[name] = 255
            // Mostly bytes without a sign whose 0 is near the lowest.
            case .binary:
                levels[name] = 235
                gates.append(name)
            default: break
            }
        }
        (self.levels, self.gates) = (levels, gates.sorted())
        hasAttention = lowering.steps.contains {
            if case .rows(_, .attention, _, _, _) = $0 { true } else { false }
        }
    }

    /// - Parameters:
    ///   - pixels: batches of typical pictures, each `[count, height, width, 3]` with count up to `batch`.
    ///   - goal: the mean cosine wanted.
    public func calibration(of pixels: [[UInt8]], goal: Double = Calibrator.goal) throws -> Calibration {
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
        // Gates and attention are fast as bytes, but what they lose is lost in every block: two fifths of what may be
        // lost in all.
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

    /// Features of a batch in `f32`, and what its layers give.
    private struct Exact: Sendable {
        let features: Tensor
        let histograms: [String: Histogram]
        let seconds: Double
    }

    private func exact(_ pixels: [[UInt8]]) throws -> [Exact] {
        // Weights in `f32` are needed no longer than this.
        let (request, weights, normalization) = (request, weights.unpacked(), normalization)
        return try onAllCores(pixels.count) {
            let plan = try InferencePlan(PlanParts(request, weights, .library))
            return { index in
                var histograms: [String: Histogram] = [:]
                var counting = Duration.zero
                let begin = ContinuousClock.now
                let features = try plan.run(pictures: [pixels[index]], normalization: normalization) { layer, values in
                    counting += ContinuousClock().measure { histograms[layer, default: Histogram()].count(values) }
                }
                let seconds = (ContinuousClock.now - begin - counting) / .seconds(1)
                return Exact(features: features, histograms: histograms, seconds: seconds)
            }
        }
    }

    /// Layers that might keep `f32` together.
    private func groups(atMost most: Int) -> [[String]] {
        let names = convolutions.map(\.name)
        let size = max(1, (names.count + 7) / 8)
        let stretches = stride(from: 0, to: names.count, by: size).map { first in
            Array(names[first..<min(first + size, names.count)])
        }
        let kinds = Dictionary(grouping: names) { $0.filter { !$0.isNumber } }.values
            .filter { (2...max(2, most)).contains($0.count) }
        return stretches + kinds.sorted { ($0.count, $0[0]) < ($1.count, $1[0]) }
    }

    /// Mean cosine of features in eight bits to those in `f32`, and the seconds of a core that it took to make them.
    private func similarity(
        _ calibration: Calibration, _ pixels: [[UInt8]], _ exact: [Tensor]
    ) throws -> (mean: Double, seconds: Double) {
        let request = PlanRequest(
            graph: request.graph, output: request.output, batch: request.batch, arithmetic: .int8(calibration))
        let (weights, normalization) = (weights, normalization)
        let rough = try onAllCores(pixels.count) {
            let plan = try InferencePlan(PlanParts(request, weights, .library))
            return { index in
                let begin = ContinuousClock.now
                let features = try plan.run(pixels: pixels[index], normalization: normalization)
                return (features: features, seconds: (ContinuousClock.now - begin) / .seconds(1))
            }
        }
        let cosines = zip(rough, exact).flatMap { FeatureAgreement.cosines($0.features, $1) }
        return (cosines.reduce(0, +) / Double(max(1, cosines.count)), rough.reduce(0) { $0 + $1.seconds })
    }
}

extension Lowering {
    var convolutions: [ConvolutionStep] {
        steps.compactMap { step in
            if case .convolution(let step) = step { return step }
            return nil
        }
    }
}

extension Lowering.Step {
    /// Under which name a plan shows the numbers that it makes; nil for those that only pass on others' numbers.
    var observedName: String? {
        switch self {
        case .convolution(let step): step.name
        case .normalization(let name, _, _, _, _), .rows(let name, _, _, _, _): name
        case .binary(let name, .multiply, _, _, _): name
        case .pooling, .activation, .binary, .concatenation: nil
        }
    }
}
