import FeatureCache
import SequenceModels
import Testing

@testable import Exploration

@Suite struct ClipVectorsTests {
    private static func features(_ rows: [Float]) -> FeatureSet {
        let examples = (0..<rows.count / 2).map { index in
            FeatureSet.Example(
                videoID: Int64(index), path: "clip\(index)", label: "run", split: "train", group: nil, length: 1,
                firstRow: index)
        }
        return FeatureSet(examples: examples, featureSize: 2, rows: rows)
    }

    @Test("a clip is a direction from the mean of all clips") func directions() throws {
        let vectors = try ClipVectors(Self.features([1, 0, 3, 0, 2, 3]))
        #expect(vectors.centre == [2, 1])
        #expect(abs(vectors.rows[0] + vectors.rows[2]) < 1e-6 && vectors.rows[5] == 1)
    }

    @Test(
        "features that are not finite, or too large to compute with, are an error that names the clip",
        arguments: [Float.nan, .infinity, 3e38])
    func notFinite(value: Float) {
        #expect(throws: SequenceError.notFinite(video: "clip1")) {
            try ClipVectors(Self.features([1, 0, value, value, 2, 3]))
        }
    }
}
