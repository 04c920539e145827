import FeatureCache
import Foundation

/// Gigabytes a second that `sequence` loads from a cache of generated features, and the memory it takes.
enum LoadingBenchmark {
    private static let (frames, size) = (20, 2048)

    static func run(gigabytes: Double, path: String) throws {
        let count = Int(gigabytes * 1e9 / Double(frames * size * 4))
        if !FileManager.default.fileExists(atPath: path) { try write(count, to: path) }
        let values = count * frames * size
        /// Of a load whose features are compared with their checksums, and of the next one.
        var (first, next): ([Double], [Double]) = ([], [])
        for _ in 0..<6 {
            let checks = NSTemporaryDirectory() + "zoetrope-loading-\(UUID())"
            defer { try? FileManager.default.removeItem(atPath: checks) }
            let cache = try CacheFile(path: path, create: false, checks: checks)
            first.append(try seconds(cache, values))
            next.append(try seconds(cache, values))
        }
        // The first round reads the file from the disk.
        let (checked, plain) = (first.dropFirst().sorted()[2], next.dropFirst().sorted()[2])
        let gigabytes = Double(values * 4) / 1e9
        print(
            """
            {"gigabytes": \(gigabytes), "checked_seconds": \(first), "seconds": \(next), "checked_over_plain": \
            \(checked / plain), "gigabytes_per_second": \(gigabytes / plain), \
            "peak_over_features": \(NetworkBenchmark.peakMemory() * 1_048_576 / Double(values * 4))}
            """)
    }

    private static func seconds(_ cache: CacheFile, _ values: Int) throws -> Double {
        let begin = ContinuousClock.now
        let features = try cache.features(dataset: "generated", extraction: 1)
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        precondition(features.rows.count == values)
        return seconds
    }

    private static func write(_ count: Int, to path: String) throws {
        let cache = try CacheFile(path: path)
        let extraction = try cache.addExtraction(
            ExtractionRecord(
                digest: "d", name: "generated", backbone: "resnet50", weights: "random", weightsDigest: nil,
                tap: "pooled", imageSize: 224, maxFrames: frames, featureShape: [size], precision: "f32", recipe: "{}",
                version: "bench"))
        for index in 0..<count {
            let video = VideoRecord(digest: "\(index)", path: "\(index)")
            let sample = SampleRecord(dataset: "generated", label: "\(index % 10)", split: "train", group: nil)
            try cache.registerSamples([(video, sample)])
            try cache.store(
                SequenceRecord(
                    frameIndices: Array(0..<frames), frameTimes: Array(repeating: 0, count: frames), decodeErrors: 0,
                    features: [Float](repeating: Float(index), count: frames * size)),
                video: video, extraction: extraction, maxFrames: frames, featureSize: size)
        }
    }
}
