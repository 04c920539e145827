import Foundation
import NeuralNetwork
import TestSupport
import Testing
import Training
@testable import SequenceModels

@Suite struct HeadParityTests {
    struct Goldens: Decodable {
        let lengths, targets: [Int]
        let steps, size, classes: Int
        let map: [Int]
        let heads: [HeadGolden]
        let optimizers: [OptimizerGolden]
        let schedules: [ScheduleGolden]
        let losses: [LossGolden]
        let clips: [ClipGolden]
    }

    struct HeadGolden: Decodable, CustomTestStringConvertible {
        let kind: HeadConfiguration.Kind
        let hidden: [Int]
        let logits: [Float]
        let gradients: [String: [Float]]
        /// `[batch, time, feature]`, zero in padded rows.
        let inputGradient: [Float]
        var testDescription: String { kind.rawValue }

        enum CodingKeys: String, CodingKey { case kind, hidden, logits, gradients, inputGradient = "input_gradient" }

        func plan(_ goldens: Goldens) throws -> TrainingPlan {
            let head = HeadConfiguration(
                kind: kind, hidden: hidden, heads: kind == .transformer ? 2 : nil,
                feedForward: kind == .transformer ? 10 : nil)
            let shape = kind.readsMaps ? goldens.map : [goldens.size]
            return try TrainingPlan(
                graph: head.graph(.init(shape: shape, maximumLength: goldens.steps), classes: goldens.classes))
        }
    }

    struct ScheduleGolden: Decodable, CustomTestStringConvertible {
        let kind: Schedule.Kind
        let warmUp: Int
        let every: Int?
        let factor: Double?
        let patience: Int?
        let minimum: Double?
        let losses, rates: [Double]

        enum CodingKeys: String, CodingKey {
            case kind, every, factor, patience, minimum, losses, rates, warmUp = "warm_up"
        }
        var testDescription: String { "\(kind.rawValue) after \(warmUp)" }
    }

    struct LossGolden: Decodable {
        let smoothing: Double
        let weights: [Double]?
        let loss: Double
        let gradient: [Float]
    }

    struct ClipGolden: Decodable {
        let limit, norm: Double
        let gradient: [Float]
    }

    struct KerasGoldens: Decodable {
        let lengths: [Int]
        let steps, size, classes: Int
        let probabilities: [String: [Float]]
    }

    static let goldens: Goldens = fixture("heads", in: Bundle.module)
    static let keras: KerasGoldens = fixture("keras_heads", in: Bundle.module)

    static let input = around("input", [goldens.lengths.count, goldens.steps, goldens.size], spread: 1.5)

    private static func passes(
        _ plan: TrainingPlan, _ parameters: ParameterVector, _ input: Tensor
    ) -> (TrainingPlan.ForwardPass, slope: Tensor, gradients: ParameterVector) {
        let pass = plan.forward(PackedSequences(padded: input, lengths: goldens.lengths), parameters)
        var gradients = parameters
        let slope = CrossEntropy()(pass.output, targets: goldens.targets).gradient
        plan.backward(pass, outputGradient: slope, parameters, into: &gradients)
        return (pass, slope, gradients)
    }

    @Test("outputs and every gradient of a head equal PyTorch's on the masked batch", arguments: goldens.heads)
    func heads(golden: HeadGolden) throws {
        let setup = Self.goldens
        let plan = try golden.plan(setup)
        let parameters = try ParameterVector(plan.graph, from: RandomParameters())
        let (pass, slope, gradients) = Self.passes(plan, parameters, Self.input)
        #expect(relativeError(pass.output.values, golden.logits) < 1e-5)
        let tensors = gradients.tensors
        #expect(Set(tensors.keys) == Set(golden.gradients.keys))
        for (name, expected) in golden.gradients {
            let ours = try #require(tensors[name]).values
            // Gradients that are zero except for rounding, such as that of a score's bias, cannot be compared.
            guard expected.contains(where: { abs($0) > 1e-7 }) else {
                #expect(ours.allSatisfy { abs($0) < 1e-6 }, "\(name)")
                continue
            }
            #expect(relativeError(ours, expected) < 1e-4, "\(name)")
        }
        let rows = plan.inputGradient(pass, outputGradient: slope, parameters)
        #expect(rows.map(\.shape) == setup.lengths.map { [$0, setup.size] })
        let expected = setup.lengths.enumerated().flatMap { index, length in
            golden.inputGradient.dropFirst(index * setup.steps * setup.size).prefix(length * setup.size)
        }
        #expect(relativeError(rows.flatMap(\.values), expected) < 1e-4)
    }

    @Test("results are bit-identical for any padding and any number of threads", arguments: goldens.heads)
    func paddingAndThreads(golden: HeadGolden) throws {
        let setup = Self.goldens
        var garbage = Self.input
        for (index, length) in setup.lengths.enumerated() {
            for place in length * setup.size..<setup.steps * setup.size {
                garbage.values[index * setup.steps * setup.size + place] = [.nan, .infinity, -1e30][place % 3]
            }
        }
        func run(_ input: Tensor, threads: Int) throws -> [UInt32] {
            var plan = try golden.plan(setup)
            plan.parallel = Parallel(threads: threads)
            let parameters = try ParameterVector(plan.graph, from: RandomParameters())
            let (pass, _, gradients) = Self.passes(plan, parameters, input)
            return (pass.output.values + gradients.values).map(\.bitPattern)
        }
        let plain = try run(Self.input, threads: 1)
        #expect(try run(garbage, threads: 1) == plain)
        #expect(try run(Self.input, threads: 3) == plain)
    }

    @Test("fifty optimiser steps equal PyTorch's", arguments: goldens.optimizers)
    func optimizers(golden: OptimizerGolden) { #expect(golden.error(steps: 50) < 1e-5) }

    @Test("the learning rates of fifty epochs equal PyTorch's", arguments: goldens.schedules)
    func schedules(golden: ScheduleGolden) {
        var schedule = Schedule(kind: golden.kind)
        (schedule.every, schedule.factor) = (golden.every ?? 1, golden.factor ?? 0.1)
        (schedule.patience, schedule.minimum) = (golden.patience ?? 10, golden.minimum ?? 0)
        schedule.warmUp = golden.warmUp
        var state = Schedule.State()
        for (index, expected) in golden.rates.enumerated() {
            let rate = schedule.rate(epoch: index + 1, of: 50, base: 0.1, state)
            #expect(abs(rate - expected) <= 1e-5 * expected, "epoch \(index + 1)")
            schedule.observe(golden.losses[index], epoch: index + 1, base: 0.1, &state)
        }
    }

    @Test("label smoothing and class weights give PyTorch's loss and gradient", arguments: goldens.losses.indices)
    func losses(index: Int) {
        let golden = Self.goldens.losses[index]
        let logits = around("logits", [5, 3], spread: 3)
        let loss = CrossEntropy(labelSmoothing: golden.smoothing, classWeights: golden.weights ?? [])
        let (value, gradient) = loss(logits, targets: Self.goldens.targets)
        #expect(abs(value - golden.loss) < 1e-6 * max(1, golden.loss))
        #expect(relativeError(gradient.values, golden.gradient) < 1e-5)
    }

    @Test(
        "the gradient's norm is PyTorch's, and clipping scales gradients in the same way",
        arguments: goldens.clips.indices)
    func clipping(index: Int) {
        let golden = Self.goldens.clips[index]
        var builder = GraphBuilder()
        let logits = builder.linear("fc", builder.input(.vector(3)), out: 6)
        var vector = ParameterVector(zerosFor: builder.build(outputs: ["logits": logits]))
        vector.values = around("gradient", [24], spread: 1).values
        #expect(abs(vector.norm - golden.norm) < 1e-5)
        let scale = Float(min(1, golden.limit / (vector.norm + 1e-6)))
        #expect(relativeError(vector.values.map { $0 * scale }, golden.gradient) < 1e-6)
    }

    @Test(
        "weights trained and saved by Keras give the same predictions",
        arguments: ["gru2", "gru3", "bilstm2", "bilstm3"])
    func kerasWeights(name: String) throws {
        let setup = Self.keras
        let path = try #require(Bundle.module.url(forResource: "Fixtures/" + name, withExtension: "h5")).path
        let configuration =
            name.hasPrefix("gru")
            ? HeadConfiguration(kind: .gru, hidden: [5, 4], dropout: 0.4, dense: 8)
            : HeadConfiguration(kind: .bilstm, hidden: [4, 3], projection: 5)
        let vectors = HeadConfiguration.Input(shape: [setup.size], maximumLength: setup.steps)
        let plan = try TrainingPlan(graph: configuration.graph(vectors, classes: setup.classes))
        let parameters = try ParameterVector(plan.graph, from: openHeadWeights(path: path, for: plan.graph.parameters))
        let input = around("input", [setup.lengths.count, setup.steps, setup.size], spread: 1.5)
        let pass = plan.forward(PackedSequences(padded: input, lengths: setup.lengths), parameters)
        let expected = try #require(setup.probabilities[String(name.dropLast())])
        #expect(relativeError(softmax(pass.output).values, expected) < 1e-5)
        let other = HeadConfiguration(kind: .gru, hidden: [6]).graph(vectors, classes: setup.classes)
        #expect(throws: WeightsError.self) {
            try ParameterVector(other, from: openHeadWeights(path: path, for: other.parameters))
        }
    }
}
