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
    package var momentum: Double
    /// For SGD: Nesterov momentum.
    package var nesterov: Bool
    /// λ; the L2 penalty λ times the parameter is added to the gradient, except by AdamW.
    package var weightDecay: Double
    /// For Adam and AdamW: decay of the first moment.
    package var beta1: Double
    /// For Adam and AdamW: decay of the second moment.
    package var beta2: Double
    /// For RMSprop: smoothing constant of the squared gradients.
    package var alpha: Double
    /// For Adam, AdamW and RMSprop: added to the denominator.
    package var epsilon: Double

    package init(
        kind: Kind, learningRate: Double, momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0,
        beta1: Double = 0.9, beta2: Double = 0.999, alpha: Double = 0.99, epsilon: Double = 1e-8
    ) {
        self.kind = kind
        self.learningRate = learningRate
        self.momentum = momentum
        self.nesterov = nesterov
        self.weightDecay = weightDecay
        self.beta1 = beta1
        self.beta2 = beta2
        self.alpha = alpha
        self.epsilon = epsilon
    }

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

    /// Performs one step, which changes the parameters and the state.
    ///
    /// - `learningRate`: nil uses the optimiser's own.
    /// - `scale`: multiplies the gradient, for clipping.
    package func update(
        _ parameters: inout ParameterVector, gradient: ParameterVector, _ state: inout State,
        learningRate: Double? = nil, scale: Float = 1, parallel: Parallel = .none
    ) {
        let count = parameters.paddedCount
        precondition(gradient.paddedCount == count)
        if state.first == nil { state.first = parameters.zeros }
        if state.second == nil && kind != .sgd { state.second = parameters.zeros }
        state.step += 1
        let rule = Rule(self, rate: learningRate ?? self.learningRate, step: state.step, scale: scale)
        parameters.withMutablePointer { p in
            gradient.withPointer { g in
                state.withMutablePointers { m, v in
                    parallel.run((count + Self.piece - 1) / Self.piece) { index in
                        let start = index * Self.piece
                        rule.update(p + start, g + start, m + start, v + start, count: min(Self.piece, count - start))
                    }
                }
            }
        }
    }

    /// The constants of one step, in the precision of the parameters.
    private struct Rule {
        let kind: Kind
        let isFirst, nesterov: Bool
        let rate, scale, momentum, decay, shrink, beta1, rest1, beta2, rest2, stepSize, scale2, alpha, rest,
            epsilon: Float

        init(_ optimizer: Optimizer, rate: Double, step: Int, scale: Float) {
            kind = optimizer.kind
            isFirst = step == 1
            nesterov = optimizer.nesterov
            self.rate = Float(rate)
            self.scale = scale
            momentum = Float(optimizer.momentum)
            decay = optimizer.kind == .adamw ? 0 : Float(optimizer.weightDecay)
            shrink = optimizer.kind == .adamw ? Float(1 - rate * optimizer.weightDecay) : 1
            // Float(1 − β) rather than 1 − Float(β): β₂ = 0.999 would lose four digits.
            (beta1, rest1) = (Float(optimizer.beta1), Float(1 - optimizer.beta1))
            (beta2, rest2) = (Float(optimizer.beta2), Float(1 - optimizer.beta2))
            (alpha, rest) = (Float(optimizer.alpha), Float(1 - optimizer.alpha))
            stepSize = Float(rate / (1 - pow(optimizer.beta1, Double(step))))
            scale2 = Float(1 / (1 - pow(optimizer.beta2, Double(step))).squareRoot())
            epsilon = Float(optimizer.epsilon)
        }

        func update(
            _ p: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>, _ m: UnsafeMutablePointer<Float>,
            _ v: UnsafeMutablePointer<Float>, count: Int
        ) {
            switch kind {
            case .sgd:
                forEachPiece(count) { i, length in
                    let old = load(p + i, length)
                    let slope = load(g + i, length) * scale + decay * old
                    let velocity = isFirst ? slope : momentum * load(m + i, length) + slope
                    store(velocity, m + i, length)
                    store(old - rate * (nesterov ? slope + momentum * velocity : velocity), p + i, length)
                }
            case .adam, .adamw:
                var adam = elementwise_adam(
                    scale: scale, decay: decay, shrink: shrink, beta1: beta1, rest1: rest1, beta2: beta2, rest2: rest2,
                    step_size: stepSize, root_scale: scale2, epsilon: epsilon)
                elementwise_adam_step(&adam, count, p, g, m, v)
            case .rmsprop:
                forEachPiece(count) { i, length in
                    let old = load(p + i, length)
                    let slope = load(g + i, length) * scale + decay * old
                    let second = alpha * load(v + i, length) + rest * slope * slope
                    let velocity = momentum * load(m + i, length) + slope / (second.squareRoot() + epsilon)
                    store(second, v + i, length)
                    store(velocity, m + i, length)
                    store(old - rate * velocity, p + i, length)
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
