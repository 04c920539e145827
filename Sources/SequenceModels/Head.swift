import Datasets
import FeatureCache
import Foundation
import NeuralNetwork
import Training

/// A trained head with its labels and feature standardisation.
package struct Head: Sendable {
    package let configuration: HeadConfiguration
    /// Classes in the order of the outputs.
    package let labels: [String]
    package let input: HeadConfiguration.Input
    package var parameters: ParameterVector
    /// Nil leaves features unchanged.
    package let standardization: Standardization?
    /// Whether the scores are those of one class, for softmax, or of several labels, for sigmoid.
    package let task: DatasetConfiguration.Task
    /// With several labels a clip, the probability from which a label is predicted; one for each label.
    package var thresholds: [Double]
    var plan: TrainingPlan

    /// `source`: of the parameters. Throws `WeightsError` if the source's tensors do not match.
    package init(
        _ configuration: HeadConfiguration, labels: [String], input: HeadConfiguration.Input,
        standardization: Standardization?, task: DatasetConfiguration.Task = .classification,
        from source: any ParameterSource
    ) throws {
        self.task = task
        thresholds = Array(repeating: 0.5, count: labels.count)
        self.configuration = configuration
        self.labels = labels
        self.input = input
        self.standardization = standardization
        plan = try TrainingPlan(graph: configuration.graph(input, classes: labels.count))
        parameters = try ParameterVector(plan.graph, from: source)
    }

    package func with(_ parameters: ParameterVector) -> Head {
        var head = self
        head.parameters = parameters
        return head
    }

    /// Packs the standardised rows of the spans. Throws `CacheError`, if rows are streamed;
    /// `SequenceError.otherFeatures`, `.tooLong` if the head cannot read them.
    func batch(_ features: FeatureSet, _ spans: [FeatureSet.Span]) throws -> PackedSequences {
        guard features.featureSize == input.featureSize else {
            throw SequenceError.otherFeatures(size: features.featureSize, head: input.featureSize)
        }
        let longest = spans.map(\.length).max() ?? 0
        guard configuration.kind != .transformer || longest <= input.maximumLength else {
            throw SequenceError.tooLong(frames: longest, most: input.maximumLength)
        }
        let (rows, firstRows) = try features.gather(spans)
        return PackedSequences(
            rows: rows, featureSize: input.featureSize, firstRows: firstRows, lengths: spans.map(\.length),
            scaling: standardization.map { ($0.mean, $0.scale) }, parallel: plan.parallel)
    }

    /// Sequences per inference batch: at most 256, and at most 64 MB of features, because maps are large.
    private var batchSize: Int { max(1, min(256, (16 << 20) / (input.featureSize * min(input.maximumLength, 64)))) }

    /// Class scores `[span, class]`, before softmax or sigmoid. Those of the frame head are of its mean frame
    /// probabilities. Throws `CacheError`, if rows are streamed.
    package func logits(_ features: FeatureSet, spans: [FeatureSet.Span]) throws -> Tensor {
        try flushingDenormals {
            var values: [Float] = []
            for part in spans.batches(of: batchSize) {
                if configuration.kind == .frame {
                    let frames = part.flatMap(\.frames)
                    let logits = plan.forward(try batch(features, frames), parameters).output
                    values += meanScores(logits, lengths: part.map(\.length))
                } else {
                    values += plan.forward(try batch(features, part), parameters).output.values
                }
            }
            return Tensor(shape: [spans.count, labels.count], values: values)
        }
    }

    /// Class scores `[span, class]` of the spans as they are, also for the frame head. Throws `CacheError`, if rows are
    /// streamed.
    func batchLogits(_ features: FeatureSet, _ spans: [FeatureSet.Span]) throws -> Tensor {
        try flushingDenormals {
            let values = try spans.batches(of: batchSize).flatMap { part in
                plan.forward(try batch(features, part), parameters).output.values
            }
            return Tensor(shape: [spans.count, labels.count], values: values)
        }
    }

    /// Class scores `[example, class]` of the selected examples: of the unaugmented view, or the logarithm of the mean
    /// probabilities of all views. Throws `CacheError`, if rows are streamed.
    package func logits(_ features: FeatureSet, _ indices: [Int], averagingViews: Bool = false) throws -> Tensor {
        let examples = indices.map { features.examples[$0] }
        guard averagingViews else { return try logits(features, spans: examples.map { $0.views[0] }) }
        let all = try logits(features, spans: examples.flatMap(\.views))
        let means = flushingDenormals { meanScores(all, lengths: examples.map(\.views.count)) }
        return Tensor(shape: [indices.count, labels.count], values: means)
    }

    /// The score of the mean probability of each group of consecutive rows, with `lengths` rows per group: its
    /// logarithm, or the logarithm of its odds.
    private func meanScores(_ logits: Tensor, lengths: [Int]) -> [Float] {
        let probabilities = unchecked(logits)
        let size = probabilities.shape[1]
        var result: [Float] = []
        var row = 0
        for length in lengths {
            result += (0..<size).map { column in
                let sum = (row..<row + length).reduce(0.0) { $0 + Double(probabilities.values[$1 * size + column]) }
                let mean = max(sum / Double(length), 1e-30)
                return Float(task == .classification ? log(mean) : log(mean / max(1 - mean, 1e-30)))
            }
            row += length
        }
        return result
    }

    /// Class probabilities of one sequence `[length, feature]`. Throws `SequenceError.noProbabilities`.
    package func probabilities(of rows: [Float]) throws -> [Double] {
        let features = FeatureSet(examples: [], featureSize: input.featureSize, rows: rows)
        let span = FeatureSet.Span(videoID: 0, firstRow: 0, length: rows.count / input.featureSize)
        return try probabilities(logits(features, spans: [span])).first ?? []
    }

    /// Softmax or sigmoid of `[row, class]`.
    func unchecked(_ logits: Tensor) -> Tensor {
        flushingDenormals { task == .classification ? softmax(logits) : sigmoid(logits) }
    }

    /// Probabilities of scores `[row, class]`, by row. Throws `SequenceError.noProbabilities` if weights or features
    /// are so large that the result is not finite.
    func probabilities(_ logits: Tensor) throws -> [[Double]] {
        let probabilities = probabilityRows(logits)
        guard probabilities.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { throw SequenceError.noProbabilities }
        return probabilities
    }

    /// The attention weight of each frame of a sequence `[length, feature]`; nil for heads without attention pooling.
    /// Throws `SequenceError`, as `logits`.
    package func attention(of rows: [Float]) throws -> [Float]? {
        guard configuration.kind == .attention, rows.count >= input.featureSize else { return nil }
        let features = FeatureSet(examples: [], featureSize: input.featureSize, rows: rows)
        let span = FeatureSet.Span(videoID: 0, firstRow: 0, length: rows.count / input.featureSize)
        let packed = try batch(features, [span])
        return flushingDenormals { plan.forward(packed, parameters).attention?[0] }
    }

    /// The gradient of a class score with respect to a sequence's unstandardised features. If the head is linear in the
    /// features, these are its weights divided among the frames. `rows`: `[length, feature]`. `label`: index into
    /// `labels`. Returns `[length, feature]`; for the frame head, of each frame's own score.
    package func relevance(of rows: [Float], label: Int) -> [Float] {
        let size = input.featureSize
        let count = rows.count / size
        let isFramewise = configuration.kind == .frame
        let packed = PackedSequences(
            rows: rows, featureSize: size, firstRows: isFramewise ? Array(0..<count) : [0],
            lengths: isFramewise ? Array(repeating: 1, count: count) : [count],
            scaling: standardization.map { ($0.mean, $0.scale) })
        return flushingDenormals {
            let pass = plan.forward(packed, parameters)
            var question = Tensor(shape: pass.output.shape)
            for row in 0..<question.shape[0] { question.values[row * labels.count + label] = 1 }
            var gradient = plan.inputGradient(pass, outputGradient: question, parameters).flatMap(\.values)
            if let scale = standardization?.scale {
                for index in gradient.indices { gradient[index] *= scale[index % size] }
            }
            return gradient
        }
    }
}
