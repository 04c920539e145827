import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels

/// Seconds an epoch of a published head on generated features, as `sequence` trains it.
enum HeadBenchmark {
    static func run(_ name: String, epochs: Int) throws {
        let isGRU = name == "gru"
        let (count, size, classes) = isGRU ? (594, 2048, 5) : (1024, 2048, 101)
        let model =
            isGRU
            ? HeadConfiguration(kind: .gru, hidden: [16, 8], dropout: 0.4, dense: 8)
            : HeadConfiguration(kind: .bilstm, hidden: [256, 256], projection: 512)
        let features = GeneratedFeatures.make(clips: count, size: size, classes: classes)
        let configuration = TrainingConfiguration(
            model: model, batchSize: isGRU ? 64 : 32, epochs: epochs, validation: 0)
        var seconds: [Double] = []
        var hooks = Trainer.Hooks()
        hooks.report = { seconds.append($0.seconds) }
        let threads = ProcessInfo.processInfo.activeProcessorCount
        _ = try Trainer(configuration, threads: threads).train(
            features, Partition(features, validation: 0, seed: 1), hooks: hooks)
        print("{\"head\": \"\(name)\", \"seconds\": \(seconds), \"rows\": \(features.rows.count / size)}")
    }
}
