import Foundation

/// Class probabilities of each row: exp(x − max) / Σ.
public func softmax(_ logits: Tensor) -> Tensor {
    var result = logits
    let size = logits.shape[1]
    for row in 0..<logits.shape[0] {
        let range = row * size..<(row + 1) * size
        let largest = logits.values[range].max() ?? 0
        var sum: Float = 0
        for index in range {
            result.values[index] = exp(logits.values[index] - largest)
            sum += result.values[index]
        }
        for index in range { result.values[index] /= sum }
    }
    return result
}

/// Mean cross-entropy of logits `[batch, class]` against class indices, and its gradient in the logits.
public func crossEntropy(_ logits: Tensor, targets: [Int]) -> (loss: Double, gradient: Tensor, probabilities: Tensor) {
    let probabilities = softmax(logits)
    var gradient = probabilities
    let (rows, size) = (logits.shape[0], logits.shape[1])
    var loss = 0.0
    for (row, target) in targets.enumerated() {
        let start = row * size
        let largest = logits.values[start..<start + size].max() ?? 0
        let sum = logits.values[start..<start + size].reduce(0.0) { $0 + Foundation.exp(Double($1 - largest)) }
        loss += log(sum) - Double(logits.values[start + target] - largest)
        gradient.values[start + target] -= 1
    }
    for index in gradient.values.indices { gradient.values[index] /= Float(rows) }
    return (loss / Double(rows), gradient, probabilities)
}
