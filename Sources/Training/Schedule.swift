import Files
import Foundation
import Inference
import NeuralNetwork

/// How the learning rate changes from epoch to epoch; formulas are PyTorch's (`StepLR`, `ReduceLROnPlateau`,
/// `CosineAnnealingLR`, `LinearLR`).
public struct Schedule: Sendable, Equatable, Codable {
    /// Which rule.
    public enum Kind: String, Sendable, Equatable, Codable, CaseIterable {
        case constant
        /// Times `factor` after every `every` epochs.
        case step
        /// Times `factor` when the validation loss (the training loss where there is no validation) has not
        /// improved by a ten-thousandth for more than `patience` epochs; never below `minimum`.
        case plateau
        /// Half a cosine from the full rate down to `minimum` over all epochs (Loshchilov and Hutter 2017).
        case cosine
    }

    /// Which rule.
    public var kind: Kind
    /// Epochs between two steps.
    public var every: Int
    /// From above 0 to below 1.
    public var factor: Double
    /// Epochs without improvement that are endured.
    public var patience: Int
    /// Lowest rate of `plateau` and `cosine`.
    public var minimum: Double
    /// Epochs over which the rate rises in even steps to the full one; the rule begins after them.
    public var warmUp: Int

    /// What is left out has PyTorch's default.
    public init(
        kind: Kind = .constant, every: Int = 1, factor: Double = 0.1, patience: Int = 10, minimum: Double = 0,
        warmUp: Int = 0
    ) {
        self.kind = kind
        self.every = every
        self.factor = factor
        self.patience = patience
        self.minimum = minimum
        self.warmUp = warmUp
    }

    /// What `every` may be.
    public static let everyRange = 1...1_000_000
    /// What `patience` and `warmUp` may be.
    public static let epochRange = 0...1_000_000
    /// What `factor` may be.
    public static let factorRange = NumberRange.factor
    /// What `minimum` may be.
    public static let minimumRange = NumberRange.nonNegative

    /// - Parameter key: where it stands.
    /// - Throws: `InvalidValue` if a value is one that no pipeline can state.
    package func validate(_ key: String) throws(InvalidValue) {
        try InvalidValue.check(every, key + ".every", in: Self.everyRange)
        try InvalidValue.check(patience, key + ".patience", in: Self.epochRange)
        try InvalidValue.check(warmUp, key + ".warmUp", in: Self.epochRange)
        try InvalidValue.check(factor, key + ".factor", in: Self.factorRange)
        try InvalidValue.check(minimum, key + ".minimum", in: Self.minimumRange)
    }

    /// What `plateau` remembers.
    public struct State: Sendable, Equatable, Codable {
        var best = Double.greatestFiniteMagnitude
        var badEpochs = 0
        var rate: Double?

        /// Before the first epoch.
        public init() {}

        /// - Throws: `InvalidValue` if a value is one that training never stores.
        package func validate(_ key: String) throws(InvalidValue) {
            try InvalidValue.check(badEpochs, key + ".badEpochs", in: Schedule.epochRange)
            try InvalidValue.check(rate, key + ".rate", in: .positive)
        }
    }

    /// The rate of an epoch.
    ///
    /// - `epoch`: from 1.
    /// - `epochs`: of the whole training.
    /// - `base`: the optimiser's own rate.
    public func rate(epoch: Int, of epochs: Int, base: Double, _ state: State) -> Double {
        if epoch <= warmUp { return base * Double(epoch) / Double(warmUp + 1) }
        let done = epoch - 1 - warmUp
        switch kind {
        case .constant: return base
        case .step: return base * pow(factor, Double(done / every))
        case .plateau: return state.rate ?? base
        case .cosine:
            let all = Double(max(1, epochs - warmUp))
            return minimum + (base - minimum) * (1 + cos(.pi * Double(done) / all)) / 2
        }
    }

    /// Tells `plateau` how an epoch ended.
    public func observe(_ loss: Double, epoch: Int, base: Double, _ state: inout State) {
        guard kind == .plateau, epoch > warmUp else { return }
        if loss < state.best * (1 - 1e-4) {
            state.best = loss
            state.badEpochs = 0
        } else {
            state.badEpochs += 1
        }
        guard state.badEpochs > patience else { return }
        state.badEpochs = 0
        let rate = state.rate ?? base
        let reduced = max(rate * factor, minimum)
        // PyTorch's `eps`: a change too small to matter is none.
        if rate - reduced > 1e-8 { state.rate = reduced }
    }
}
