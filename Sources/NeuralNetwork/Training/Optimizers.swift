import Foundation

/// How parameters follow their gradients; formulas and defaults are PyTorch's.
public struct Optimizer: Sendable, Equatable, Codable {
    /// Which rule.
    public enum Kind: String, Sendable, Equatable, Codable, CaseIterable {
        /// Robbins and Monro 1951, with Polyak's momentum.
        case sgd
        /// Kingma and Ba 2015.
        case adam
    }

    /// Which rule.
    public var kind: Kind
    /// Above 0.
    public var learningRate: Double
    /// SGD only, from 0 to below 1.
    public var momentum: Double
    /// Added to the gradient: λ times the parameter (L2).
    public var weightDecay: Double
    /// Adam only.
    public var beta1: Double
    /// Adam only: decay of the mean of squares.
    public var beta2: Double
    /// Adam only: added to the root of the mean of squares.
    public var epsilon: Double

    /// What is left out has PyTorch's default.
    public init(
        kind: Kind, learningRate: Double, momentum: Double = 0, weightDecay: Double = 0, beta1: Double = 0.9,
        beta2: Double = 0.999, epsilon: Double = 1e-8
    ) {
        self.kind = kind
        self.learningRate = learningRate
        self.momentum = momentum
        self.weightDecay = weightDecay
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
    }

    /// What an optimiser remembers between steps.
    public struct State: Sendable {
        /// Steps taken.
        public fileprivate(set) var step = 0
        fileprivate var first: [Float] = []
        fileprivate var second: [Float] = []

        /// What is left out has PyTorch's default.
        public init() {}
    }

    /// One step: changes the parameters and the state.
    public func update(_ parameters: inout ParameterVector, gradient: ParameterVector, _ state: inout State) {
        state.step += 1
        switch kind {
        case .sgd: updateSGD(&parameters.values, gradient.values, &state)
        case .adam: updateAdam(&parameters.values, gradient.values, &state)
        }
    }

    private func updateSGD(_ parameters: inout [Float], _ gradient: [Float], _ state: inout State) {
        let (rate, momentum, decay) = (Float(learningRate), Float(momentum), Float(weightDecay))
        let isFirst = state.first.isEmpty
        if isFirst { state.first = Array(repeating: 0, count: parameters.count) }
        for index in parameters.indices {
            let slope = gradient[index] + decay * parameters[index]
            let velocity = momentum * state.first[index] + slope
            state.first[index] = velocity
            parameters[index] -= rate * velocity
        }
    }

    private func updateAdam(_ parameters: inout [Float], _ gradient: [Float], _ state: inout State) {
        if state.first.isEmpty {
            state.first = Array(repeating: 0, count: parameters.count)
            state.second = state.first
        }
        let correction1 = 1 - pow(beta1, Double(state.step))
        let correction2 = 1 - pow(beta2, Double(state.step))
        let stepSize = Float(learningRate / correction1)
        let root = Float(correction2.squareRoot())
        let (beta1, beta2, epsilon, decay) = (Float(beta1), Float(beta2), Float(epsilon), Float(weightDecay))
        // Float(1 − β) rather than 1 − Float(β): β₂ = 0.999 would lose four digits.
        let (rest1, rest2) = (Float(1 - self.beta1), Float(1 - self.beta2))
        for index in parameters.indices {
            let slope = gradient[index] + decay * parameters[index]
            let first = beta1 * state.first[index] + rest1 * slope
            let second = beta2 * state.second[index] + rest2 * slope * slope
            state.first[index] = first
            state.second[index] = second
            parameters[index] -= stepSize * first / (second.squareRoot() / root + epsilon)
        }
    }
}
