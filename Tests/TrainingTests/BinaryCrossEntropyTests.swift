import Foundation
import NeuralNetwork
import TestSupport
import Testing
@testable import Training

/// Compared with PyTorch and torchvision; `Tests/Parity/multilabel_loss_goldens.py` made the file.
@Suite struct BinaryCrossEntropyTests {
    struct Golden: Decodable, Sendable, CustomTestStringConvertible {
        let logits, targets: [[Float]]
        let smoothing: Double
        let weights: [Double]
        let gamma: Double?
        let loss: Double
        let gradient, probabilities: [Double]

        var tensor: Tensor { Tensor(shape: [logits.count, logits[0].count], values: logits.flatMap(\.self)) }
        var function: BinaryCrossEntropy {
            BinaryCrossEntropy(labelSmoothing: smoothing, positiveWeights: weights, focal: gamma)
        }
        var testDescription: String { "\(logits[0][0]) \(function)" }
    }

    static let goldens: [Golden] = fixture("multilabel_loss", in: .module)

    @Test("loss and gradient equal PyTorch's, alone and with smoothing, weights and focal loss", arguments: goldens)
    func parity(golden: Golden) {
        let (loss, gradient) = golden.function(golden.tensor, targets: golden.targets.flatMap(\.self))
        #expect(abs(loss - golden.loss) <= 1e-12 * max(1, golden.loss))
        #expect(gradient.shape == golden.tensor.shape)
        for (own, theirs) in zip(gradient.values, golden.gradient) {
            #expect(abs(Double(own) - theirs) <= 1e-7 * max(1, abs(theirs)))
        }
    }

    @Test("the sigmoid equals PyTorch's", arguments: goldens) func probabilities(golden: Golden) {
        let own = sigmoid(golden.tensor)
        #expect(own.shape == golden.tensor.shape)
        for (own, theirs) in zip(own.values, golden.probabilities) { #expect(abs(Double(own) - theirs) < 1e-7) }
    }

    @Test("loss and gradient are finite for any logit and focusing parameter", arguments: [0, 0.1, 0.5, 1, 2, 50])
    func extremes(focal: Double) {
        for magnitude in [0, 1e-30, 20, 88, 104, 745, 746, 1e4, 1e30] as [Float] {
            let logits = Tensor(shape: [2, 2], values: [magnitude, -magnitude, magnitude, -magnitude])
            let (loss, gradient) = BinaryCrossEntropy(focal: focal)(logits, targets: [1, 1, 0, 0])
            #expect(loss.isFinite && gradient.values.areFinite, "\(magnitude)")
        }
    }

    @Test("the gradient is the finite difference of the loss") func differences() {
        let function = BinaryCrossEntropy(labelSmoothing: 0.1, positiveWeights: [2, 0.5], focal: 1.5)
        let targets: [Float] = [1, 0]
        func loss(_ x: Float) -> Double { function(Tensor(shape: [1, 2], values: [x, 0.5]), targets: targets).loss }
        for x in stride(from: -6, through: 6, by: 0.75) as StrideThrough<Float> {
            let slope = (loss(x + 1 / 64) - loss(x - 1 / 64)) * 32
            let gradient = function(Tensor(shape: [1, 2], values: [x, 0.5]), targets: targets).gradient
            #expect(abs(Double(gradient.values[0]) - slope) < 1e-3)
        }
    }

    @Test("a NaN logit gives a NaN loss, and an empty batch has none") func undefined() {
        let broken = Tensor(shape: [1, 2], values: [.nan, 0])
        #expect(BinaryCrossEntropy()(broken, targets: [1, 0]).loss.isNaN)
        #expect(BinaryCrossEntropy(focal: 2)(broken, targets: [1, 0]).loss.isNaN)
        let (loss, gradient) = BinaryCrossEntropy()(Tensor(shape: [0, 3]), targets: [])
        #expect(loss.isNaN && gradient.values.isEmpty)
    }
}
