import Digests
import Foundation
import GRDB
import TestSupport
@testable import FeatureCache

enum Example {
    /// - Parameter recipe: represents the complete recipe, whose digest is the record's.
    static func extraction(
        _ name: String = "tiny", recipe: String = "d1", maxFrames: Int = 4, elementType: StoredType = .float32
    ) -> ExtractionRecord {
        ExtractionRecord(
            digest: hexDigest(Data(recipe.utf8)), name: name, backbone: "resnet18", weights: "random",
            weightsDigest: nil, tap: "pooled", imageSize: 64, maxFrames: maxFrames, featureShape: [3],
            elementType: elementType, precision: "f32", recipe: recipe, version: "test")
    }

    static func video(_ name: String) -> VideoRecord {
        VideoRecord(
            digest: hexDigest(Data(name.utf8)), path: name,
            details: .init(width: 8, height: 6, frameCount: 50, frameRate: 25, duration: 2, codec: "h264"))
    }

    static func sequence(length: Int = 2, start: Float = 1, view: Int = 0) -> SequenceRecord {
        SequenceRecord(
            view: view, frameIndices: (0..<length).map { $0 * 5 }, frameTimes: (0..<length).map { Double($0) * 0.2 },
            decodeErrors: 0, features: (0..<length * 3).map { start + Float($0) })
    }

    /// A cache with two videos of two labels under one recipe.
    static func cache(
        in folder: ScratchFolder, as type: StoredType = .float32
    ) throws -> (cache: CacheFile, extraction: Int64) {
        let cache = try CacheFile(path: folder.path + "/cache.sqlite")
        let id = try cache.addExtraction(extraction(elementType: type))
        let samples = [("b.mp4", "run", "train"), ("a.mp4", "it's \"odd\" ✓", "test")]
        try cache.registerSamples(
            samples.map { name, label, split in
                (video(name), SampleRecord(dataset: "demo", label: label, split: split, group: nil))
            })
        for (index, sample) in samples.enumerated() {
            try cache.store(
                sequence(length: index + 2, start: Float(10 * index)), video: video(sample.0), extraction: id,
                maxFrames: 4, featureSize: 3, as: type)
        }
        return (cache, id)
    }

    static let epoch = EpochRecord(
        epoch: 1, learningRate: 0.1, trainLoss: 2, trainAccuracy: 0.5, validationLoss: nil, validationAccuracy: nil,
        seconds: 0.01)

    static func prediction(_ video: Int64 = 1, label: String = "run", _ predicted: String = "run") -> PredictionRecord {
        PredictionRecord(
            videoID: video, split: "test", label: label, predicted: predicted, probability: 0.75,
            probabilities: [0.25, 0.75])
    }

    static func alter(_ path: String, _ sql: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.write { try $0.run(sql) }
        try queue.close()
    }

    /// A cache of some of the videos `v0`, `v1`, …, of which the first is in group `g`.
    static func cache(
        _ name: String, _ videos: Range<Int>, start: Float = 0, label: String = "run", in folder: ScratchFolder
    ) throws -> CacheFile {
        let cache = try CacheFile(path: "\(folder.path)/\(name).sqlite")
        let id = try cache.addExtraction(extraction())
        for index in videos {
            let video = video("v\(index).mp4")
            try cache.register(video, label: label, group: index == 0 ? "g" : nil)
            try cache.store(
                sequence(length: index % 4 + 1, start: start + Float(index)), video: video, extraction: id,
                maxFrames: 4, featureSize: 3)
        }
        return cache
    }
}

extension CacheFile {
    func addRun(_ name: String = "r", _ extraction: Int64 = 1, dataset: String = "demo", seed: Int = 1) throws -> Int64
    {
        try addRun(
            name: name, extraction: extraction, dataset: dataset, model: "gru 8", configuration: "{}", seed: seed)
    }

    @discardableResult func register(
        _ video: VideoRecord, dataset: String = "demo", label: String = "run", split: String = "train",
        group: String? = nil
    ) throws -> Int64 {
        try registerSamples([(video, SampleRecord(dataset: dataset, label: label, split: split, group: group))])[0]
    }
}
