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
    /// Of their images, from −1 to 1: the less of stills and of what moves.
    public let likeness: Double
    /// How one differs from the other, such as `mirrored, bars`; empty if only in encoding, size or a small crop.
    public let change: String
}

/// Near-duplicates: alike in their features or in a coarse description of their images, and alike when their images are
/// compared, also mirrored, without bars around them, and without the quarter that subtitles may cover.
public struct TwinSearch: Sendable {
    /// Neighbours whose images are compared, by features and by coarse images.
    public static let neighbors = 10
    /// Least cosine of the features.
    public static let cosine: Float = 0.4
    /// Least likeness of the images if something moves, and of what moves in them.
    public static let pictures: Float = 0.9, motion: Float = 0.75
    /// The same if only three quarters of the images are compared: less is alike by chance where more is looked at.
    static let parts: (pictures: Float, motion: Float) = (0.95, 0.8)
    /// Largest distance of the mean red, green or blue, from 0 to 255.
    public static let colour: Float = 10
    /// Least likeness of images in which nothing moves.
    public static let stills: Float = 0.97

    /// What is not searched for, as a sentence.
    public static let limits =
        "Not searched for: copies that are reversed, rotated, flipped upside down, cropped by more than a twentieth, recoloured, "
        + "played at another speed, cut to less than two thirds, or shown inside another video; nor changed copies of clips "
        + "with little detail, such as a shape on an even ground."

    /// Most alike first.
    public let twins: [Twin]
    /// Pairs whose images were compared.
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
        let (sketches, unreadable) = try Self.sketches(of: vectors.examples, root, workers, report)
        var wanted = Self.pairs(nearest) { $0.cosine >= Self.cosine }
        wanted.formUnion(try Self.similarImages(sketches))
        let pairs = wanted.sorted { ($0[0], $0[1]) < ($1[0], $1[1]) }
        var twins: [Twin] = []
        try runJobs(count: pairs.count, workers: workers) {
            { place -> Twin? in
                let (one, two) = (pairs[place][0], pairs[place][1])
                guard let first = sketches[one], let second = sketches[two],
                    let (likeness, change) = TwinComparison.match(first, second)
                else { return nil }
                return Twin(
                    first: one, second: two, cosine: vectors.cosine(one, two),
                    likeness: Double(min(likeness.pictures, likeness.motion ?? 1)), change: change.text)
            }
        } consume: { (_: Int, twin: Twin?) in
            if let twin { twins.append(twin) }
        }
        candidates = pairs.count
        self.unreadable = unreadable.sorted { $0.path < $1.path }
        self.twins = twins.sorted { ($1.likeness, $0.first, $0.second) < ($0.likeness, $1.first, $1.second) }
    }

    /// The clips' images, by place; clips that cannot be decoded are listed.
    private static func sketches(
        of examples: [FeatureSet.Example], _ root: String, _ workers: Int, _ report: (Int, Int) -> Void
    ) throws -> (sketches: [Int: ClipSketch], unreadable: [(path: String, reason: String)]) {
        var sketches: [Int: ClipSketch] = [:]
        var unreadable: [(path: String, reason: String)] = []
        try runJobs(count: examples.count, workers: workers) {
            { place in
                // The path comes from a cache that anybody may have written.
                let path = examples[place].path
                guard Clip.staysInside(path) else { return .failure(VideoError.missing(path: path)) }
                return Result { try ClipSketch(path: root + "/" + path) }
            }
        } consume: { (place: Int, sketch: Result<ClipSketch, any Error>) in
            switch sketch {
            case .success(let sketch): sketches[place] = sketch
            case .failure(let error): unreadable.append((examples[place].path, error.localizedDescription))
            }
            report(sketches.count + unreadable.count, examples.count)
        }
        return (sketches, unreadable)
    }

    private static func pairs(_ nearest: [[Neighbor]], where isNear: (Neighbor) -> Bool) -> Set<[Int]> {
        var pairs: Set<[Int]> = []
        for (index, neighbors) in nearest.enumerated() {
            for neighbor in neighbors.prefix(Self.neighbors) where isNear(neighbor) {
                pairs.insert([min(index, neighbor.index), max(index, neighbor.index)])
            }
        }
        return pairs
    }

    /// Pairs whose coarse images are nearest: features of a network need not see a mirrored or letterboxed copy as near.
    private static func similarImages(_ sketches: [Int: ClipSketch]) throws -> Set<[Int]> {
        let places = sketches.keys.sorted()
        let rows = places.flatMap { sketches[$0]?.inner.descriptor ?? [] }
        guard places.count > 1, let size = rows.isEmpty ? nil : rows.count / places.count else { return [] }
        let examples = places.enumerated().map { row, place in
            FeatureSet.Example(
                videoID: Int64(place), path: "", label: "", split: "", group: nil, length: 1, firstRow: row)
        }
        let vectors = try ClipVectors(FeatureSet(examples: examples, featureSize: size, rows: rows))
        let nearest = NearestNeighbors.all(vectors, count: Self.neighbors)
        return Set(pairs(nearest) { $0.cosine >= Self.cosine }.map { [places[$0[0]], places[$0[1]]] })
    }
}

extension ClipVectors {
    /// Of two clips' features.
    fileprivate func cosine(_ first: Int, _ second: Int) -> Double {
        let (one, two) = (rows[first * size..<(first + 1) * size], rows[second * size..<(second + 1) * size])
        return Double(zip(one, two).reduce(0) { $0 + $1.0 * $1.1 })
    }
}

extension Twin {
    /// As the cache keeps it.
    public func record(_ examples: [FeatureSet.Example]) -> TwinRecord {
        TwinRecord(
            first: examples[first].videoID, second: examples[second].videoID, cosine: cosine, likeness: likeness)
    }
}
