import Foundation
import Testing
@testable import Inference
@testable import NeuralNetwork
@testable import Training

@Suite struct TrainingPlanTests {
    /// A graph with every kind of node that heads use.
    static func plan(dropout: Float = 0) throws -> TrainingPlan {
        var builder = GraphBuilder()
        let input = builder.input(.sequence(5))
        var x = builder.linear("projection", input, out: 4)
        x = builder.activation(.tanh, x)
        let recurrent = builder.recurrent("rnn", x, Recurrence(cell: .gru, hiddenSize: 3, isBidirectional: true))
        let state = builder.finalState("state", recurrent, bidirectional: true)
        let mean = builder.activation(.silu, builder.linear("mix", builder.sequenceMean("mean", x), out: 6))
        var joined = builder.add("join", state, mean)
        if dropout > 0 { joined = builder.dropout("dropout", joined, rate: dropout) }
        let dense = builder.activation(.sigmoid, builder.linear("dense", joined, out: 4))
        let logits = builder.linear("fc", builder.activation(.relu, dense), out: 3)
        return try TrainingPlan(graph: builder.build(outputs: ["logits": logits]))
    }

    static let batch: PackedSequences = {
        let values = RandomParameters().uniform("x", count: 4 * 6 * 5).map { 2 * $0 - 1 }
        return PackedSequences(padded: Tensor(shape: [4, 6, 5], values: values), lengths: [6, 2, 5, 1])
    }()

    @Test("every gradient equals the finite difference of the loss") func gradients() throws {
        let plan = try Self.plan()
        var parameters = try ParameterVector(plan.graph, from: RandomParameters(seed: 1))
        let targets = [0, 1, 2, 1]
        let pass = plan.forward(Self.batch, parameters)
        let gradient = CrossEntropy()(pass.output, targets: targets).gradient
        var gradients = parameters
        plan.backward(pass, outputGradient: gradient, parameters, into: &gradients)
        let step: Float = 1e-2
        for index in stride(from: 0, to: parameters.values.count, by: 3) {
            let value = parameters.values[index]
            func loss(_ changed: Float) -> Double {
                parameters.values[index] = changed
                return CrossEntropy()(plan.forward(Self.batch, parameters).output, targets: targets).loss
            }
            let slope = (loss(value + step) - loss(value - step)) / Double(2 * step)
            parameters.values[index] = value
            #expect(abs(slope - Double(gradients.values[index])) < 2e-4, "parameter \(index)")
        }
    }

    @Test("dropout zeroes a fraction p in training, preserves the mean, and does nothing in evaluation")
    func dropout() throws {
        var builder = GraphBuilder()
        let node = builder.dropout("dropout", builder.sequenceMean("mean", builder.input(.sequence(1000))), rate: 0.4)
        let plan = try TrainingPlan(graph: builder.build(outputs: ["logits": node]))
        let ones = PackedSequences(padded: Tensor(shape: [1, 1, 1000], repeating: 1), lengths: [1])
        let parameters = ParameterVector(zerosFor: plan.graph)
        #expect(plan.forward(ones, parameters).output.values.allSatisfy { $0 == 1 })
        let output = plan.forward(ones, parameters, dropout: RandomParameters(seed: 3)).output.values
        let zeros = output.filter { $0 == 0 }.count
        #expect((340...460).contains(zeros))
        #expect(output.allSatisfy { $0 == 0 || abs($0 - 1 / 0.6) < 1e-6 })
        #expect(plan.forward(ones, parameters, dropout: RandomParameters(seed: 3)).output.values == output)
        #expect(plan.forward(ones, parameters, dropout: RandomParameters(seed: 4)).output.values != output)
    }

    @Test("the exponential is correct to seven digits unless it overflows") func exponentials() {
        for index in -870...880 {
            let x = Float(index) / 10
            #expect(abs(Double(exponential(x)) / Foundation.exp(Double(x)) - 1) < 3e-7)
        }
        #expect(sigmoid(0) == 0.5)
        #expect(abs(hyperbolicTangent(0.5) - tanh(0.5)) < 2e-7)
        #expect(hyperbolicTangent(200) == 1 && hyperbolicTangent(-200) == -1)
    }

    @Test("cross-entropy is stable for large logits") func crossEntropyIsStable() {
        let logits = Tensor(shape: [2, 3], values: [1000, 0, -1000, 0, 0, 0])
        let (loss, gradient) = CrossEntropy()(logits, targets: [0, 1])
        #expect(abs(loss - log(3) / 2) < 1e-6)
        #expect(softmax(logits).values[0] == 1)
        #expect(gradient.values.allSatisfy { $0.isFinite })
    }
}

@Suite struct DenormalTests {
    /// Whether the calling thread computes with denormal numbers.
    private static func keepsDenormals() -> Bool {
        var values: [Float] = [1e-38, 1e-3]
        // Not constant for the compiler.
        values.withUnsafeMutableBufferPointer { $0.swapAt(0, 1) }
        return values[0] * values[1] > 0
    }

    @Test("denormal numbers are enabled again after work that flushes them to zero", arguments: [1, 4])
    func restored(threads: Int) {
        #expect(Self.keepsDenormals())
        var flushed = [Bool](repeating: false, count: 8)
        flushed.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let places = buffer
            Parallel(threads: threads).run(8) { places[$0] = !Self.keepsDenormals() }
        }
        #expect(flushed.allSatisfy { $0 })
        #expect(Self.keepsDenormals())
        #expect(flushingDenormals { !Self.keepsDenormals() })
        #expect(Self.keepsDenormals())
        #expect(throws: CancellationError.self) { try flushingDenormals { throw CancellationError() } }
        #expect(Self.keepsDenormals())
    }
}
