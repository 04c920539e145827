import FeatureCache
import NeuralNetwork

/// Random features of clips of 5 to 20 frames, as in the peers' scripts.
enum GeneratedFeatures {
    static func make(clips: Int, size: Int, classes: Int) -> FeatureSet {
        let random = RandomParameters()
        let lengths = random.uniform("lengths", count: clips).map { 5 + Int($0 * 16) }
        let rows = random.uniform("rows", count: lengths.reduce(0, +) * size)
        var first = 0
        let examples = lengths.enumerated().map { index, length in
            defer { first += length }
            return FeatureSet.Example(
                videoID: Int64(index), path: "\(index)", label: "class \(index % classes)", split: "train", group: nil,
                length: length, firstRow: first)
        }
        return FeatureSet(examples: examples, featureSize: size, rows: rows)
    }
}
