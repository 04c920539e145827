import Backbones
import Foundation
import Inference
import NeuralNetwork
import SequenceModels
import Training

/// Seconds of a training step of a published network with its head, on generated frames already decoded.
enum TrainingBenchmark {
    static func run(_ name: String, steps: Int) throws {
        let threads = ProcessInfo.processInfo.activeProcessorCount
        try ArithmeticLibrary.training(threads: threads) { try run(name, steps: steps, threads: threads) }
    }

    private static func run(_ name: String, steps: Int, threads: Int) throws {
        let isVGG = name == "vgg16"
        guard let backbone = Backbone.named(name) else { return }
        let graph = backbone.graph(imageSize: 128)
        let tap = isVGG ? "flatten" : "pooled"
        let trained = isVGG ? graph.parameters(ofLast: 4, of: tap) : Set(graph.parameters.map(\.name))
        let network = try PartlyFrozenNetwork(
            graph: graph, output: tap, source: FreshParameters(graph, seed: 1),
            normalization: backbone.inputConvention().normalization, tuning: KernelTuning.standard
        ) { trained.contains($0.name) }
        // R4: four clips of twenty frames and an LSTM; R5: a hundred frames and a linear layer.
        let (clips, length, classes) = isVGG ? (100, 1, 51) : (4, 20, 10)
        let size = try graph.featureShape(of: tap).reduce(1, *)
        let model = isVGG ? HeadConfiguration(kind: .frame) : HeadConfiguration(kind: .lstm, hidden: [128, 128])
        var head = try Head(
            model, labels: (0..<classes).map { "\($0)" }, input: .init(shape: [size], maximumLength: length),
            standardization: nil, from: RandomParameters())
        let pictures = (0..<clips * length).map { picture in
            (0..<128 * 128 * 3).map { UInt8(truncatingIfNeeded: ($0 &* 31 &+ picture &* 977) >> 3) }
        }
        let adam = Optimizer(kind: .adam, learningRate: 1e-4)
        var (ofNetwork, ofHead) = (Optimizer.State(), Optimizer.State())
        var gradient = network.parameters.trained
        var kept: Tensor?
        func step(keepsFrozen: Bool) throws {
            let rows = try kept ?? network.boundary(pictures)
            if keepsFrozen { kept = rows }
            let pass = try network.forward(rows, dropout: RandomParameters(seed: 1))
            let result = head.step(
                rows: pass.output.values, lengths: Array(repeating: length, count: clips),
                targets: (0..<clips).map { $0 % classes }, loss: CrossEntropy(), dropout: RandomParameters(seed: 1),
                threads: threads)
            try network.backward(
                pass, outputGradient: Tensor(shape: pass.output.shape, values: result.rowGradient), into: &gradient)
            network.updateStatistics(pass)
            adam.update(
                &network.parameters.trained, gradient: gradient, &ofNetwork, parallel: Parallel(threads: threads))
            adam.update(&head.parameters, gradient: result.gradient, &ofHead)
        }
        func measure(keepsFrozen: Bool) throws -> [Double] {
            kept = nil
            try step(keepsFrozen: keepsFrozen)
            return try (0..<steps).map { _ in
                let begin = ContinuousClock.now
                try step(keepsFrozen: keepsFrozen)
                return (ContinuousClock.now - begin) / .seconds(1)
            }
        }
        let whole = try measure(keepsFrozen: false)
        let top = isVGG ? try measure(keepsFrozen: true) : []
        let peak =
            (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8))?.split(separator: "\n")
            .first { $0.hasPrefix("VmHWM") }.flatMap { Int($0.split(whereSeparator: { !$0.isNumber }).first ?? "") }
            ?? 0
        print("{\"network\": \"\(name)\", \"seconds\": \(whole), \"top\": \(top), \"peak_kib\": \(peak)}")
    }
}
