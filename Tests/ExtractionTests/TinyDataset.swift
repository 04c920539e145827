import Backbones
import Datasets
import FeatureCache
import Foundation
import TestSupport
import Testing
@testable import Extraction

/// A data set of tiny uncompressed clips in a separate folder.
final class TinyDataset {
    private let scratch = ScratchFolder()
    var path: String { scratch.path }
    var root: String { path + "/clips" }

    init(clips: Int = 4) throws {
        for index in 0..<clips {
            try add("\(["jump", "run"][index % 2])/clip \(index).y4m", TinyClip.numbered(index, frames: 3 + index % 4))
        }
    }

    func add(_ name: String, _ data: Data) throws { try scratch.file("clips/" + name, data) }

    var configuration: ExtractionConfiguration {
        ExtractionConfiguration(
            backbone: Backbone.named("resnet18")!, weights: .random, tap: "pooled", imageSize: 32,
            sampling: .uniform(frames: 5))
    }

    func extractor(workers: Int = 2) -> Extractor {
        var extractor = Extractor(
            name: "tiny", dataset: DatasetConfiguration(layout: .folders, root: root), configurations: [configuration],
            workers: workers, version: "test")
        extractor.tuning = nil
        return extractor
    }

    func cache(_ name: String = "cache") throws -> CacheFile { try CacheFile(path: "\(path)/\(name).sqlite") }
}

extension CacheFile {
    func rowsByPath(dataset: String = "clips") throws -> [String: [Float]] {
        let features = try features(dataset: dataset, extraction: try #require(extractions().first).id)
        return Dictionary(
            uniqueKeysWithValues: features.examples.map { example in
                let start = example.firstRow * features.featureSize
                return (example.path, Array(features.rows[start..<start + example.length * features.featureSize]))
            })
    }
}
