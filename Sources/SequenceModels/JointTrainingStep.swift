import NeuralNetwork
import Training

/// The result of a training step in which the backbone is trained too.
package struct JointTrainingStep: Sendable {
    /// Mean over the batch.
    package let loss: Double
    /// Number of correctly classified sequences, or frames for the frame head.
    package let correct: Int
    /// Of the loss with respect to the head's parameters.
    package let gradient: ParameterVector
    /// Of the loss with respect to the input features `[row, feature]`.
    package let rowGradient: [Float]
}

extension Head {
    /// Computes loss and gradients of one batch.
    ///
    /// - `rows`: features of all sequences, concatenated `[row, feature]`.
    /// - `lengths`: rows of each sequence; 1 each for the frame head.
    /// - `examples`: the sequences' indices in `objective`.
    package func step(
        rows: [Float], lengths: [Int], examples: [Int], objective: Objective, dropout: RandomParameters, threads: Int
    ) -> JointTrainingStep {
        var plan = plan
        plan.parallel = Parallel(threads: threads)
        let firstRows = lengths.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) }.dropLast()
        let packed = PackedSequences(
            rows: rows, featureSize: input.featureSize, firstRows: Array(firstRows), lengths: lengths)
        let pass = plan.forward(packed, parameters, dropout: dropout)
        let (value, slope) = objective(pass.output, examples)
        var gradient = parameters
        let ofRows = plan.backward(pass, outputGradient: slope, parameters, into: &gradient, wantsInput: true)
        return JointTrainingStep(
            loss: value, correct: objective.correct(pass.output, examples), gradient: gradient,
            rowGradient: ofRows.flatMap(\.values))
    }
}
