import Exploration
import FeatureCache
import NeuralNetwork

/// Clips a second that an exact search looks at, and bytes.
enum SearchBenchmark {
    static func run(clips: Int, size: Int) throws {
        let rows = RandomParameters().uniform("rows", count: clips * size)
        let examples = (0..<clips).map {
            FeatureSet.Example(
                videoID: Int64($0), path: "\($0)", label: "a", split: "train", group: nil, length: 1, firstRow: $0)
        }
        let vectors = try ClipVectors(FeatureSet(examples: examples, featureSize: size, rows: rows))
        let search = NeighborSearch(vectors)
        let query = Array(vectors.rows[0..<size])
        var seconds: [Double] = []
        for _ in 0..<9 {
            let begin = ContinuousClock.now
            let found = search.nearest(to: query, count: 10)
            seconds.append((ContinuousClock.now - begin) / .seconds(1))
            if found.first?.index != 0 { print("the clip itself was not found") }
        }
        let median = seconds.sorted()[4]
        print(
            "{\"clips\": \(clips), \"features\": \(size), \"seconds\": \(median), \"clips_per_second\": "
                + "\(Double(clips) / median), \"gigabytes_per_second\": \(Double(clips * size * 4) / median / 1e9)}")
    }
}
