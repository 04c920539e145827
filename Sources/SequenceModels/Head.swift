import FeatureCache
import NeuralNetwork

/// A head with its parameters and everything needed to apply it: labels in order, feature scaling.
public struct Head: Sendable {
    /// Its architecture.
    public let configuration: HeadConfiguration
    /// Classes in the order of the outputs.
    public let labels: [String]
    /// Numbers in a row of its input.
    public let featureSize: Int
    /// What training changes.
    public var parameters: ParameterVector
    /// Scaling of the features; nil leaves them as they are.
    public let standardization: Standardization?
    let plan: TrainingPlan

    /// - Parameter source: of the parameters.
    /// - Throws: `WeightsError` where the source does not fit.
    public init(
        _ configuration: HeadConfiguration, labels: [String], featureSize: Int, standardization: Standardization?,
        from source: any ParameterSource
    ) throws {
        self.configuration = configuration
        self.labels = labels
        self.featureSize = featureSize
        self.standardization = standardization
        plan = try TrainingPlan(graph: configuration.graph(featureSize: featureSize, classes: labels.count))
        parameters = try ParameterVector(plan.graph, from: source)
    }

    /// Packs the chosen examples, scaled.
    func batch(_ features: FeatureSet, _ indices: some Collection<Int>) -> PackedSequences {
        let examples = indices.map { features.examples[$0] }
        return PackedSequences(
            rows: features.rows, featureSize: featureSize, firstRows: examples.map(\.firstRow),
            lengths: examples.map(\.length), scaling: standardization.map { ($0.mean, $0.scale) })
    }

    /// Class scores `[example, class]` of the chosen examples.
    public func logits(_ features: FeatureSet, _ indices: [Int]) -> Tensor {
        var values: [Float] = []
        for start in stride(from: 0, to: indices.count, by: 256) {
            let part = indices[start..<min(start + 256, indices.count)]
            values += plan.forward(batch(features, part), parameters).output.values
        }
        return Tensor(shape: [indices.count, labels.count], values: values)
    }

    /// Class probabilities of one sequence `[length, feature]`.
    public func probabilities(of rows: [Float]) -> [Float] {
        let example = FeatureSet.Example(
            videoID: 0, path: "", label: "", split: "", group: nil, length: rows.count / featureSize, firstRow: 0)
        let features = FeatureSet(examples: [example], featureSize: featureSize, rows: rows)
        return softmax(logits(features, [0])).values
    }
}
