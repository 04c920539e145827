import Datasets
import FeatureCache
import SequenceModels
import Testing
@testable import Exploration

@Suite struct SuspectedLabelsTests {
    /// Clips whose features are the sums of their labels' directions. `share`: of the pairs of a clip and a label, in
    /// which the label is added or removed; returned as `flips`.
    static func features(
        _ count: Int, labels: Int = 8, size: Int = 32, flipping share: Double
    ) -> (features: FeatureSet, flips: Set<[Int]>) {
        var generator = SplitMix64(seed: 3)
        func uniform() -> Float { Float.random(in: -1...1, using: &generator) }
        let directions = (0..<labels).map { _ in (0..<size).map { _ in uniform() } }
        var (rows, flips): ([Float], Set<[Int]>) = ([], [])
        let examples = (0..<count).map { index -> FeatureSet.Example in
            // The first label on half of the clips, the last on a twelfth.
            var own = Set(
                (0..<labels).filter { label in
                    Double.random(in: 0..<1, using: &generator) < 0.5 - 0.42 * Double(label) / Double(labels - 1)
                })
            let offset = (0..<size).map { _ in 0.8 * uniform() }
            for _ in 0..<2 {
                for place in 0..<size {
                    rows.append(own.reduce(offset[place]) { $0 + directions[$1][place] } + 0.05 * uniform())
                }
            }
            for label in 0..<labels where Double.random(in: 0..<1, using: &generator) < share {
                own.formSymmetricDifference([label])
                flips.insert([index, label])
            }
            return FeatureSet.Example(
                videoID: Int64(index + 1), path: "\(index).mp4", label: LabelSet.text(own.map { "l\($0)" }),
                split: "train", group: nil, length: 2, firstRow: 2 * index)
        }
        return (FeatureSet(examples: examples, featureSize: size, rows: rows), flips)
    }

    static func predictions(_ features: FeatureSet) throws -> CrossValidationResult {
        var training = TrainingConfiguration(
            model: HeadConfiguration(kind: .average), standardize: true, epochs: 30, validation: 0)
        training.optimizer.weightDecay = 1e-2
        training.task = .multilabel
        let validation = try CrossValidation(
            training, folds: 5, repeats: 1, features: features,
            input: .init(shape: [features.featureSize], maximumLength: 2))
        return CrossValidationResult(try (0..<5).compactMap { try validation.fit($0) }, of: validation)
    }

    @Test("of 5 % flipped labels most are found, missing ones and wrong ones, and most of the first findings are flips")
    func planted() throws {
        let (features, flips) = Self.features(400, flipping: 0.05)
        let vectors = try ClipVectors(features)
        let nearest = NearestNeighbors.all(vectors, count: SuspectedLabels.neighbors)
        let result = try Self.predictions(features)
        let found = SuspectedLabels.find(
            vectors, nearest: nearest,
            predictions: Dictionary(uniqueKeysWithValues: result.predictions.map { ($0.videoID, $0) }),
            labels: result.labels)
        func isFlip(_ entry: SuspectedLabel) -> Bool {
            flips.contains([entry.index, Int(entry.label.dropFirst()) ?? -1])
        }
        let right = found.filter(isFlip)
        let (missing, first) = (right.count(where: \.isMissing), found.prefix(flips.count).count(where: isFlip))
        // A flipped label that the clip has now was added.
        let added = flips.count { flip in
            LabelSet.names(features.examples[flip[0]].label)?.contains("l\(flip[1])") == true
        }
        let numbers: Comment = """
            \(flips.count) flips: \(right.count) found, \(missing) of \(flips.count - added) missing, \
            \(right.count - missing) of \(added) wrong, \(first) among the first \(flips.count) of \(found.count), \
            mAP \(result.metrics.score)
            """
        #expect(Double(first) >= 0.8 * Double(flips.count), numbers)
        #expect(Double(missing) >= 0.7 * Double(flips.count - added), numbers)
        #expect(Double(right.count - missing) >= 0.7 * Double(added), numbers)
        #expect(found.map(\.score) == found.map(\.score).sorted(by: >))
        for entry in found {
            let names = LabelSet.names(features.examples[entry.index].label) ?? []
            #expect(entry.isMissing != names.contains(entry.label) && (0...1).contains(entry.score))
        }
    }

    @Test("labels that no clip has, equal probabilities, and predictions of another size suspect nothing")
    func nothing() throws {
        let (features, _) = Self.features(40, flipping: 0)
        let vectors = try ClipVectors(features)
        let nearest = NearestNeighbors.all(vectors, count: 10)
        func find(_ labels: [String], _ probabilities: [Double]) -> [SuspectedLabel] {
            let predictions = features.examples.map {
                PredictionRecord(
                    videoID: $0.videoID, split: "test", label: $0.label, predicted: "[]", probability: 0,
                    probabilities: probabilities)
            }
            return SuspectedLabels.find(
                vectors, nearest: nearest,
                predictions: Dictionary(uniqueKeysWithValues: predictions.map { ($0.videoID, $0) }), labels: labels)
        }
        #expect(find(["unknown"], [0.9]).isEmpty && find(["l0"], [0.5]).isEmpty)
        #expect(find(["l0", "l1"], [0.5]).isEmpty && find([], []).isEmpty)
        #expect(SuspectedLabels.find(vectors, nearest: nearest, predictions: [:], labels: ["l0"]).isEmpty)
    }
}
