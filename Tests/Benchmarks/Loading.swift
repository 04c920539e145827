import FeatureCache
import Foundation

/// Gigabytes per second that `sequence` loads from a cache of generated features, and peak memory.
enum LoadingBenchmark {
    private static let (frames, size) = (20, 2048)

    static func run(gigabytes: Double, path: String) throws {
        let count = Int(gigabytes * 1e9 / Double(frames * size * 4))
        if !FileManager.default.fileExists(atPath: path) { try write(count, to: path) }
        let values = count * frames * size
        /// Seconds of a load that verifies checksums, and of the next one.
        var (first, next): ([Double], [Double]) = ([], [])
        /// Seconds of a first load that verifies in the background: until it returned, and until verification ended.
        var (overlapping, verified): ([Double], [Double]) = ([], [])
        for _ in 0..<6 {
            try withChecks { checks in
                let cache = try CacheFile(path: path, create: false, checks: checks)
                first.append(try load(cache, values).returned)
                next.append(try load(cache, values).returned)
            }
            try withChecks { checks in
                let cache = try CacheFile(path: path, create: false, checks: checks)
                let seconds = try load(cache, values, overlapping: true)
                overlapping.append(seconds.returned)
                verified.append(seconds.verified)
            }
        }
        // The first round reads the file from the disk.
        func median(_ seconds: [Double]) -> Double { seconds.dropFirst().sorted()[2] }
        let plain = median(next)
        let gigabytes = Double(values * 4) / 1e9
        print(
            """
            {"gigabytes": \(gigabytes), "seconds": \(next), "checked_seconds": \(first), \
            "overlapping_seconds": \(overlapping), \
            "verified_seconds": \(verified), "checked_over_plain": \(median(first) / plain), "overlapping_over_plain": \
            \(median(overlapping) / plain), "verified_over_plain": \(median(verified) / plain), \
            "gigabytes_per_second": \(gigabytes / plain), "peak_over_features": \
            \(NetworkBenchmark.peakMemory() * 1_048_576 / Double(values * 4))}
            """)
    }

    /// Calls `body` with a folder without records of verified caches.
    private static func withChecks(_ body: (String) throws -> Void) throws {
        let checks = NSTemporaryDirectory() + "zoetrope-loading-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: checks) }
        try body(checks)
    }

    /// Seconds until the features were in memory, and until their checksums were verified.
    private static func load(
        _ cache: CacheFile, _ values: Int, overlapping: Bool = false
    ) throws -> (returned: Double, verified: Double) {
        let begin = ContinuousClock.now
        let features = try cache.features(dataset: "generated", extraction: 1, overlapping: overlapping)
        let returned = (ContinuousClock.now - begin) / .seconds(1)
        try features.requireVerified()
        let verified = (ContinuousClock.now - begin) / .seconds(1)
        precondition(features.rows.count == values)
        return (returned, verified)
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
