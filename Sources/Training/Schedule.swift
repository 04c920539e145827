import Files
import Foundation
import Inference
import NeuralNetwork

/// A learning-rate schedule per epoch, with PyTorch's formulas (`StepLR`, `ReduceLROnPlateau`, `CosineAnnealingLR`,
/// `LinearLR`).
package struct Schedule: Sendable, Equatable, Codable {
    package enum Kind: String, Sendable, Equatable, Codable, CaseIterable {
        case constant
        /// Multiplies the rate by `factor` after every `every` epochs.
        case step
        /// Multiplies the rate by `factor` when the validation loss (the training loss without validation) has not
        /// improved by a relative 1e-4 for more than `patience` epochs; never below `minimum`.
        case plateau
        /// Cosine annealing from the full rate to `minimum` over all epochs (Loshchilov and Hutter 2017).
        case cosine
    }

    package var kind: Kind
    package var every = 1
    /// In (0, 1).
    package var factor = 0.1
    /// Number of epochs without improvement that are tolerated.
    package var patience = 10
    /// Minimum rate of `plateau` and `cosine`.
    package var minimum = 0.0
    /// Epochs of linear warm-up before the schedule begins.
    package var warmUp = 0

    package init(kind: Kind = .constant) { self.kind = kind }

    package static let everyRange = 1...1_000_000
    /// Valid `patience` and `warmUp`.
    package static let epochRange = 0...1_000_000
    package static let factorRange = NumberRange.factor
    package static let minimumRange = NumberRange.nonNegative

    package func validate(_ key: String) throws(InvalidValue) {
        try InvalidValue.check(every, key + ".every", in: Self.everyRange)
        try InvalidValue.check(patience, key + ".patience", in: Self.epochRange)
        try InvalidValue.check(warmUp, key + ".warmUp", in: Self.epochRange)
        try InvalidValue.check(factor, key + ".factor", in: Self.factorRange)
        try InvalidValue.check(minimum, key + ".minimum", in: Self.minimumRange)
    }

    /// The state of `plateau` between epochs.
    package struct State: Sendable, Equatable, Codable {
        var best = Double.greatestFiniteMagnitude
        var badEpochs = 0
        var rate: Double?

        package init() {}

        package func validate(_ key: String) throws(InvalidValue) {
            try InvalidValue.check(badEpochs, key + ".badEpochs", in: Schedule.epochRange)
            try InvalidValue.check(rate, key + ".rate", in: .positive)
        }
    }

    /// The learning rate of an epoch.
    ///
    /// - `epoch`: from 1.
    /// - `epochs`: total number.
    /// - `base`: the optimiser's own rate.
    package func rate(epoch: Int, of epochs: Int, base: Double, _ state: State) -> Double {
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

    /// Updates `plateau` with the loss of an epoch.
    package func observe(_ loss: Double, epoch: Int, base: Double, _ state: inout State) {
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
        // PyTorch's `eps`: smaller changes are ignored.
        if rate - reduced > 1e-8 { state.rate = reduced }
    }
}
