import CElementwise
import Files
import Foundation
import Inference
import NeuralNetwork

/// An optimiser with PyTorch's update rules and defaults.
package struct Optimizer: Sendable, Equatable, Codable {
    package enum Kind: String, Sendable, Equatable, Codable, CaseIterable {
        /// SGD (Robbins and Monro 1951) with optional Polyak or Nesterov momentum.
        case sgd
        /// Adam (Kingma and Ba 2015, arXiv:1412.6980); weight decay is added to the gradient.
        case adam
        /// AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101): Adam with decoupled weight decay.
        case adamw
        /// RMSprop (Hinton's lecture 6e), with momentum as in PyTorch.
        case rmsprop
    }

    package var kind: Kind
    /// Above 0; multiplied by the schedule.
    package var learningRate: Double
    /// For SGD and RMSprop, from 0 to below 1.
    package var momentum = 0.0
    /// For SGD: Nesterov momentum.
    package var nesterov = false
    /// λ; the L2 penalty λ times the parameter is added to the gradient, except by AdamW.
    package var weightDecay = 0.0
    /// For Adam and AdamW: decay of the first moment.
    package var beta1 = 0.9
    /// For Adam and AdamW: decay of the second moment.
    package var beta2 = 0.999
    /// For RMSprop: smoothing constant of the squared gradients.
    package var alpha = 0.99
    /// For Adam, AdamW and RMSprop: added to the denominator.
    package var epsilon = 1e-8

    package init(kind: Kind, learningRate: Double) { (self.kind, self.learningRate) = (kind, learningRate) }

    /// Valid `learningRate` and `epsilon`.
    package static let rateRange = NumberRange.positive
    /// Valid `momentum`, `beta1`, `beta2` and `alpha`.
    package static let decayRange = NumberRange.share
    package static let weightDecayRange = NumberRange.nonNegative

    package func validate(_ key: String) throws(InvalidValue) {
        try InvalidValue.check(learningRate, key + ".learningRate", in: Self.rateRange)
        try InvalidValue.check(epsilon, key + ".epsilon", in: Self.rateRange)
        try InvalidValue.check(momentum, key + ".momentum", in: Self.decayRange)
        try InvalidValue.check(beta1, key + ".beta1", in: Self.decayRange)
        try InvalidValue.check(beta2, key + ".beta2", in: Self.decayRange)
        try InvalidValue.check(alpha, key + ".alpha", in: Self.decayRange)
        try InvalidValue.check(weightDecay, key + ".weightDecay", in: Self.weightDecayRange)
    }

    package struct State: Sendable, Equatable {
        package var step = 0
        /// Velocities of SGD and RMSprop, or Adam's first moments. Nil before the first step.
        package var first: ParameterVector?
        /// Second moments of Adam and RMSprop. Nil before the first step, and for SGD.
        package var second: ParameterVector?

        package init() {}

        /// For rules without second moments, the second pointer equals the first.
        fileprivate mutating func withMutablePointers(
            _ body: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
        ) {
            guard second != nil else {
                first?.withMutablePointer { body($0, $0) }
                return
            }
            first?.withMutablePointer { m in second?.withMutablePointer { v in body(m, v) } }
        }
    }

    /// Elements that one thread updates at a time: seven arrays of them fit into its cache.
    private static let piece = 16_384

    /// Performs one step, which changes the parameters and the state. `learningRate`: nil uses the optimiser's own.
    /// `scale`: multiplies the gradient, for clipping.
    package func update(
        _ parameters: inout ParameterVector, gradient: ParameterVector, _ state: inout State,
        learningRate: Double? = nil, scale: Float = 1, parallel: Parallel = .none
    ) {
        let count = parameters.paddedCount
        precondition(gradient.paddedCount == count)
        if state.first == nil { state.first = parameters.zeros }
        if state.second == nil && kind != .sgd { state.second = parameters.zeros }
        state.step += 1
        let rule = rule(rate: learningRate ?? self.learningRate, step: state.step, scale: scale)
        parameters.withMutablePointer { p in
            gradient.withPointer { g in
                state.withMutablePointers { m, v in
                    parallel.run((count + Self.piece - 1) / Self.piece) { index in
                        let start = index * Self.piece
                        rule(p + start, g + start, m + start, v + start, min(Self.piece, count - start))
                    }
                }
            }
        }
    }

    /// Updates `count` parameters; the pointers are those of parameters, gradient, first and second moments.
    private typealias Rule = (
        UnsafeMutablePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>,
        _ count: Int
    ) -> Void

    /// The update of one step, with its constants in the precision of the parameters.
    private func rule(rate: Double, step: Int, scale: Float) -> Rule {
        let (momentum, decay, speed) = (Float(momentum), Float(weightDecay), Float(rate))
        switch kind {
        case .sgd:
            return { [nesterov] p, g, m, _, count in
                forEachPiece(count) { i, length in
                    let old = load(p + i, length)
                    let slope = load(g + i, length) * scale + decay * old
                    let velocity = step == 1 ? slope : momentum * load(m + i, length) + slope
                    store(velocity, m + i, length)
                    store(old - speed * (nesterov ? slope + momentum * velocity : velocity), p + i, length)
                }
            }
        case .adam, .adamw:
            let isDecoupled = kind == .adamw
            // Float(1 − β) rather than 1 − Float(β): β₂ = 0.999 would lose four digits.
            let constants = elementwise_adam(
                scale: scale, decay: isDecoupled ? 0 : decay,
                shrink: isDecoupled ? Float(1 - rate * weightDecay) : 1, beta1: Float(beta1), rest1: Float(1 - beta1),
                beta2: Float(beta2), rest2: Float(1 - beta2),
                step_size: Float(rate / (1 - pow(beta1, Double(step)))),
                root_scale: Float(1 / (1 - pow(beta2, Double(step))).squareRoot()), epsilon: Float(epsilon))
            return { p, g, m, v, count in
                var adam = constants
                elementwise_adam_step(&adam, count, p, g, m, v)
            }
        case .rmsprop:
            let (alpha, rest, epsilon) = (Float(alpha), Float(1 - alpha), Float(epsilon))
            return { p, g, m, v, count in
                forEachPiece(count) { i, length in
                    let old = load(p + i, length)
                    let slope = load(g + i, length) * scale + decay * old
                    let second = alpha * load(v + i, length) + rest * slope * slope
                    let velocity = momentum * load(m + i, length) + slope / (second.squareRoot() + epsilon)
                    store(second, v + i, length)
                    store(velocity, m + i, length)
                    store(old - speed * velocity, p + i, length)
                }
            }
        }
    }
}

extension ParameterVector {
    fileprivate var zeros: ParameterVector {
        var result = self
        result.withMutablePointer { $0.update(repeating: 0, count: paddedCount) }
        return result
    }

    /// L2 norm, in double precision.
    package var norm: Double {
        withPointer { values in
            // Eight partial sums, so that the additions vectorise.
            var sums = SIMD8<Double>(repeating: 0)
            forEachPiece(paddedCount) { start, length in
                let part = SIMD8<Double>(load(values + start, length))
                sums += part * part
            }
            return sums.sum().squareRoot()
        }
    }
}
