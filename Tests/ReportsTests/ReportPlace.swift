import Backbones
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels
import TestSupport
import Video

final class ReportPlace {
    let scratch: ScratchFolder
    let cache: CacheFile
    let labels: [String]
    var path: String { scratch.path }
    private var clips: [(id: Int64, label: String, split: String)] = []
    private let recipe: ExtractionRecipe

    /// `perClass`: clips of each class in train, validation and test. `files`: how many of the clips exist as
    /// files.
    init(_ labels: [String], perClass: [String: Int], files: Int = 0) throws {
        scratch = ScratchFolder()
        self.labels = labels.sorted()
        cache = try CacheFile(path: scratch.path + "/cache.sqlite")
        recipe = try ExtractionRecipe(
            ExtractionConfiguration(
                backbone: Backbone.named("resnet18")!, weights: .random, tap: "pooled", imageSize: 32,
                sampling: .uniform(frames: 4)), LoadedWeights(.random, for: nil))
        let extraction = try cache.addExtraction(
            ExtractionRecord(
                digest: recipe.digest, name: "x", backbone: "resnet18", weights: "random", weightsDigest: nil,
                tap: "pooled", imageSize: 32, maxFrames: 4, featureShape: [2], precision: "f32", recipe: recipe.json,
                version: "test"))
        var samples: [(VideoRecord, SampleRecord)] = []
        for label in self.labels {
            for (split, count) in perClass.sorted(by: { $0.key < $1.key }) {
                for _ in 0..<count {
                    let number = samples.count
                    var video = VideoRecord(digest: "\(number)", path: "\(number).y4m")
                    if number < files {
                        let path = try scratch.file("clips/\(number).y4m", TinyClip.numbered(number))
                        video = VideoRecord(digest: try FileDigest.clip(path: path), path: video.path)
                    }
                    samples.append((video, SampleRecord(dataset: "set", label: label, split: split, group: nil)))
                }
            }
        }
        try cache.registerSamples(samples)
        for (number, (video, sample)) in samples.enumerated() {
            // Rows are numbered in the order of the samples.
            clips.append((Int64(number + 1), sample.label, sample.split))
            guard number < 40 else { continue }
            try cache.store(
                SequenceRecord(
                    frameIndices: [0, 2, 3, 5], frameTimes: [0, 0.08, 0.12, 0.2], decodeErrors: 0,
                    features: (0..<8).map { Float(($0 * 7 + number) % 5) }),
                video: video, extraction: extraction, maxFrames: 4, featureSize: 2)
        }
    }

    /// - Parameter wrong: which clips are predicted as the next class.
    func run(
        _ name: String, kind: HeadConfiguration.Kind = .average, validated: Bool = true, epochs: Int = 5,
        wrong: (Int) -> Bool
    ) throws -> RunDirectory {
        let input = HeadConfiguration.Input(shape: [2], maximumLength: 4)
        let training = TrainingConfiguration(model: HeadConfiguration(kind: kind, hidden: [3]))
        let head = try Head(
            training.model, labels: labels, input: input, standardization: nil, from: RandomParameters())
        var configuration = RunDirectory.Configuration(
            name: name, version: "test", labels: labels, input: input, training: training, recipe: recipe.json,
            recipeDigest: recipe.digest, weights: "random", cache: cache.path, dataset: "set",
            bestEpoch: validated ? 3 : 0)
        configuration.root = scratch.path + "/clips"
        let directory = RunDirectory(path: "\(scratch.path)/runs/\(name)")
        try directory.save(head, configuration)
        let run = try cache.addRun(
            name: name, extraction: 1, dataset: "set", model: training.model.summary, configuration: "{}", seed: 1)
        for epoch in 0..<epochs {
            try cache.addEpoch(
                EpochRecord(
                    epoch: epoch + 1, learningRate: 1e-3, trainLoss: 2 / Double(epoch + 1), trainAccuracy: 0.5,
                    validationLoss: validated ? 3 / Double(epoch + 1) : nil, validationAccuracy: validated ? 0.4 : nil,
                    seconds: 0.5), run: run)
        }
        try cache.store(
            clips.compactMap { clip in
                ClipRole(rawValue: clip.split).map { MembershipRecord(videoID: clip.id, role: $0) }
            }, run: run)
        let places = Dictionary(uniqueKeysWithValues: labels.enumerated().map { ($1, $0) })
        try cache.store(
            clips.enumerated().map { number, clip in
                let own = places[clip.label] ?? 0
                let said = wrong(number) ? (own + 1) % labels.count : own
                let sure = 0.5 + 0.4 * Double(number % 10) / 10
                let others = (1 - sure) / Double(max(1, labels.count - 1))
                return PredictionRecord(
                    videoID: clip.id, split: clip.split, label: clip.label, predicted: labels[said], probability: sure,
                    probabilities: labels.indices.map { $0 == said ? sure : others })
            }, run: run)
        try cache.finishRun(run, state: .finished)
        return directory
    }
}
