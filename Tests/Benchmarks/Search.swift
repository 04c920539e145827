import Exploration
import FeatureCache
import Foundation
import Language
import NeuralNetwork

/// Clips and bytes per second of an exact search.
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
        let times = (0..<9).map { _ in
            seconds {
                let found = search.nearest(to: query, count: 10)
                if found.first?.index != 0 { print("the clip itself was not found") }
            }
        }
        let median = times.sorted()[4]
        print(
            "{\"clips\": \(clips), \"features\": \(size), \"seconds\": \(median), \"clips_per_second\": "
                + "\(Double(clips) / median), \"gigabytes_per_second\": \(Double(clips * size * 4) / median / 1e9)}")
    }
}

/// Seconds per query in a cache of generated frames stored as float16, twenty per clip.
enum PhraseBenchmark {
    private static let frames = 20

    static func run(clips: Int, size: Int, path: String) throws {
        let record = ExtractionRecord(
            digest: "d", name: "generated", backbone: "clip_vitb32", weights: "random", weightsDigest: nil,
            tap: "projected", imageSize: 224, maxFrames: frames, featureShape: [size], elementType: .float16,
            precision: "f32", recipe: "{}", version: "bench")
        if !FileManager.default.fileExists(atPath: path) { try write(clips, size, record, to: path) }
        let cache = try CacheFile(path: path, create: false)
        for isMapped in [false, true] {
            let begin = ContinuousClock.now
            let folder = (path as NSString).deletingLastPathComponent
            let mapped =
                isMapped
                ? try MappedFeatures.open(cache, extraction: StoredExtraction(id: 1, record: record), in: folder)
                    ?? MappedFeatures.make(cache, extraction: StoredExtraction(id: 1, record: record), in: folder) : nil
            let search = PhraseSearch(
                cache, dataset: "generated", extraction: StoredExtraction(id: 1, record: record),
                calibration: ScoreCalibration(scale: 100, bias: 0, isSigmoid: false), mapped: mapped)
            try ask(search, clips, size, isMapped, opened: (ContinuousClock.now - begin) / .seconds(1))
        }
    }

    private static func ask(
        _ search: PhraseSearch, _ clips: Int, _ size: Int, _ isMapped: Bool, opened: Double
    ) throws {
        let times = try (0..<5).map { query in
            let vector = RandomParameters().uniform("question \(query)", count: size).map { $0 - 0.5 }
            let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return try seconds {
                let found = try search.moments(SearchQuery(wanted: [vector.map { $0 / length }]), count: 20)
                precondition(!found.isEmpty)
            }
        }
        let bytes = Double(clips * frames * size * 2)
        print(
            """
            {"mapped": \(isMapped), "opened_seconds": \(opened), "frames": \(clips * frames), "numbers": \(size), \
            "seconds": \(times), \
            "gigabytes_per_second": \(bytes / 1e9 / times.min()!), "peak_mib": \(NetworkBenchmark.peakMemory())}
            """)
    }

    private static func write(_ clips: Int, _ size: Int, _ record: ExtractionRecord, to path: String) throws {
        let cache = try CacheFile(path: path)
        let extraction = try cache.addExtraction(record)
        let noise = RandomParameters().uniform("noise", count: 4096 + frames * size).map { $0 - 0.5 }
        var samples: [(video: VideoRecord, sample: SampleRecord)] = []
        for clip in 0..<clips {
            let video = VideoRecord(digest: "\(clip)", path: "\(clip).mp4")
            let first = clip &* 2654435761 % 4096
            try cache.store(
                SequenceRecord(
                    frameIndices: Array(0..<frames), frameTimes: (0..<frames).map(Double.init), decodeErrors: 0,
                    features: Array(noise[first..<first + frames * size])),
                video: video, extraction: extraction, maxFrames: frames, featureSize: size, as: .float16)
            samples.append(
                (video, SampleRecord(dataset: "generated", label: "\(clip % 10)", split: "train", group: nil)))
        }
        try cache.registerSamples(samples)
        try cache.checkpoint()
    }
}
