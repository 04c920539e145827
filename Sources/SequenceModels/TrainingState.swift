import Datasets
import Training

/// The weights that a training changes: those of a head, or of a head and its backbone.
package protocol TrainableWeights: Sendable {
    /// The vectors, with the prefix of their tensors in a checkpoint.
    static var vectors: [(prefix: String, path: WritableKeyPath<Self, ParameterVector>)] { get }
    /// The vectors that an optimiser changes, with the prefix of its tensors and its number of steps in a checkpoint.
    static var optimized: [OptimizedVector<Self>] { get }
}

package typealias OptimizedVector<Weights> = (
    prefix: String, steps: WritableKeyPath<TrainingCheckpoint.Progress, Int?>, path: KeyPath<Weights, ParameterVector>
)

extension TrainableWeights {
    var areFinite: Bool { Self.optimized.allSatisfy { self[keyPath: $0.path].areFinite } }
}

extension ParameterVector: TrainableWeights {
    package static var vectors: [(prefix: String, path: WritableKeyPath<Self, ParameterVector>)] { [("", \.self)] }
    package static var optimized: [OptimizedVector<Self>] { [("", \.step, \.self)] }
}

/// The complete training state between two epochs, from which training resumes with identical results.
package struct TrainingState<Weights: TrainableWeights>: Sendable {
    package struct Best: Sendable {
        package var weights: Weights
        /// The monitored value; lower is better.
        var value: Double
        /// From 1; 0 before the first.
        package var epoch: Int
    }

    package var epoch = 0
    /// After the last epoch.
    package var weights: Weights
    package var best: Best
    /// In the order of `Weights.optimized`.
    package var optimizers: [Optimizer.State]
    var schedule = Schedule.State()
    /// Random generator of shuffling, views, augmentation and dropout.
    package var generator: SplitMix64

    package init(_ weights: Weights, seed: Int) {
        self.weights = weights
        best = Best(weights: weights, value: .infinity, epoch: 0)
        optimizers = Weights.optimized.map { _ in Optimizer.State() }
        generator = SplitMix64(seed: UInt64(bitPattern: Int64(seed)))
    }
}
