import Datasets
import Extraction
import FeatureCache
import Foundation
import Video

/// Two clips that show the same, whatever their files' bytes.
public struct Twin: Sendable, Equatable {
    /// Among the clips, the lower first.
    public let first, second: Int
    /// Of their features.
    public let cosine: Double
    /// Of their pictures, from −1 to 1: the less of stills and of what moves.
    public let likeness: Double
}

/// Near-duplicates: alike in their features, and alike when their pictures are decoded.
public struct TwinSearch: Sendable {
    /// Neighbours whose pictures are looked at.
    public static let neighbors = 10
    /// Least cosine of the features.
    public static let cosine: Float = 0.4
    /// Least likeness of the pictures where something moves, and of what moves in them.
    public static let pictures: Float = 0.9, motion: Float = 0.75
    /// Largest distance of the mean red, green or blue, from 0 to 255.
    public static let colour: Float = 10
    /// Least likeness of pictures in which nothing moves.
    public static let stills: Float = 0.97

    /// Most alike first.
    public let twins: [Twin]
    /// Pairs whose pictures were looked at.
    public let candidates: Int
    /// Clips that could not be decoded, with the reason.
    public let unreadable: [(path: String, reason: String)]

    /// - `root`: folder of the data set's videos.
    /// - `report`: called in the calling thread as clips are decoded.
    /// - Throws: nothing of its own: what cannot be decoded is in `unreadable`.
    public init(
        _ vectors: ClipVectors, nearest: [[Neighbor]], root: String, workers: Int,
        report: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws {
        var cosines: [[Int]: Float] = [:]
        for (index, neighbors) in nearest.enumerated() {
            for neighbor in neighbors.prefix(Self.neighbors) where neighbor.cosine >= Self.cosine {
                cosines[[min(index, neighbor.index), max(index, neighbor.index)]] = neighbor.cosine
            }
        }
        let pairs = cosines.keys.sorted { ($0[0], $0[1]) < ($1[0], $1[1]) }
        let wanted = Set(pairs.joined()).sorted()
        var sketches: [Int: ClipSketch] = [:]
        var unreadable: [(path: String, reason: String)] = []
        try runJobs(count: wanted.count, workers: workers) {
            { place in
                // The path comes from a cache that anybody may have written.
                let path = vectors.examples[wanted[place]].path
                guard Clip.staysInside(path) else { return .failure(VideoError.missing(path: path)) }
                return Result { try ClipSketch(path: root + "/" + path) }
            }
        } consume: { (place: Int, sketch: Result<ClipSketch, any Error>) in
            switch sketch {
            case .success(let sketch): sketches[wanted[place]] = sketch
            case .failure(let error):
                unreadable.append((vectors.examples[wanted[place]].path, error.localizedDescription))
            }
            report(sketches.count + unreadable.count, wanted.count)
        }
        let known = sketches
        var likenesses: [Int: SketchLikeness] = [:]
        try runJobs(count: pairs.count, workers: workers) {
            { place in
                known[pairs[place][0]].flatMap { first in
                    known[pairs[place][1]].map { SketchLikeness(first, $0) }
                }
            }
        } consume: { (place: Int, likeness: SketchLikeness?) in
            likenesses[place] = likeness
        }
        candidates = pairs.count
        self.unreadable = unreadable.sorted { $0.path < $1.path }
        twins = pairs.enumerated().compactMap { place, pair -> Twin? in
            guard let found = likenesses[place],
                found.pictures >= (found.motion == nil ? Self.stills : Self.pictures),
                found.motion ?? 1 >= Self.motion, found.colour <= Self.colour
            else { return nil }
            return Twin(
                first: pair[0], second: pair[1], cosine: Double(cosines[pair] ?? 0),
                likeness: Double(min(found.pictures, found.motion ?? 1)))
        }
        .sorted { ($1.likeness, $0.first, $0.second) < ($0.likeness, $1.first, $1.second) }
    }
}

extension Twin {
    /// As the cache keeps it.
    public func record(_ examples: [FeatureSet.Example]) -> TwinRecord {
        TwinRecord(
            first: examples[first].videoID, second: examples[second].videoID, cosine: cosine, likeness: likeness)
    }
}
