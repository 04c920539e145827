import Foundation
import TestSupport
import Testing
@testable import Inference
@testable import NeuralNetwork
@testable import Training

@Suite struct RecurrentTests {
    struct Goldens: Decodable {
        let lengths, targets: [Int]
        let steps, size, classes: Int
        let goldens: [Golden]
        let optimizers: [OptimizerGolden]
    }

    struct Golden: Decodable, CustomTestStringConvertible {
        let cell: String
        let hidden, layers: Int
        let bidirectional: Bool
        let logits: [Float]
        let loss: Double
        let gradients: [String: [Float]]
        var testDescription: String { "\(bidirectional ? "bidirectional " : "")\(layers)-layer \(cell)" }

        func plan(size: Int, classes: Int) throws -> TrainingPlan {
            var builder = GraphBuilder()
            var x = builder.input(.sequence(size))
            let recurrence = Recurrence(
                cell: cell == "gru" ? .gru : .lstm, hiddenSize: hidden, isBidirectional: bidirectional)
            for layer in 0..<layers { x = builder.recurrent("rnn", layer: layer, x, recurrence) }
            x = builder.finalState("state", x, bidirectional: bidirectional)
            let logits = builder.linear("fc", x, out: classes)
            return try TrainingPlan(graph: builder.build(outputs: ["logits": logits]))
        }
    }

    static let golden: Goldens = fixture("recurrent", in: Bundle.module)

    @Test("outputs and every gradient equal PyTorch's packed-sequence result", arguments: golden.goldens)
    func equalsPyTorch(golden: Golden) throws {
        let setup = Self.golden
        let plan = try golden.plan(size: setup.size, classes: setup.classes)
        let parameters = try ParameterVector(plan.graph, from: RandomParameters())
        let input = around("input", [setup.lengths.count, setup.steps, setup.size], spread: 1.5)
        let pass = plan.forward(PackedSequences(padded: input, lengths: setup.lengths), parameters)
        #expect(relativeError(pass.output.values, golden.logits) < 1e-5)

        let (loss, gradient) = CrossEntropy()(pass.output, targets: setup.targets)
        #expect(abs(loss - golden.loss) < 1e-5)
        var vector = parameters
        plan.backward(pass, outputGradient: gradient, parameters, into: &vector)
        let gradients = vector.tensors
        #expect(Set(gradients.keys) == Set(golden.gradients.keys))
        for (name, expected) in golden.gradients {
            let ours = try #require(gradients[name])
            #expect(relativeError(ours.values, expected) < 1e-4, "\(name)")
        }
    }

    @Test("values in padded rows change no output and no gradient: both are bit-identical", arguments: golden.goldens)
    func ignoresPadding(golden: Golden) throws {
        let setup = Self.golden
        let plan = try golden.plan(size: setup.size, classes: setup.classes)
        let parameters = try ParameterVector(plan.graph, from: RandomParameters())
        let clean = around("input", [setup.lengths.count, setup.steps, setup.size], spread: 1.5)
        var garbage = clean
        for (index, length) in setup.lengths.enumerated() {
            for step in length..<setup.steps {
                for column in 0..<setup.size {
                    let noise: Float = [.nan, .infinity, -1e30, 42][(step + column) % 4]
                    garbage.values[(index * setup.steps + step) * setup.size + column] = noise
                }
            }
        }
        func run(_ input: Tensor) -> (output: [UInt32], gradient: [UInt32]) {
            let pass = plan.forward(PackedSequences(padded: input, lengths: setup.lengths), parameters)
            let gradient = CrossEntropy()(pass.output, targets: setup.targets).gradient
            var gradients = parameters
            plan.backward(pass, outputGradient: gradient, parameters, into: &gradients)
            return (pass.output.values.map(\.bitPattern), gradients.values.map(\.bitPattern))
        }
        #expect(garbage.values.contains { $0.isNaN })
        let (first, second) = (run(clean), run(garbage))
        #expect(first.output == second.output)
        #expect(first.gradient == second.gradient)
    }

    @Test("each sequence's output is independent of its position in the batch") func batchOrder() throws {
        let setup = Self.golden
        let plan = try setup.goldens[2].plan(size: setup.size, classes: setup.classes)
        let parameters = try ParameterVector(plan.graph, from: RandomParameters())
        let input = around("input", [setup.lengths.count, setup.steps, setup.size], spread: 1.5)
        let all = plan.forward(PackedSequences(padded: input, lengths: setup.lengths), parameters).output
        let stride = setup.steps * setup.size
        for (index, length) in setup.lengths.enumerated() {
            let own = Tensor(
                shape: [1, setup.steps, setup.size], values: Array(input.values[index * stride..<(index + 1) * stride]))
            let alone = plan.forward(PackedSequences(padded: own, lengths: [length]), parameters).output
            let together = Array(all.values[index * setup.classes..<(index + 1) * setup.classes])
            #expect(relativeError(alone.values, together) < 1e-5)
        }
    }

    @Test("twenty optimiser steps equal PyTorch's", arguments: golden.optimizers)
    func optimizers(golden: OptimizerGolden) { #expect(golden.error(steps: 20) < 1e-5) }
}
