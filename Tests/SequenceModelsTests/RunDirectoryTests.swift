import Digests
import FeatureCache
import Foundation
import NeuralNetwork
import TestSupport
import Testing
import Training
@testable import SequenceModels

@Suite struct RunDirectoryTests {
    private let scratch = ScratchFolder()
    private var folder: String { scratch.path + "/run" }

    /// Trains a head briefly and saves it.
    private static func save(
        _ features: FeatureSet, in directory: RunDirectory
    ) throws -> (result: Trainer.Result, configuration: RunDirectory.Configuration) {
        let training = OrderProblem.training(.bilstm, epochs: 2)
        let (result, _, _) = try OrderProblem.train(training, features)
        let configuration = RunDirectory.Configuration(
            name: "r", version: "1", labels: result.head.labels, input: .init(shape: [4], maximumLength: 8),
            training: training, recipe: "{}", recipeDigest: hexDigest(Data("{}".utf8)), weights: "random", cache: "c",
            dataset: "x", bestEpoch: 1)
        try directory.save(result.head, configuration)
        return (result, configuration)
    }

    @Test("a run with impossible sizes, recipe or weights is rejected, and non-finite outputs are an error")
    func impossible() throws {
        let directory = RunDirectory(path: folder)
        let features = OrderProblem.features(24)
        let (result, configuration) = try Self.save(features, in: directory)
        func reason(_ change: (inout RunDirectory.Configuration) -> Void) throws -> String? {
            var changed = configuration
            change(&changed)
            try directory.save(result.head, changed)
            return #expect(throws: SequenceError.self) { _ = try directory.load() }?.localizedDescription
        }
        #expect(try reason { $0.input.maximumLength = -1 }?.contains("`input.maximumLength` is -1") == true)
        #expect(try reason { $0.input.shape = [1 << 40] }?.contains("`input.shape.0` is 1099511627776") == true)
        #expect(try reason { $0.recipe = "{ }" }?.contains("recipe in its config.json") == true)
        try directory.save(result.head, configuration)
        var tensors = result.head.parameters.tensors
        func write(_ values: [Float]) throws {
            tensors["fc.bias"] = Tensor(shape: [2], values: values)
            try SafeTensorsWriter.write(tensors, to: folder + "/model.safetensors")
        }
        try write([.nan, 0])
        #expect(refusal(of: SequenceError.self) { try directory.load() }.contains("NaN or infinity"))
        let weights = try #require(tensors["fc.weight"])
        tensors["fc.weight"] = Tensor(shape: weights.shape, values: weights.values.map { _ in 3e38 })
        try write([3e38, 3e38])
        #expect(throws: SequenceError.noProbabilities) {
            _ = try directory.load().head.probabilities(of: Array(features.rows[0..<12]))
        }
    }

    @Test("a head gives bit-identical probabilities after saving and loading") func roundTrip() throws {
        let features = OrderProblem.features(24)
        let directory = RunDirectory(path: folder + "/it's a run")
        #expect(!directory.exists)
        let (result, configuration) = try Self.save(features, in: directory)
        #expect(directory.exists)
        let (head, loaded) = try directory.load()
        #expect(loaded.training == configuration.training)
        #expect(head.labels == ["down", "up"])
        let rows = Array(features.rows[0..<12])
        #expect(try head.probabilities(of: rows) == result.head.probabilities(of: rows))
    }

    @Test("a missing or damaged run is an error that says so") func damaged() throws {
        #expect(throws: SequenceError.self) { try RunDirectory(path: folder).load() }
        try scratch.file("run/config.json", "{")
        #expect(throws: SequenceError.self) { try RunDirectory(path: folder).load() }
    }
}
