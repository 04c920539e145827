import Datasets
import Training

/// The complete training state between two epochs, from which training resumes with identical results.
package struct TrainingState: Sendable {
    /// The best weights so far.
    struct Best: Sendable {
        var parameters: ParameterVector
        /// The monitored value; lower is better.
        var value: Double
        /// From 1; 0 before the first.
        var epoch: Int
    }

    var epoch = 0
    /// Weights after the last epoch.
    var parameters: ParameterVector
    /// Weights after the best epoch.
    var best: Best
    var optimizer = Optimizer.State()
    var schedule = Schedule.State()
    /// Random generator of shuffling, views and dropout.
    var generator: SplitMix64

    init(_ parameters: ParameterVector, seed: Int) {
        self.parameters = parameters
        best = Best(parameters: parameters, value: .infinity, epoch: 0)
        generator = SplitMix64(seed: UInt64(bitPattern: Int64(seed)))
    }
}
