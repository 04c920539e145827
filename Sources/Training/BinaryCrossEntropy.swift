import Foundation
import NeuralNetwork

/// Sigmoid of each element: 1 / (1 + exp(−x)).
package func sigmoid(_ logits: Tensor) -> Tensor {
    var result = logits
    result.values.withUnsafeMutableBufferPointer { values in
        for index in values.indices { values[index] = Float(1 / (1 + Foundation.exp(-Double(values[index])))) }
    }
    return result
}

/// Binary cross-entropy of each class, for clips with any number of labels: PyTorch's
/// `binary_cross_entropy_with_logits` with label smoothing, weights of positives and the focal loss.
package struct BinaryCrossEntropy: Sendable, Equatable {
    /// Label smoothing ε, from 0 to below 1: a target y becomes y (1 − ε) + ε / 2, as in Keras' `BinaryCrossentropy`.
    package var labelSmoothing: Double
    /// Weight of the positives of each class, PyTorch's `pos_weight`; empty for equal weights.
    package var positiveWeights: [Double]
    /// Focusing parameter γ ≥ 0 of the focal loss (Lin et al. 2017, arXiv:1708.02002) without its α, as torchvision's
    /// `sigmoid_focal_loss` with `alpha=-1`; nil for plain cross-entropy.
    package var focal: Double?

    package init(labelSmoothing: Double = 0, positiveWeights: [Double] = [], focal: Double? = nil) {
        (self.labelSmoothing, self.positiveWeights, self.focal) = (labelSmoothing, positiveWeights, focal)
    }

    /// Returns the mean loss over batch and classes, and its gradient with respect to the logits.
    ///
    /// With the smoothed target y, the probability p and the weight w of positives, an element's loss is
    /// (y (1 − p) + (1 − y) p)^γ · −(w y log p + (1 − y) log(1 − p)). It is computed in double precision from
    /// exp(−|logit|), so that it neither overflows nor cancels.
    ///
    /// - `logits`: `[batch, class]`.
    /// - `targets`: `[batch, class]` in row-major order, 1 for the labels of a clip and 0 for the others.
    /// - Precondition: as many targets as logits, and as many positive weights as classes, or none.
    package func callAsFunction(_ logits: Tensor, targets: [Float]) -> (loss: Double, gradient: Tensor) {
        let classes = logits.shape[1]
        precondition(targets.count == logits.count, "\(targets.count) targets for \(logits.count) logits")
        precondition(
            positiveWeights.isEmpty || positiveWeights.count == classes,
            "\(positiveWeights.count) positive weights for \(classes) classes")
        let weights = positiveWeights.isEmpty ? Array(repeating: 1, count: classes) : positiveWeights
        let scale = 1 / Double(logits.count)
        var gradient = logits
        var loss = 0.0
        gradient.values.withUnsafeMutableBufferPointer { values in
            targets.withUnsafeBufferPointer { targets in
                var place = 0
                while place < values.count {
                    for weight in weights {
                        let element = element(Double(values[place]), Double(targets[place]), weight: weight)
                        loss += element.loss
                        values[place] = Float(element.slope * scale)
                        place += 1
                    }
                }
            }
        }
        return (loss * scale, gradient)
    }

    /// Loss of one logit, and its derivative.
    @inline(__always)
    private func element(_ logit: Double, _ target: Double, weight: Double) -> (loss: Double, slope: Double) {
        let y = target * (1 - labelSmoothing) + labelSmoothing / 2
        let small = Foundation.exp(-abs(logit))
        let (larger, smaller) = (1 / (1 + small), small / (1 + small))
        // p and q = 1 − p.
        let (p, q) = logit >= 0 ? (larger, smaller) : (smaller, larger)
        let tail = log1p(small)
        // −log p and −log(1 − p).
        let (missed, raised) = (max(-logit, 0) + tail, max(logit, 0) + tail)
        let loss = weight * y * missed + (1 - y) * raised
        let slope = (1 - y) * p - weight * y * q
        guard let focal, focal > 0 else { return (loss, slope) }
        // 1 − p_t; if it underflows, so do the loss and its derivative.
        let error = y * q + (1 - y) * p
        if error == 0 { return (0, 0) }
        let factor = pow(error, focal)
        return (factor * loss, factor * (slope + focal * loss * (1 - 2 * y) * p * q / error))
    }
}
