import Foundation
import NeuralNetwork

/// Softmax of each row: exp(x − max) / Σ.
package func softmax(_ logits: Tensor) -> Tensor {
    let (rows, size) = (logits.shape[0], logits.shape[1])
    var result = logits
    result.values.withUnsafeMutableBufferPointer { values in
        for row in 0..<rows {
            let range = row * size..<(row + 1) * size
            let largest = values[range].max() ?? 0
            var sum: Float = 0
            for index in range {
                values[index] = exp(values[index] - largest)
                sum += values[index]
            }
            for index in range { values[index] /= sum }
        }
    }
    return result
}

/// Cross-entropy with PyTorch's options.
package struct CrossEntropy: Sendable {
    /// Label smoothing: the share of each target that is spread evenly over all classes, from 0 to below 1.
    package var labelSmoothing: Double
    /// Weight of each class; empty for equal weights.
    package var classWeights: [Double]

    package init(labelSmoothing: Double = 0, classWeights: [Double] = []) {
        self.labelSmoothing = labelSmoothing
        self.classWeights = classWeights
    }

    /// Returns the mean loss of logits `[batch, class]` against class indices, weighted by class, and its gradient with
    /// respect to the logits.
    package func callAsFunction(_ logits: Tensor, targets: [Int]) -> (loss: Double, gradient: Tensor) {
        let classes = logits.shape[1]
        let weights = classWeights.isEmpty ? Array(repeating: 1, count: classes) : classWeights
        let total = targets.reduce(0) { $0 + weights[$1] }
        let (sharp, even) = (1 - labelSmoothing, labelSmoothing / Double(classes))
        let allWeights = weights.reduce(0, +)
        var gradient = softmax(logits)
        var loss = 0.0
        for (row, target) in targets.enumerated() {
            let start = row * classes
            let scores = logits.values[start..<start + classes].map(Double.init)
            let largest = scores.max() ?? 0
            let logSum = largest + log(scores.reduce(0) { $0 + Foundation.exp($1 - largest) })
            loss += sharp * weights[target] * (logSum - scores[target])
            if even > 0 { for index in 0..<classes { loss += even * weights[index] * (logSum - scores[index]) } }
            let share = sharp * weights[target] + even * allWeights
            for index in 0..<classes {
                var slope = Double(gradient.values[start + index]) * share - even * weights[index]
                if index == target { slope -= sharp * weights[target] }
                gradient.values[start + index] = Float(slope / total)
            }
        }
        return (loss / total, gradient)
    }
}
