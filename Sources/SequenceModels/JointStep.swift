import NeuralNetwork
import Training

/// A step of training in which the network in front of the head learns too.
public struct JointStep: Sendable {
    /// Mean over the batch.
    public let loss: Double
    /// Sequences, or frames for the frame head, that were named rightly.
    public let correct: Int
    /// Of the loss in the head's parameters.
    public let gradient: ParameterVector
    /// Of the loss in the features that were read `[row, feature]`.
    public let rowGradient: [Float]
}

extension Head {
    /// Loss and gradients of one batch.
    ///
    /// - `rows`: features of all sequences one after the other `[row, feature]`.
    /// - `lengths`: rows of each sequence; 1 each for the frame head.
    /// - `targets`: places among the labels.
    public func step(
        rows: [Float], lengths: [Int], targets: [Int], loss: CrossEntropy, dropout: RandomParameters, threads: Int
    ) -> JointStep {
        var plan = plan
        plan.parallel = Parallel(threads: threads)
        let firstRows = lengths.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) }.dropLast()
        let packed = PackedSequences(
            rows: rows, featureSize: input.featureSize, firstRows: Array(firstRows), lengths: lengths)
        let pass = plan.forward(packed, parameters, dropout: dropout)
        let (value, slope) = loss(pass.output, targets: targets)
        var gradient = parameters
        let ofRows = plan.backward(pass, outputGradient: slope, parameters, into: &gradient, wantsInput: true)
        return JointStep(
            loss: value, correct: Metrics.correct(pass.output, targets: targets), gradient: gradient,
            rowGradient: ofRows.flatMap(\.values))
    }
}
