import Datasets
import Training

/// Everything that training remembers between two epochs: with it, training goes on as if it had never
/// stopped.
public struct TrainingState: Sendable {
    /// The weights that were best so far.
    struct Best: Sendable {
        /// The weights.
        var parameters: ParameterVector
        /// The monitored value, lower is better.
        var value: Double
        /// From 1; 0 before the first.
        var epoch: Int
    }

    /// Epochs that were trained.
    var epoch = 0
    /// Weights after the last epoch.
    var parameters: ParameterVector
    /// Weights after the best epoch.
    var best: Best
    /// What the optimiser remembers.
    var optimizer = Optimizer.State()
    /// What the schedule remembers.
    var schedule = Schedule.State()
    /// Of order, views and dropout.
    var generator: SplitMix64

    /// Before the first epoch.
    init(_ parameters: ParameterVector, seed: Int) {
        self.parameters = parameters
        best = Best(parameters: parameters, value: .infinity, epoch: 0)
        generator = SplitMix64(seed: UInt64(bitPattern: Int64(seed)))
    }
}
