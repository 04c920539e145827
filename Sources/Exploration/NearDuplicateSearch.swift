import Datasets
import Extraction
import FeatureCache
import Foundation
import Threads
import Video

package struct NearDuplicate: Sendable, Equatable {
    /// Indices of the clips, the lower first.
    package let first, second: Int
    package let cosine: Double
    /// Similarity of their images, from −1 to 1: the lower of stills and of changes.
    package let similarity: Double
    /// How one differs from the other, such as `mirrored, bars`; empty if only in encoding, size or a small crop.
    package let change: String
}

/// Searches for near-duplicates: candidates are similar in their features or in a coarse descriptor of their images,
/// and are confirmed by comparing images, also mirrored, without bars, and without the quarter that subtitles cover.
package struct NearDuplicateSearch: Sendable {
    /// Candidates per clip, by features and by descriptors.
    package static let neighbors = 10
    /// Minimum cosine similarity of the features.
    package static let cosine: Float = 0.4
    /// Minimum similarity of the images if something moves, and of the changes.
    package static let images: Float = 0.9, motion: Float = 0.75
    /// Thresholds if only three quarters of the images are compared: higher, since more comparisons match by chance.
    static let parts: (images: Float, motion: Float) = (0.95, 0.8)
    /// Maximum difference of the mean red, green or blue, from 0 to 255.
    package static let colour: Float = 10
    /// Minimum similarity of images without motion.
    package static let stills: Float = 0.97

    /// What is not detected, as a sentence.
    package static let limits =
        "Not searched for: copies that are reversed, rotated, flipped upside down, cropped by more than a twentieth, "
        + "recoloured, played at another speed, cut to less than two thirds, or shown inside another video; nor "
        + "modified copies of clips with little detail, such as a shape on a uniform background."

    /// Most similar first.
    package let pairs: [NearDuplicate]
    /// Number of pairs whose images were compared.
    package let candidates: Int
    /// Clips that could not be decoded, with the reason.
    package let unreadable: [(path: String, reason: String)]

    /// `root`: folder of the data set's videos. `report`: called in the calling thread as clips are decoded. Throws no
    /// error for a clip that cannot be decoded; such clips are in `unreadable`.
    package init(
        _ vectors: ClipVectors, nearest: [[Neighbor]], root: String, workers: Int,
        report: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws {
        let (fingerprints, unreadable) = try Self.fingerprints(of: vectors.examples, root, workers, report)
        var wanted = Self.pairs(nearest) { $0.cosine >= Self.cosine }
        wanted.formUnion(Self.similarImages(fingerprints))
        let candidates = wanted.sorted { ($0[0], $0[1]) < ($1[0], $1[1]) }
        var pairs: [NearDuplicate] = []
        try runJobs(count: candidates.count, workers: workers) {
            { place -> NearDuplicate? in
                let (one, two) = (candidates[place][0], candidates[place][1])
                guard let first = fingerprints[one], let second = fingerprints[two],
                    let (similarity, change) = NearDuplicateComparison.match(first, second)
                else { return nil }
                return NearDuplicate(
                    first: one, second: two, cosine: vectors.cosine(one, two),
                    similarity: Double(min(similarity.images, similarity.motion ?? 1)), change: change.text)
            }
        } consume: { (_: Int, pair: NearDuplicate?) in
            if let pair { pairs.append(pair) }
        }
        self.candidates = candidates.count
        self.unreadable = unreadable.sorted { $0.path < $1.path }
        self.pairs = pairs.sorted { ($1.similarity, $0.first, $0.second) < ($0.similarity, $1.first, $1.second) }
    }

    /// The clips' images by index; clips that cannot be decoded are listed.
    private static func fingerprints(
        of examples: [FeatureSet.Example], _ root: String, _ workers: Int, _ report: (Int, Int) -> Void
    ) throws -> (fingerprints: [Int: ClipFingerprint], unreadable: [(path: String, reason: String)]) {
        var fingerprints: [Int: ClipFingerprint] = [:]
        var unreadable: [(path: String, reason: String)] = []
        try runJobs(count: examples.count, workers: workers) {
            { place in
                // The path comes from a cache, which may be untrusted.
                let path = examples[place].path
                guard Clip.staysInside(path) else { return .failure(VideoError.missing(path: path)) }
                return Result { try ClipFingerprint(path: root + "/" + path) }
            }
        } consume: { (place: Int, fingerprint: Result<ClipFingerprint, any Error>) in
            switch fingerprint {
            case .success(let fingerprint): fingerprints[place] = fingerprint
            case .failure(let error): unreadable.append((examples[place].path, error.localizedDescription))
            }
            report(fingerprints.count + unreadable.count, examples.count)
        }
        return (fingerprints, unreadable)
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

    /// Pairs with the most similar descriptors: features of mirrored or letterboxed copies need not be similar.
    private static func similarImages(_ fingerprints: [Int: ClipFingerprint]) -> Set<[Int]> {
        let indices = fingerprints.keys.sorted()
        let rows = indices.flatMap { fingerprints[$0]?.inner.descriptor ?? [] }
        guard indices.count > 1, let size = rows.isEmpty ? nil : rows.count / indices.count else { return [] }
        let nearest = NearestNeighbors.all(
            ClipVectors.centred(rows, size: size).rows, size: size, count: Self.neighbors)
        return Set(pairs(nearest) { $0.cosine >= Self.cosine }.map { [indices[$0[0]], indices[$0[1]]] })
    }
}

extension ClipVectors {
    fileprivate func cosine(_ first: Int, _ second: Int) -> Double {
        let (one, two) = (rows[first * size..<(first + 1) * size], rows[second * size..<(second + 1) * size])
        return Double(zip(one, two).reduce(0) { $0 + $1.0 * $1.1 })
    }
}

extension NearDuplicate {
    package func record(_ examples: [FeatureSet.Example]) -> NearDuplicateRecord {
        NearDuplicateRecord(
            first: examples[first].videoID, second: examples[second].videoID, cosine: cosine, similarity: similarity)
    }
}
