import Backbones
import Digests
import FeatureCache
import Foundation
import NeuralNetwork
import TestSupport
import Testing
@testable import Extraction

@Suite struct StoredRecipeTests {
    private let dataset: TinyDataset
    private let cache: CacheFile

    init() throws {
        dataset = try TinyDataset(clips: 2)
        cache = try dataset.cache()
    }

    private func write(_ name: String, seed: UInt64) throws -> String {
        let graph = try #require(Backbone.named("small_cnn")).graph(imageSize: 48)
        let random = RandomParameters(seed: seed)
        let tensors = Dictionary(uniqueKeysWithValues: graph.parameters.map { ($0.name, random.tensor(for: $0)) })
        let path = dataset.path + "/" + name
        try? FileManager.default.removeItem(atPath: path)
        try SafeTensorsWriter.write(tensors, to: path)
        return path
    }

    private func configuration(_ path: String) throws -> ExtractionConfiguration {
        var configuration = dataset.configuration
        configuration.backbone = try #require(Backbone.named("small_cnn"))
        configuration.weights = .file(path)
        return configuration
    }

    private func extract(_ path: String) throws {
        var extractor = dataset.extractor()
        extractor.configurations = [try configuration(path)]
        _ = try extractor.run(into: cache) { _ in }
    }

    /// A file with two backbones, a student and its teacher.
    private func writePair(_ name: String) throws -> String {
        let graph = try #require(Backbone.named("small_cnn")).graph(imageSize: 48)
        var tensors: [String: Tensor] = [:]
        for (part, seed) in [("student", 1), ("teacher", 2)] as [(String, UInt64)] {
            let random = RandomParameters(seed: seed)
            for parameter in graph.parameters {
                tensors["\(part).module.\(parameter.name)"] = random.tensor(for: parameter)
            }
        }
        let path = dataset.path + "/" + name
        try SafeTensorsWriter.write(tensors, to: path)
        return path
    }

    @Test("several backbones in one file have separate recipes, and each is found by its name, or as the default")
    func parts() throws {
        let path = try writePair("pair.safetensors")
        func chosen(_ part: String?) throws -> ExtractionConfiguration {
            var configuration = try configuration(path)
            configuration.weights = .file(path, part: part)
            return configuration
        }
        for part in [nil, "student", "teacher"] {
            var extractor = dataset.extractor()
            extractor.configurations = [try chosen(part)]
            var notes: [String] = []
            _ = try extractor.run(into: cache) { if case .note(let note) = $0 { notes.append(note) } }
            let chooses = notes.contains { $0.contains("`teacher.module` is used, not `student.module`") }
            #expect(chooses == (part == nil), "\(notes)")
        }
        let recipes = try cache.extractions().sorted { $0.id < $1.id }.map {
            try ExtractionRecipe(json: $0.record.recipe)
        }
        #expect(recipes.map(\.part) == ["teacher.module", "student.module"], "the default and `teacher` are the same")
        #expect(recipes[0].weights == recipes[1].weights)
        for (part, id) in [(nil, 1), ("teacher", 1), ("student", 2), ("student.module", 2)] as [(String?, Int64)] {
            #expect(try chosen(part).stored(in: cache)?.id == id)
        }
        #expect(throws: WeightsError.self) { try chosen("nobody").stored(in: cache) }
        // The weights that a recipe names are read again.
        for (recipe, seed) in zip(recipes, [2, 1] as [UInt64]) {
            let weights = try LoadedWeights(of: recipe, file: path)
            let parameter = try #require(recipe.graph().parameters.first)
            #expect(try weights.source.tensor(for: parameter) == RandomParameters(seed: seed).tensor(for: parameter))
        }
        // A file with one backbone has no such key: its recipes are those of earlier versions.
        let single = try write("single.safetensors", seed: 1)
        let json = try ExtractionRecipe(configuration(single), LoadedWeights(.file(single), for: nil)).json
        #expect(!json.contains("part") && !json.contains("grid"))
    }

    @Test(
        "position embeddings of another grid are interpolated once, to the requested size"
    )
    func grid() throws {
        let backbone = try #require(Backbone.named("vit_tiny_16"))
        let random = RandomParameters(seed: 1)
        let graph = backbone.graph(imageSize: 224).learned(onGrid: 24)
        let tensors = Dictionary(uniqueKeysWithValues: graph.parameters.map { ($0.name, random.tensor(for: $0)) })
        #expect(tensors["pos_embed"]?.shape == [1, 577, 192])
        let path = dataset.path + "/vit384.safetensors"
        try SafeTensorsWriter.write(tensors, to: path)
        var configuration = try configuration(path)
        (configuration.backbone, configuration.imageSize) = (backbone, 224)
        let weights = try LoadedWeights(configuration.weights, for: backbone)
        let recipe = try ExtractionRecipe(configuration, weights)
        #expect(try recipe.graph() == graph)
        #expect(recipe.json.contains(#""grid":24"#))
        #expect(throws: Never.self) { try weights.validate(for: graph.parameters(for: "pooled")) }
        #expect(configuration.notes(on: weights).contains { $0.contains("write `extract.image_size: 384`") })
        configuration.imageSize = 384
        #expect(!configuration.notes(on: weights).contains { $0.contains("image_size") })
    }

    @Test("after a weight file was replaced, its path refers to features of the new content") func replaced() throws {
        let path = try write("current.safetensors", seed: 1)
        try extract(path)
        _ = try write("current.safetensors", seed: 2)
        try extract(path)
        let second = try #require(try configuration(path).stored(in: cache))
        _ = try write("current.safetensors", seed: 1)
        let first = try #require(try configuration(path).stored(in: cache))
        #expect(first.id == 1 && second.id == 2)
        #expect(first.record.weightsDigest != second.record.weightsDigest)
        _ = try write("current.safetensors", seed: 3)
        #expect(throws: StoredRecipeError.self) { try configuration(path).stored(in: cache) }
    }

    @Test("training does not use the features of another weight file instead of the named one") func otherFile() throws
    {
        let path = try write("one.safetensors", seed: 1)
        try extract(path)
        let other = try write("other.safetensors", seed: 2)
        let text = refusal(of: StoredRecipeError.self) { try configuration(other).stored(in: cache) }
        #expect(text.contains("has no features of \(other)") && text.contains("one.safetensors (SHA-256 "), "\(text)")
        // The same bytes under another name are the same weights.
        let copy = dataset.path + "/copy.safetensors"
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        #expect(try configuration(copy).stored(in: cache)?.id == 1)
    }

    @Test("if a weight file was deleted, its only features are used; several are listed, and another name is rejected")
    func missingFile() throws {
        let path = try write("gone.safetensors", seed: 1)
        try extract(path)
        try FileManager.default.removeItem(atPath: path)
        #expect(try configuration(path).stored(in: cache)?.id == 1)
        #expect(try configuration("elsewhere/gone.safetensors").stored(in: cache)?.id == 1)
        #expect(throws: StoredRecipeError.self) { try configuration("nobody.safetensors").stored(in: cache) }
        _ = try write("gone.safetensors", seed: 2)
        try extract(path)
        try FileManager.default.removeItem(atPath: path)
        let error = #expect(throws: StoredRecipeError.self) { try configuration(path).stored(in: cache) }
        let digests = try cache.extractions().compactMap { $0.record.weightsDigest?.prefix(12) }
        #expect(digests.count == 2)
        for digest in digests { #expect(error?.localizedDescription.contains(digest) == true) }
    }

    @Test("a recipe without features, such as fine-tuning registers, does not hide one with features")
    func emptyRecipe() throws {
        let path = try write("base.safetensors", seed: 1)
        try extract(path)
        let record = try #require(try cache.extractions().first).record
        let recipe = record.recipe.replacing(record.weightsDigest ?? "", with: String(repeating: "0", count: 64))
        _ = try cache.addExtraction(
            ExtractionRecord(
                digest: hexDigest(Data(recipe.utf8)), name: "tuned", backbone: record.backbone,
                weights: "runs/x/backbone/model.safetensors", weightsDigest: String(repeating: "0", count: 64),
                tap: record.tap, imageSize: record.imageSize, maxFrames: record.maxFrames,
                featureShape: record.featureShape, precision: record.precision, recipe: recipe, version: "test"))
        #expect(try configuration(path).stored(in: cache)?.id == 1)
        try FileManager.default.removeItem(atPath: path)
        #expect(try configuration(path).stored(in: cache)?.id == 1)
    }
}
