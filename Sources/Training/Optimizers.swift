import CElementwise
import Files
import Foundation
import Inference
import NeuralNetwork

/// How parameters follow their gradients; formulas and defaults are PyTorch's.
public struct Optimizer: Sendable, Equatable, Codable {
    /// Which rule.
    public enum Kind: String, Sendable, Equatable, Codable, CaseIterable {
        /// Robbins and Monro 1951, with Polyak's or Nesterov's momentum.
        case sgd
        /// Kingma and Ba 2015 (arXiv:1412.6980); weight decay is added to the gradient.
        case adam
        /// Loshchilov and Hutter 2019 (arXiv:1711.05101): Adam with weight decay apart from the gradient.
        case adamw
        /// Hinton's lecture 6e, with momentum as in PyTorch.
        case rmsprop
    }

    /// Which rule.
    public var kind: Kind
    /// Above 0; schedules multiply it.
    public var learningRate: Double
    /// SGD and RMSprop, from 0 to below 1.
    public var momentum: Double
    /// SGD only: looks ahead along the momentum.
    public var nesterov: Bool
    /// λ; added to the gradient as λ times the parameter (L2), except by AdamW.
    public var weightDecay: Double
    /// Adam and AdamW: decay of the mean of gradients.
    public var beta1: Double
    /// Adam and AdamW: decay of the mean of squares.
    public var beta2: Double
    /// RMSprop: decay of the mean of squares.
    public var alpha: Double
    /// Adam, AdamW and RMSprop: added to the root of the mean of squares.
    public var epsilon: Double

    /// What is left out has PyTorch's default.
    public init(
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

    /// What `learningRate` and `epsilon` may be.
    public static let rateRange = NumberRange.positive
    /// What `momentum`, both betas and `alpha` may be.
    public static let decayRange = NumberRange.share
    /// What `weightDecay` may be.
    public static let weightDecayRange = NumberRange.nonNegative

    /// - Parameter key: where it stands.
    /// - Throws: `InvalidValue` if a value is one that no pipeline can state.
    package func validate(_ key: String) throws(InvalidValue) {
        try InvalidValue.check(learningRate, key + ".learningRate", in: Self.rateRange)
        try InvalidValue.check(epsilon, key + ".epsilon", in: Self.rateRange)
        try InvalidValue.check(momentum, key + ".momentum", in: Self.decayRange)
        try InvalidValue.check(beta1, key + ".beta1", in: Self.decayRange)
        try InvalidValue.check(beta2, key + ".beta2", in: Self.decayRange)
        try InvalidValue.check(alpha, key + ".alpha", in: Self.decayRange)
        try InvalidValue.check(weightDecay, key + ".weightDecay", in: Self.weightDecayRange)
    }

    /// What an optimiser remembers between steps.
    public struct State: Sendable, Equatable {
        /// Steps taken.
        public var step = 0
        /// SGD and RMSprop: velocities. Adam: means of gradients. Nil before the first step.
        public var first: ParameterVector?
        /// Adam and RMSprop: means of squares. Nil before the first step, and for SGD.
        public var second: ParameterVector?

        /// Before the first step.
        public init() {}

        /// Where a rule has no squares, the second pointer is the first.
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

    /// Numbers that one thread updates at a time: 7 arrays of them stay in its cache.
    private static let piece = 16_384

    /// One step: changes the parameters and the state.
    ///
    /// - `learningRate`: in place of the optimiser's own; nil takes that.
    /// - `scale`: multiplies the gradient (clipping).
    public func update(
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

    /// The numbers of one step, in the precision of the parameters.
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
    /// As many zeros.
    fileprivate var zeros: ParameterVector {
        var result = self
        result.withMutablePointer { $0.update(repeating: 0, count: paddedCount) }
        return result
    }

    /// Euclidean length, in double precision.
    public var norm: Double {
        withPointer { values in
            // Eight sums, so that they can be added at once.
            var sums = SIMD8<Double>(repeating: 0)
            forEachPiece(paddedCount) { start, length in
                let part = SIMD8<Double>(load(values + start, length))
                sums += part * part
            }
            return sums.sum().squareRoot()
        }
    }
}
