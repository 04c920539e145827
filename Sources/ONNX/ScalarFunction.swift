import Foundation
import NeuralNetwork

/// A scalar function composed of ONNX operators, identified by evaluating it: exporters write activations in many ways.
struct ScalarFunction: Sendable {
    let apply: @Sendable (Double) -> Double
    let isIdentity: Bool
    /// Operations of one evaluation; shared operands count repeatedly.
    let operations: Int
    /// The function as two consecutive ones, in case the composition is unknown.
    private(set) var parts: [ScalarFunction] = []

    static let identity = ScalarFunction(isIdentity: true) { $0 }

    init(isIdentity: Bool = false, _ apply: @escaping @Sendable (Double) -> Double) {
        (self.apply, self.isIdentity) = (apply, isIdentity)
        operations = isIdentity ? 0 : 1
    }

    /// A function of others. Evaluating and releasing it recurses to the depth of its operations. Throws
    /// `GraphImporter.Refused` if it has too many operations.
    init(of parts: [ScalarFunction], _ apply: @escaping @Sendable (Double) -> Double) throws {
        operations = parts.reduce(1) { $0 + $1.operations }
        guard operations <= ImportBudget.functionOperations else {
            throw GraphImporter.Refused("it chains more than \(ImportBudget.functionOperations) element-wise functions")
        }
        self.apply = apply
        isIdentity = false
    }

    /// Composition with a nonlinear function.
    func then(_ next: @escaping @Sendable (Double) -> Double) throws -> ScalarFunction {
        let apply = apply
        var result = try ScalarFunction(of: [self]) { next(apply($0)) }
        if !isIdentity { result.parts = [self, ScalarFunction(next)] }
        return result
    }

    /// Composition with a sum or product with a constant.
    func line(_ next: @escaping @Sendable (Double) -> Double) throws -> ScalarFunction {
        var result = try then(next)
        result.parts = parts.count == 2 ? [parts[0], try parts[1].line(next)] : []
        return result
    }

    func with(
        _ other: ScalarFunction, _ join: @escaping @Sendable (Double, Double) -> Double
    ) throws -> ScalarFunction {
        let (first, second) = (apply, other.apply)
        return try ScalarFunction(of: [self, other]) { join(first($0), second($0)) }
    }

    /// Operations for identifying the function: evaluation, and comparison with every known function.
    var evaluations: Int { (operations + 4 * Self.candidates.count) * Self.probes.count }

    /// factor · activation(x) + summand; an affine function without activation.
    struct Known: Equatable {
        let activation: Activation?
        let factor, summand: Double
    }

    /// The slope for negative numbers of a leaky ReLU; nil for other functions.
    var leak: Double? {
        let slope = -apply(-1)
        guard slope > 0, slope < 1 else { return nil }
        let fits = Self.probes.allSatisfy { abs(apply($0) - ($0 < 0 ? slope * $0 : $0)) <= 1e-9 * max(1, abs($0)) }
        return fits ? slope : nil
    }

    private static let probes: [Double] = (-60...60).map { Double($0) / 7 + 0.013 } + [-30, 30]

    var known: Known? {
        if isIdentity { return Known(activation: nil, factor: 1, summand: 0) }
        let values = Self.probes.map(apply)
        guard values.allSatisfy(\.isFinite) else { return nil }
        for (activation, basis) in Self.candidates {
            if let known = Self.fit(values, basis, activation) { return known }
        }
        return nil
    }

    /// Sampled values of every known function, the identity first.
    private static let candidates: [(Activation?, [Double])] =
        [(nil, probes)] + activations.map { ($0.0, probes.map($0.1)) }

    private static func fit(_ values: [Double], _ basis: [Double], _ activation: Activation?) -> Known? {
        let count = Double(values.count)
        let (meanX, meanY) = (basis.reduce(0, +) / count, values.reduce(0, +) / count)
        let covariance = zip(basis, values).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
        let variance = basis.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
        var (factor, summand) = (covariance / variance, 0.0)
        summand = meanY - factor * meanX
        if abs(factor - 1) < 1e-6 { factor = 1 }
        if abs(summand) < 1e-6 * max(1, abs(factor)) { summand = 0 }
        let scale = values.reduce(1e-3) { max($0, abs($1)) }
        let fits = zip(basis, values).allSatisfy { abs(factor * $0 + summand - $1) <= 1e-6 * scale }
        return fits ? Known(activation: activation, factor: factor, summand: summand) : nil
    }

    static let activations: [(Activation, @Sendable (Double) -> Double)] = [
        (.relu, { max(0, $0) }), (.relu6, { min(6, max(0, $0)) }), (.sigmoid, { 1 / (1 + exp(-$0)) }),
        (.tanh, { tanh($0) }),
        (.silu, { $0 / (1 + exp(-$0)) }), (.hardSigmoid, { min(6, max(0, $0 + 3)) / 6 }),
        (.hardSwish, { $0 * min(6, max(0, $0 + 3)) / 6 }), (.gelu, { $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot())) }),
        (.geluTanh, { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }),
        (.quickGELU, { $0 / (1 + exp(-1.702 * $0)) }),
    ]
}
