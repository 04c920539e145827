import Datasets
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels
import Threads
import Training
import Video

/// Clips in which two actions occur independently, one in each half of the picture, drawn as those of `zoetrope demo`:
/// `clips/NNN.mp4`, and `list.csv` with their labels. An action and the same one backwards have the same mean frame.
enum LabelClips {
    private static let halves: [[DemoAction]] = [[.grow, .shrink], [.brighten, .darken]]

    static func write(to folder: String, count: Int) throws {
        try FileManager.default.createDirectory(atPath: folder + "/clips", withIntermediateDirectories: true)
        var generator = SplitMix64(seed: 1)
        var lines = ["path,labels,split"]
        let clips = (0..<count).map { index -> (path: String, scenes: [DemoScene?]) in
            let path = String(format: "%03d.mp4", index)
            // Each half has nothing in a third of the clips.
            let actions = halves.map { pair -> DemoAction? in
                let state = Int.random(in: 0..<3, using: &generator)
                return state < 2 ? pair[state] : nil
            }
            let names = actions.compactMap { $0?.rawValue }.joined(separator: "|")
            lines.append("\(path),\(names),\(index % 3 == 0 ? "test" : "train")")
            return (path, actions.map { action in action.map { DemoScene($0, seed: generator.next()) } })
        }
        try lines.joined(separator: "\n").write(toFile: folder + "/list.csv", atomically: true, encoding: .utf8)
        try runJobs(count: clips.count, workers: ProcessInfo.processInfo.activeProcessorCount) {
            { index in
                try MovieWriter.write(
                    frames: (0..<DemoScene.frameCount).lazy.map { frame(clips[index].scenes, $0, clip: index) },
                    width: DemoScene.width, height: DemoScene.height, frameRate: DemoScene.frameRate,
                    to: folder + "/clips/" + clips[index].path)
            }
        } consume: { _, _ in
        }
    }

    /// Every second column of each scene side by side; an absent one is dark, with a grain of its own in each clip.
    private static func frame(_ scenes: [DemoScene?], _ index: Int, clip: Int) -> [UInt8] {
        let half = DemoScene.width / 2
        let images = scenes.map { $0?.frame(index) }
        var grain = SplitMix64(seed: UInt64(clip * DemoScene.frameCount + index))
        return (0..<DemoScene.height).flatMap { y in
            images.flatMap { image in
                (0..<half).flatMap { x -> [UInt8] in
                    guard let image else {
                        return (0..<3).map { _ in UInt8(16 + grain.next() % 9) }
                    }
                    let place = (y * DemoScene.width + 2 * x) * 3
                    return Array(image[place..<place + 3])
                }
            }
        }
    }
}

/// Labels that are independent of the features: the average precision of held-out clips must be that of a random order.
enum NoiseBenchmark {
    private static let clips = 240, size = 8, shares = [0.1, 0.3, 0.5]

    static func run(seeds: Int) throws {
        var precisions = shares.map { _ in [Double]() }, expected = precisions
        var covered = 0
        for seed in 0..<seeds {
            let features = features(seed: UInt64(seed))
            var training = TrainingConfiguration(model: HeadConfiguration(kind: .gru, hidden: [8]), epochs: 10)
            (training.task, training.seed) = (.multilabel, seed)
            let partition = Partition(features, validation: 0.2, seed: seed, task: .multilabel)
            let head = try Trainer(training, threads: 1).train(features, partition).head
            let evaluation = try Evaluation(head, features, partition.test, split: .test)
            guard let metrics = evaluation.metrics?.labels else { continue }
            for label in shares.indices {
                guard let value = metrics.averagePrecision[label] else { continue }
                precisions[label].append(value)
                expected[label].append(random(positives: metrics.positives[label], of: metrics.count))
            }
            let interval = Comparison.interval(
                evaluation.predictions, labels: head.labels, task: .multilabel, groups: [:])
            let base = expected.reduce(0) { $0 + ($1.last ?? 0) } / Double(shares.count)
            if interval.lower <= base, base <= interval.upper { covered += 1 }
        }
        for label in shares.indices {
            let (mean, deviation) = Statistics.meanAndStandardDeviation(precisions[label])
            let error = 1.96 * (deviation ?? 0) / Double(precisions[label].count).squareRoot()
            let base = expected[label].reduce(0, +) / Double(max(1, expected[label].count))
            print(
                String(
                    format: "{\"share\": %.1f, \"precision\": %.3f, \"error\": %.3f, \"random order\": %.3f}",
                    shares[label], mean, error, base))
        }
        print("{\"seeds\": \(seeds), \"intervals that contain a random order's mAP\": \(covered)}")
    }

    /// Expected average precision of a random order.
    private static func random(positives: Int, of count: Int) -> Double {
        // At rank k a clip is positive with the share p, and then k − 1 others have the share (m − 1) / (n − 1).
        let (n, m) = (Double(count), Double(positives))
        let harmonic = (1...count).reduce(0) { $0 + 1 / Double($1) }
        return ((m - 1) / (n - 1) * (n - harmonic) + harmonic) / n
    }

    private static func features(seed: UInt64) -> FeatureSet {
        var generator = SplitMix64(seed: seed &+ 1000)
        let rows = (0..<clips * 6 * size).map { _ in Float.random(in: -1...1, using: &generator) }
        let examples = (0..<clips).map { index in
            let names = shares.indices.filter { Double.random(in: 0..<1, using: &generator) < shares[$0] }
            return FeatureSet.Example(
                videoID: Int64(index), path: "\(index)", label: LabelSet.text(names.map { "label \($0)" }),
                split: index % 2 == 0 ? "test" : "train", group: nil, length: 6, firstRow: index * 6)
        }
        return FeatureSet(examples: examples, featureSize: size, rows: rows)
    }
}
