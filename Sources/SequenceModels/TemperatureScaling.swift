import FeatureCache
import Foundation
import NeuralNetwork
import Training

/// Temperature scaling (Guo et al. 2017, arXiv:1706.04599): divides all class scores by one temperature, so that
/// probabilities match accuracies. It changes no prediction, and is folded into the last layer's weights, so that
/// exported models include it.
enum TemperatureScaling {
    /// The head with the temperature that minimises the loss on examples it was not trained on.
    static func fit(
        _ head: Head, _ features: FeatureSet, _ indices: [Int], targets: [Int], averagingViews: Bool
    ) throws -> (head: Head, temperature: Double) {
        let loss = CrossEntropy()
        let isLinear = head.configuration.kind != .frame && !averagingViews
        let logits = try head.logits(features, indices, averagingViews: averagingViews)
        let temperature = try minimum { temperature in
            // Averaged probabilities do not scale with the temperature, so they are recomputed.
            let scaled =
                isLinear
                ? Tensor(shape: logits.shape, values: logits.values.map { $0 / Float(temperature) })
                : try head.scaled(by: 1 / temperature).logits(features, indices, averagingViews: averagingViews)
            return loss(scaled, targets: targets).loss
        }
        return (try head.scaled(by: 1 / temperature), temperature)
    }

    /// The temperature for stored probabilities.
    static func fit(_ predictions: [PredictionRecord], labels: [String]) -> Double {
        minimum { temperature in
            let losses = predictions.compactMap { prediction -> Double? in
                guard let target = labels.firstIndex(of: prediction.label) else { return nil }
                let scores = prediction.probabilities.map { log(max($0, 1e-30)) / temperature }
                let largest = scores.max() ?? 0
                return log(scores.reduce(0) { $0 + exp($1 - largest) }) + largest - scores[target]
            }
            return losses.reduce(0, +) / Double(max(1, losses.count))
        }
    }

    /// Golden-section search over the logarithm, from 1/20 to 20.
    private static func minimum(_ loss: (Double) throws -> Double) rethrows -> Double {
        let golden = (5.0.squareRoot() - 1) / 2
        var (lower, upper) = (-log(20.0), log(20.0))
        var (left, right) = (upper - golden * (upper - lower), lower + golden * (upper - lower))
        var (ofLeft, ofRight) = (try loss(exp(left)), try loss(exp(right)))
        for _ in 0..<30 {
            if ofLeft < ofRight {
                (upper, right, ofRight) = (right, left, ofLeft)
                left = upper - golden * (upper - lower)
                ofLeft = try loss(exp(left))
            } else {
                (lower, left, ofLeft) = (left, right, ofRight)
                right = lower + golden * (upper - lower)
                ofRight = try loss(exp(right))
            }
        }
        return exp((lower + upper) / 2)
    }
}

extension Head {
    /// The head with class scores multiplied by a factor, which is folded into its last layer.
    func scaled(by factor: Double) throws -> Head {
        var tensors = parameters.tensors
        for parameter in plan.outputParameters {
            guard let tensor = tensors[parameter.name] else { continue }
            tensors[parameter.name] = Tensor(shape: tensor.shape, values: tensor.values.map { $0 * Float(factor) })
        }
        var head = self
        head.parameters = try ParameterVector(plan.graph, from: NamedTensors(tensors))
        return head
    }
}
