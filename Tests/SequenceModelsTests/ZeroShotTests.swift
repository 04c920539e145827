import FeatureCache
import Foundation
import Testing
@testable import SequenceModels

@Suite struct ZeroShotTests {
    /// Vectors of three classes, and clips whose frames are around them, with any norm.
    static let texts = ClassTexts(
        vectors: ["run": [1, 0, 0, 0], "jump": [0, 0.6, 0.8, 0], "sit": [0, 0, 0, 1]], scale: 20, bias: -3)

    static func features(splits: [String] = ["train", "test"]) -> FeatureSet {
        var rows: [Float] = [], examples: [FeatureSet.Example] = []
        for (number, label) in ["run", "jump", "sit", "run", "jump", "sit", "run", "jump"].enumerated() {
            let length = 1 + number % 3
            examples.append(
                .init(
                    videoID: Int64(number), path: "\(number)", label: label, split: splits[number % splits.count],
                    group: nil, length: length, firstRow: rows.count / 4))
            for frame in 0..<length {
                rows += (texts.vectors[label] ?? []).enumerated().map { place, value in
                    (value + 0.3 * Float((number * 7 + frame * 3 + place * 5) % 4 - 1)) * Float(1 + frame)
                }
            }
        }
        return FeatureSet(examples: examples, featureSize: 4, rows: rows)
    }

    static func trained(_ kind: HeadConfiguration.Kind, _ features: FeatureSet, epochs: Int) throws -> Head {
        var training = TrainingConfiguration(model: HeadConfiguration(kind: kind), epochs: epochs, validation: 0)
        training.optimizer.learningRate = 0.05
        training.texts = texts
        return try Trainer(training).train(features, Partition(features, validation: 0, seed: 1)).head
    }

    /// Softmax of scale · cosine with the mean direction, computed directly.
    static func expected(_ rows: [[Float]], _ labels: [String]) -> [Double] {
        func unit(_ vector: [Double]) -> [Double] {
            let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return vector.map { $0 / length }
        }
        let units = rows.map { unit($0.map(Double.init)) }
        let mean = unit((0..<4).map { place in units.reduce(0) { $0 + $1[place] } / Double(units.count) })
        let scores = labels.map { label in
            exp(20 * zip(mean, texts.vectors[label] ?? []).reduce(0) { $0 + $1.0 * Double($1.1) } - 3)
        }
        return scores.map { $0 / scores.reduce(0, +) }
    }

    @Test("probabilities of a zero-shot head equal those of the mean direction, and nothing is trained")
    func probabilities() throws {
        let features = Self.features()
        let head = try Self.trained(.zeroShot, features, epochs: 0)
        #expect(head.labels == ["jump", "run", "sit"])
        for example in features.examples {
            let rows = (0..<example.length).map { frame in
                let first = (example.firstRow + frame) * 4
                return Array(features.rows[first..<first + 4])
            }
            let own = try head.probabilities(of: rows.flatMap { $0 })
            let expected = Self.expected(rows, head.labels)
            #expect(zip(own, expected).allSatisfy { abs(Double($0) - $1) < 1e-6 })
        }
    }

    @Test("a zero-shot head needs no training clips, and has all classes") func withoutTraining() throws {
        let head = try Self.trained(.zeroShot, Self.features(splits: ["test"]), epochs: 0)
        #expect(head.labels == ["jump", "run", "sit"])
        #expect(throws: SequenceError.noText(label: "swim")) { _ = try Self.texts.parameters(["run", "swim"]) }
    }

    @Test("a linear probe is initialised from the zero-shot head and trained further") func probe() throws {
        let features = Self.features()
        let zero = try Self.trained(.zeroShot, features, epochs: 0)
        let begun = try Self.trained(.linearProbe, features, epochs: 0)
        #expect(begun.parameters.tensors["fc.weight"] == zero.parameters.tensors["fc.weight"])
        let probe = try Self.trained(.linearProbe, features, epochs: 40)
        func loss(_ head: Head) throws -> Double {
            let train = features.examples.indices.filter { features.examples[$0].split == "train" }
            return try Evaluation(head, features, train, split: .train).metrics?.loss ?? .infinity
        }
        #expect(try loss(probe) < loss(begun) / 2)
    }
}
