import FeatureCache
import Foundation

/// Concatenates features of several networks, so that one head sees, for example, appearance and motion.
///
/// The time stamps of the network with the fewest rows, as most videos have them, are kept. A row of another network
/// belongs to the nearest kept time stamp. Several rows at one time stamp are averaged; if there is none, the nearest
/// row is used. Rows farther from it than the kept time stamps are from each other are omitted.
package struct FeatureJoin {
    private let cache: CacheFile
    private let parts: [StoredExtraction]

    /// `parts`: at least two recipes whose features are vectors. Throws `JoinError.notVectors`.
    package init(_ parts: [StoredExtraction], in cache: CacheFile) throws {
        for record in parts.map(\.record) where record.featureShape.count != 1 {
            throw JoinError.notVectors(backbone: record.backbone, tap: record.tap)
        }
        (self.parts, self.cache) = (parts, cache)
    }

    /// Joins clips that are not joined yet, under a recipe of its own. Throws `JoinError`, `CacheError`.
    package func run(
        name: String, version: String, isCancelled: () -> Bool = { false },
        report: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> StoredExtraction {
        let record = try joinedRecord(name: name, version: version)
        let id = try cache.addExtraction(record)
        let videos = try cache.videos(with: parts.map(\.id), without: id)
        for (done, video) in videos.enumerated() {
            if isCancelled() { throw FeatureExtractor.Cancelled() }
            let sequences = try parts.map { part in
                try cache.sequenceRecords(
                    extraction: part.id, video: video.id, featureSize: part.record.featureSize,
                    as: part.record.elementType)
            }
            for view in sequences[0].map(\.view) {
                let own = sequences.compactMap { $0.first { $0.view == view } }
                guard own.count == parts.count, own.allSatisfy({ $0.length > 0 }) else { continue }
                let joined = try Self.joined(
                    own, sizes: parts.map(\.record.featureSize), slowest: slowest, as: record.elementType
                ) { JoinError.noCommonTime(path: video.record.path) }
                try cache.store(
                    joined, video: video.record, extraction: id, maxFrames: record.maxFrames,
                    featureSize: record.featureSize, as: record.elementType)
            }
            report(done + 1, videos.count)
        }
        if try cache.extractedViews(extraction: id).isEmpty {
            throw JoinError.nothingInCommon(parts.map(\.record.backbone))
        }
        return StoredExtraction(id: id, record: record)
    }

    /// Index of the recipe with the fewest rows, whose time stamps are kept.
    private var slowest: Int { Self.slowest(parts.map(\.record.maxFrames)) }

    /// Index of the smallest count of rows.
    package static func slowest(_ rows: [Int]) -> Int { rows.indices.min { (rows[$0], $0) < (rows[$1], $1) } ?? 0 }

    private func joinedRecord(name: String, version: String) throws -> ExtractionRecord {
        let recipe = ExtractionRecipe(joining: try parts.map { try ExtractionRecipe(json: $0.record.recipe) })
        let own = parts[slowest].record
        return ExtractionRecord(
            digest: recipe.digest, name: "\(name)-\(recipe.backbone)", backbone: recipe.backbone,
            weights: parts.map(\.record.weights).joined(separator: Self.separator),
            weightsDigest: parts.contains { $0.record.weightsDigest == nil } ? nil : recipe.weights,
            tap: recipe.tap, imageSize: own.imageSize, maxFrames: own.maxFrames,
            featureShape: [parts.reduce(0) { $0 + $1.record.featureSize }],
            elementType: parts.contains { $0.record.elementType == .float32 } ? .float32 : .float16,
            precision: own.precision, recipe: recipe.json, version: version)
    }

    /// Separates the weight files of a joined recipe.
    package static let separator = " + "

    /// Joins one video's sequences in order. `sizes`: elements per row of each. `slowest`: whose time stamps are kept.
    /// `stored`: element type for storage. `apart`: the error if the sequences do not overlap in time.
    package static func joined(
        _ sequences: [SequenceRecord], sizes: [Int], slowest: Int, as stored: StoredType = .float32,
        apart: () -> any Error
    ) throws -> SequenceRecord {
        let kept = sequences[slowest]
        let times = kept.frameTimes
        var columns: [[Float]] = []
        for (place, sequence) in sequences.enumerated() {
            // Sequences that do not overlap in time show different content.
            let reach = (times.last ?? 0) - (times.first ?? 0) + 1
            guard let first = sequence.frameTimes.first, let last = sequence.frameTimes.last,
                first <= (times.last ?? 0) + reach, last >= (times.first ?? 0) - reach
            else { throw apart() }
            columns.append(place == slowest ? sequence.features : resampled(sequence, size: sizes[place], to: times))
        }
        var features: [Float] = []
        for row in times.indices {
            for (column, size) in zip(columns, sizes) { features += column[row * size..<(row + 1) * size] }
        }
        return SequenceRecord(
            view: kept.view, frameIndices: kept.frameIndices, frameTimes: times, windowEnds: kept.windowEnds,
            decodeErrors: sequences.map(\.decodeErrors).max() ?? 0, features: stored.rounding(features))
    }

    private static func resampled(_ sequence: SequenceRecord, size: Int, to times: [Double]) -> [Float] {
        var sums = [Float](repeating: 0, count: times.count * size)
        var counts = [Float](repeating: 0, count: times.count)
        func nearest(_ time: Double, _ all: [Double]) -> Int {
            all.indices.min { (abs(all[$0] - time), $0) < (abs(all[$1] - time), $1) } ?? 0
        }
        func add(_ row: Int, to moment: Int) {
            counts[moment] += 1
            for index in 0..<size { sums[moment * size + index] += sequence.features[row * size + index] }
        }
        // Rows far before the first time stamp or after the last are not representative.
        let reach = zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? .infinity
        for (row, time) in sequence.frameTimes.enumerated() {
            let moment = nearest(time, times)
            if abs(times[moment] - time) <= reach { add(row, to: moment) }
        }
        for moment in times.indices where counts[moment] == 0 {
            add(nearest(times[moment], sequence.frameTimes), to: moment)
        }
        for moment in times.indices {
            for index in 0..<size { sums[moment * size + index] /= counts[moment] }
        }
        return sums
    }
}

extension ExtractionRecipe {
    /// The recipe of concatenated features, with the sampling of the recipe with the fewest rows.
    init(joining recipes: [ExtractionRecipe]) {
        self = recipes[FeatureJoin.slowest(recipes.map(\.sampling.frames))]
        backbone = recipes.map(\.backbone).joined(separator: "+")
        tap = recipes.map(\.tap).joined(separator: "+")
        weights = recipes.contains { $0.weights == "random" } ? "random" : recipes.map(\.weights).joined(separator: "+")
        calibration = nil
        store = recipes.contains { $0.storedType == .float32 } ? nil : .float16
        joined = recipes
    }
}

package enum JoinError: LocalizedError, Equatable {
    case notVectors(backbone: String, tap: String)
    case noCommonTime(path: String)
    case nothingInCommon([String])

    package var errorDescription: String? {
        switch self {
        case .notVectors(let backbone, let tap):
            "`sequence.join` concatenates vectors, but \(backbone) was extracted at \(tap). Use `extract.tap: pooled`."
        case .noCommonTime(let path):
            "The joined features of \(path) do not overlap in time: one ends before the other begins. Let both sample "
                + "the same part of the video."
        case .nothingInCommon(let backbones):
            "No video has features of all backbones (\(backbones.joined(separator: ", "))). Run `zoetrope extract` "
                + "with this pipeline."
        }
    }
}
