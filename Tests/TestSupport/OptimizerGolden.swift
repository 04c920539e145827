import Foundation
import NeuralNetwork
import Training

/// A quartic function's parameters after some steps of PyTorch's optimiser.
package struct OptimizerGolden: Decodable, CustomStringConvertible, Sendable {
    let kind: Optimizer.Kind
    let lr: Double
    let momentum: Double?
    let nesterov: Bool?
    let weightDecay, alpha, eps: Double?
    let parameters: [Float]

    enum CodingKeys: String, CodingKey {
        case kind, lr, momentum, nesterov, alpha, eps, parameters, weightDecay = "weight_decay"
    }
    package var description: String { "\(kind.rawValue), momentum \(momentum ?? 0), decay \(weightDecay ?? 0)" }

    /// The largest difference of the parameters after these steps, relative to the largest one.
    package func error(steps: Int) -> Float {
        var optimizer = Optimizer(kind: kind, learningRate: lr)
        (optimizer.momentum, optimizer.nesterov) = (momentum ?? 0, nesterov ?? false)
        optimizer.weightDecay = weightDecay ?? (kind == .adamw ? 0.01 : 0)
        (optimizer.alpha, optimizer.epsilon) = (alpha ?? 0.99, eps ?? 1e-8)
        var builder = GraphBuilder()
        let logits = builder.linear("fc", builder.input(.vector(4)), out: 2)
        let graph = builder.build(outputs: ["logits": logits])
        var own = ParameterVector(zerosFor: graph)
        own.values = around("p", [8], spread: 1).values + [0, 0]
        let target = around("target", [8], spread: 1).values
        var state = Optimizer.State()
        for _ in 0..<steps {
            var gradient = ParameterVector(zerosFor: graph)
            gradient.values = zip(own.values, target).map { 4 * powf($0 - $1, 3) } + [0, 0]
            optimizer.update(&own, gradient: gradient, &state)
        }
        return relativeError(Array(own.values[0..<8]), parameters)
    }
}
