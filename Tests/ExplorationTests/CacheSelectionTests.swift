import Digests
import FeatureCache
import Foundation
import TestSupport
import Testing

@testable import Exploration

@Suite struct CacheSelectionTests {
    private func cache(recipes: [String], datasets: [String]) throws -> (CacheFile, ScratchFolder) {
        let scratch = ScratchFolder()
        let cache = try CacheFile(path: scratch.path + "/cache.sqlite")
        for (index, name) in recipes.enumerated() {
            let recipe = "{\"number\":\(index)}"
            _ = try cache.addExtraction(
                ExtractionRecord(
                    digest: hexDigest(Data(recipe.utf8)), name: name, backbone: "resnet\(18 + 16 * index)",
                    weights: "random",
                    weightsDigest: nil, tap: "pooled", imageSize: 32, maxFrames: 4, featureShape: [4], precision: "f32",
                    recipe: recipe, version: "test"))
        }
        for dataset in datasets {
            try cache.registerSamples([
                (
                    VideoRecord(digest: dataset, path: "a/\(dataset).mp4"),
                    SampleRecord(dataset: dataset, label: "a", split: "train", group: nil)
                )
            ])
        }
        return (cache, scratch)
    }

    @Test("the only recipe and data set need no name; several are asked for, with their names") func selects() throws {
        let (one, first) = try cache(recipes: ["mine"], datasets: ["clips"])
        let selection = try CacheSelection(one, recipe: nil, dataset: nil)
        #expect(selection.extraction.record.name == "mine" && selection.dataset == "clips")
        let (several, second) = try cache(recipes: ["mine", "yours"], datasets: ["clips", "more"])
        let recipes = #expect(throws: ExplorationError.self) {
            try CacheSelection(several, recipe: nil, dataset: "clips")
        }
        #expect(recipes?.localizedDescription.contains("mine (resnet18)") == true)
        #expect(throws: ExplorationError.severalDatasets(["clips", "more"])) {
            try CacheSelection(several, recipe: "yours", dataset: nil)
        }
        #expect(try CacheSelection(several, recipe: "resnet34", dataset: "more").extraction.record.name == "yours")
        #expect(throws: ExplorationError.unknownRecipe("no", available: ["mine", "yours"])) {
            try CacheSelection(several, recipe: "no", dataset: "clips")
        }
        let (empty, third) = try cache(recipes: [], datasets: [])
        #expect(throws: ExplorationError.unknownRecipe("", available: [])) {
            try CacheSelection(empty, recipe: nil, dataset: nil)
        }
        withExtendedLifetime([first, second, third]) {}
    }

    @Test("of several recipes of one name none is guessed; the beginning of a digest tells") func oneName() throws {
        let (cache, scratch) = try cache(recipes: ["mine", "mine", "mine"], datasets: ["clips"])
        let error = #expect(throws: ExplorationError.self) { try CacheSelection(cache, recipe: "mine", dataset: nil) }
        let stored = try cache.extractions()
        for recipe in stored {
            let digest = String(recipe.record.digest.prefix(12))
            #expect(error?.localizedDescription.contains(digest) == true)
            #expect(try CacheSelection(cache, recipe: digest, dataset: nil).extraction.id == recipe.id)
        }
        // Only one has features.
        try cache.store(
            SequenceRecord(frameIndices: [0], frameTimes: [0], decodeErrors: 0, features: [1, 2, 3, 4]),
            video: VideoRecord(digest: "clips", path: "a/clips.mp4"), extraction: stored[1].id, maxFrames: 4,
            featureSize: 4)
        #expect(try CacheSelection(cache, recipe: "mine", dataset: nil).extraction.id == stored[1].id)
        #expect(try CacheSelection(cache, recipe: nil, dataset: nil).extraction.id == stored[1].id)
        withExtendedLifetime(scratch) {}
    }
}
