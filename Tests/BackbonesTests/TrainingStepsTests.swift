import Backbones
import Foundation
import NeuralNetwork
import TestSupport
import Testing
import Training

@Suite struct TrainingStepsTests {
    struct Steps: Decodable {
        let losses: [Double]
        let mean, variance: [Float]

        enum CodingKeys: String, CodingKey { case losses, mean = "running_mean", variance = "running_var" }
    }

    @Test("twenty steps of the small CNN and an LSTM together follow PyTorch's loss and running statistics")
    func smallCNN() throws {
        let golden: Steps = fixture("steps", in: Bundle.module)
        let graph = SmallCNN().graph(imageSize: 32)
        var cnn = try NetworkParameters(graph, from: RandomParameters()) { _ in true }
        let plan = try DifferentiablePlan(graph: graph, output: "pooled", parameters: cnn)
        var b = GraphBuilder()
        var x = b.input(.sequence(512))
        for layer in 0..<2 { x = b.recurrent("rnn", layer: layer, x, Recurrence(cell: .lstm, hiddenSize: 16)) }
        let logits = b.linear("fc", b.finalState("state", x, bidirectional: false), out: 3)
        let head = try TrainingPlan(graph: b.build(outputs: ["logits": logits]))
        var weights = ParameterVector(zerosFor: head.graph)
        weights.values = weights.slots.flatMap { around($0.parameter.name, $0.parameter.shape, spread: 0.25).values }
        let adam = Optimizer(kind: .adam, learningRate: 1e-4)
        var (ofCNN, ofHead) = (Optimizer.State(), Optimizer.State())
        for (step, expected) in golden.losses.enumerated() {
            let pictures = Tensor(
                shape: [12, 32 * 32 * 3], values: around("input \(step % 2)", [12 * 32 * 32 * 3]).values)
            let seen = try plan.forward(pictures, cnn)
            let packed = PackedSequences(
                rows: seen.output.values, featureSize: 512, firstRows: [0, 3, 6, 9], lengths: [3, 3, 3, 3])
            let pass = head.forward(packed, weights)
            let (loss, slope) = CrossEntropy()(pass.output, targets: [0, 2, 1, 1])
            #expect(abs(loss - expected) < 1e-3, "step \(step)")
            var (cnnGradient, headGradient) = (cnn.trained, weights)
            let rows = head.backward(pass, outputGradient: slope, weights, into: &headGradient, wantsInput: true)
            try plan.backward(
                seen, outputGradient: Tensor(shape: [12, 512], values: rows.flatMap(\.values)), cnn, into: &cnnGradient)
            plan.updateStatistics(seen, &cnn)
            adam.update(&cnn.trained, gradient: cnnGradient, &ofCNN)
            adam.update(&weights, gradient: headGradient, &ofHead)
        }
        let statistics = cnn.fixed.tensors
        for (name, expected) in [("bn4.running_mean", golden.mean), ("bn4.running_var", golden.variance)] {
            let ours = try #require(statistics[name]).values
            let largest = expected.map(abs).max() ?? 0
            for (index, value) in expected.enumerated() { #expect(abs(ours[16 * index] - value) < 1e-3 * largest) }
        }
    }
}
