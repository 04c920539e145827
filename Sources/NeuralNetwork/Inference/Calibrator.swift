/// Finds what eight bits should stand for in each layer of a network, by looking at its layers' outputs for
/// typical pictures: first their largest values, then how often which occur.
///
/// The range of a layer is the one with the least squared error of its numbers after rounding and cutting off.
/// Where features then differ too much from those in `f32`, the layers that read the coarsest numbers keep `f32`,
/// one, two, four … of them, until they do not.
public final class Calibrator {
    private let request: PlanRequest
    private let weights: PackedWeights
    private let plan: InferencePlan
    private let normalization: PixelNormalization
    private let lowering: Lowering
    private let unsignedLayers: Set<String>

    /// The least mean cosine of features in eight bits to those in `f32` that keeps no layer in `f32`.
    public static let goal = 0.995

    /// - Parameters:
    ///   - output: a name in `graph.outputs`.
    ///   - batch: pictures looked at together.
    /// - Throws: as `InferencePlan`.
    public init(
        graph: Graph, output: String, batch: Int, weights: PackedWeights, normalization: PixelNormalization
    ) throws {
        request = PlanRequest(graph: graph, output: output, batch: batch, arithmetic: .f32)
        self.weights = weights.unpacked()
        let parts = try PlanParts(request, self.weights, .library)
        lowering = parts.lowering
        unsignedLayers = Set(lowering.convolutions.filter { $0.activation?.isUnsigned == true }.map(\.name))
        plan = try InferencePlan(parts)
        self.normalization = normalization
    }

    /// - Parameters:
    ///   - pixels: batches of typical pictures, each `[count, height, width, 3]` with count up to `batch`.
    ///   - goal: the mean cosine wanted.
    public func calibration(of pixels: [[UInt8]], goal: Double = Calibrator.goal) throws -> Calibration {
        var histograms: [String: Histogram] = [:]
        for part in pixels {
            _ = try plan.run(pictures: [part], normalization: normalization) { layer, values in
                histograms[layer, default: Histogram()].widen(to: values)
            }
        }
        let exact = try pixels.map { part in
            try plan.run(pictures: [part], normalization: normalization) { layer, values in
                histograms[layer]?.count(values)
            }
        }
        let best = histograms.map { layer, histogram in
            (layer, histogram.bestRange(levels: unsignedLayers.contains(layer) ? 255 : 127))
        }
        var calibration = Calibration(ranges: Dictionary(uniqueKeysWithValues: best.map { ($0, $1.range) }))
        let coarsest = layers(byNoise: Dictionary(uniqueKeysWithValues: best.map { ($0, $1.noise) }))
        while try similarity(calibration, pixels, exact) < goal, calibration.kept.count < coarsest.count / 4 {
            calibration.kept = Array(coarsest.prefix(max(1, 2 * calibration.kept.count))).sorted()
        }
        return calibration
    }

    /// Layers by the share of noise in what they read, largest first.
    private func layers(byNoise noise: [String: Double]) -> [String] {
        var maker = [lowering.input: Calibration.input]
        for step in lowering.steps {
            if let name = step.observedName {
                maker[step.output] = name
            } else {
                maker[step.output] = step.inputs.compactMap { maker[$0] }
                    .max { noise[$0] ?? 0 < noise[$1] ?? 0 }
            }
        }
        func own(_ step: ConvolutionStep) -> Double { maker[step.input].flatMap { noise[$0] } ?? 0 }
        return lowering.convolutions.sorted { own($0) > own($1) }.map(\.name)
    }

    /// Mean cosine of features in eight bits to those in `f32`.
    private func similarity(_ calibration: Calibration, _ pixels: [[UInt8]], _ exact: [Tensor]) throws -> Double {
        let plan = try InferencePlan(
            graph: request.graph, output: request.output, batch: request.batch, weights: weights,
            arithmetic: .int8(calibration))
        var cosines: [Double] = []
        for (part, exact) in zip(pixels, exact) {
            let rough = try plan.run(pixels: part, normalization: normalization)
            cosines += FeatureAgreement.cosines(rough, exact)
        }
        return cosines.reduce(0, +) / Double(max(1, cosines.count))
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
        case .pooling, .activation, .binary, .concatenation: nil
        }
    }
}
