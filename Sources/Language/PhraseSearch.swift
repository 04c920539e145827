import Datasets
import FeatureCache
import Foundation
import NeuralNetwork
import Threads

/// A search query: directions in the joint embedding space, positive and negative.
package struct SearchQuery: Sendable {
    /// A unit vector: the mean of all phrases.
    package let wanted: [Float]
    /// Unit vectors.
    package let unwanted: [[Float]]

    /// - `wanted`: at least one unit vector.
    package init(wanted: [[Float]], unwanted: [[Float]] = []) {
        let sum = wanted.dropFirst().reduce(wanted[0]) { sum, vector in zip(sum, vector).map(+) }
        self.wanted = TextEncoder.normalized(sum)
        self.unwanted = unwanted
    }
}

/// How a model computes probabilities from cosine similarities.
package struct ScoreCalibration: Sendable {
    package let scale, bias: Float
    /// Whether each phrase is scored independently (SigLIP, sigmoid), or against the others (CLIP, softmax).
    package let isSigmoid: Bool

    package init(scale: Float, bias: Float, isSigmoid: Bool) {
        (self.scale, self.bias, self.isSigmoid) = (scale, bias, isSigmoid)
    }

    /// The probability of the positive query; nil if softmax has no negative phrase to compare with.
    func probability(_ wanted: Float, _ unwanted: [Float]) -> Float? {
        func logit(_ cosine: Float) -> Float { scale * cosine + bias }
        if isSigmoid, unwanted.isEmpty { return 1 / (1 + exp(-logit(wanted))) }
        if unwanted.isEmpty { return nil }
        return 1 / (1 + unwanted.reduce(0) { $0 + exp(logit($1) - logit(wanted)) })
    }
}

/// Exhaustive search over all frames of a data set.
package struct PhraseSearch: Sendable {
    /// A clip, or a segment of it.
    package struct Match: Sendable, Encodable, Equatable {
        package let path: String
        /// The class; nil for several labels a clip.
        package let label: String?
        /// Nil for one class a clip.
        package let labels: [String]?
        /// First and last time, in seconds.
        package let start, end: Double
        package let time: Double
        /// Cosine similarity minus the largest similarity to a negative phrase; from −1 to 1 without negative phrases.
        package let score: Float
        /// The model's probability; nil if it needs negative phrases.
        package let probability: Float?

        /// The class or the labels, for people.
        package var shownLabel: String { label ?? LabelSet.shown(labels ?? []) }
    }

    private let cache: CacheFile
    private let dataset: String
    private let extraction: StoredExtraction
    private let calibration: ScoreCalibration?
    /// The memory-mapped features, if they were created.
    private let mapped: MappedFeatures?

    package static var mapFolder: String { UserCache.folder + "/frames" }

    /// - `calibration`: nil for image queries, for which no probability is defined.
    package init(
        _ cache: CacheFile, dataset: String, extraction: StoredExtraction,
        calibration: ScoreCalibration?, mapped: MappedFeatures? = nil
    ) {
        (self.cache, self.dataset, self.extraction) = (cache, dataset, extraction)
        (self.calibration, self.mapped) = (calibration, mapped)
    }

    /// All frames' scores, clip by clip.
    private struct Scores {
        /// Each clip's video and its range of frames.
        let clips: [(id: Int64, frames: Range<Int>)]
        /// Cosine similarities to the positive query, and to each negative one.
        let cosines: [[Float]]
        /// Cosine similarity to the positive query minus the largest to a negative one.
        let values: [Float]
    }

    /// A segment of frames before its path is looked up.
    private struct Segment {
        let video: Int64
        let first, last, best: Int
        /// Index of the best frame among all frames.
        let place: Int
    }

    /// The best frame of each clip, the best clip first. `condition`: SQL condition on clips. `labels`: which clips
    /// must have all of. Throws `CacheError`, `ScanError`, `LabelFilterError`.
    package func clips(
        _ query: SearchQuery, where condition: String? = nil, labels: [String] = [], count: Int
    ) throws -> [Match] {
        let scores = try scores(query, condition, labels)
        let best = scores.clips.map { clip in
            let place = clip.frames.reduce(clip.frames.lowerBound) { scores.values[$1] > scores.values[$0] ? $1 : $0 }
            return Segment(
                video: clip.id, first: 0, last: clip.frames.count - 1, best: place - clip.frames.lowerBound,
                place: place)
        }
        return try matches(best.filter { scores.values[$0.place].isFinite }, scores, count)
    }

    /// Segments of consecutive frames, the best first. A segment contains the frames whose scores are nearer to that of
    /// its best frame than to the collection's median, and scores nearer to the median than to the best are not listed.
    /// `condition`, `labels`: as `clips`. Throws `CacheError`, `ScanError`, `LabelFilterError`.
    package func moments(
        _ query: SearchQuery, where condition: String? = nil, labels: [String] = [], count: Int
    ) throws -> [Match] {
        let scores = try scores(query, condition, labels)
        guard let largest = scores.values.max() else { return [] }
        let usual = OrderStatistic.median(scores.values)
        let least = (largest + usual) / 2
        let found = scores.clips.flatMap { clip -> [Segment] in
            // Most clips have no frame above the threshold.
            guard clip.frames.contains(where: { scores.values[$0] >= least }) else { return [] }
            return Self.moments(of: clip, scores.values, usual: usual, least: least)
        }
        return try matches(found, scores, count)
    }

    private static func moments(
        of clip: (id: Int64, frames: Range<Int>), _ scores: [Float], usual: Float, least: Float
    ) -> [Segment] {
        let begin = clip.frames.lowerBound
        var taken: Set<Int> = [], found: [Segment] = []
        for peak in clip.frames.sorted(by: { (scores[$1], $0) < (scores[$0], $1) }) {
            if scores[peak] < least || scores[peak] <= usual { break }
            if taken.contains(peak) { continue }
            let enough = (scores[peak] + usual) / 2
            func isPart(_ index: Int) -> Bool { !taken.contains(index) && scores[index] >= enough }
            var (first, last) = (peak, peak)
            while first > begin, isPart(first - 1) { first -= 1 }
            while last + 1 < clip.frames.upperBound, isPart(last + 1) { last += 1 }
            taken.formUnion(first...last)
            found.append(
                Segment(video: clip.id, first: first - begin, last: last - begin, best: peak - begin, place: peak))
        }
        return found
    }

    private func matches(_ segments: [Segment], _ scores: Scores, _ count: Int) throws -> [Match] {
        let ranked = segments.sorted { scores.values[$0.place] > scores.values[$1.place] }
        guard count > 0, !ranked.isEmpty else { return [] }
        // Ties with the last one are included, so that paths can decide between them.
        let least = scores.values[ranked[min(count, ranked.count) - 1].place]
        let chosen = ranked.prefix { scores.values[$0.place] >= least }
        let videos = try cache.found(chosen.map(\.video), dataset: dataset, extraction: extraction.id)
        let task = try cache.task(dataset: dataset)
        let matches = try chosen.map { stretch in
            guard let video = videos[stretch.video], video.times.indices.contains(stretch.last) else {
                throw CacheError.damagedSequence(path: cache.path, video: videos[stretch.video]?.path ?? "?")
            }
            return Match(
                path: video.path, label: task == .classification ? video.label : nil,
                labels: task == .multilabel ? task.names(in: video.label) : nil, start: video.times[stretch.first],
                end: video.times[stretch.last], time: video.times[stretch.best], score: scores.values[stretch.place],
                probability: calibration?.probability(
                    scores.cosines[0][stretch.place], scores.cosines.dropFirst().map { $0[stretch.place] }))
        }
        return Array(matches.sorted { ($1.score, $0.path, $0.start) < ($0.score, $1.path, $1.start) }.prefix(count))
    }

    /// Scores of all clips, divided among the cores.
    private func scores(_ query: SearchQuery, _ condition: String?, _ labels: [String]) throws -> Scores {
        let parts = ProcessInfo.processInfo.activeProcessorCount
        let queries = [query.wanted] + query.unwanted
        let chosen =
            mapped == nil ? [] : try cache.videos(dataset: dataset, condition: condition, labels: labels)
        let found = try concurrentMap(parts) { part in
            if let mapped { return mapped.cosines(to: queries, videos: chosen, part: part, of: parts) }
            // Each thread uses its own connection.
            let own = try CacheFile(path: cache.path, create: false)
            return try own.cosines(
                to: queries, dataset: dataset, extraction: extraction, condition: condition, labels: labels,
                part: part, of: parts)
        }
        let all = CacheFile.Cosines(joining: found)
        var begin = 0
        let clips = all.videos.map { video in
            begin += video.length
            return (id: video.id, frames: begin - video.length..<begin)
        }
        var values = all.values[0]
        if all.values.count > 1 {
            for place in values.indices {
                values[place] -= all.values.dropFirst().reduce(-.infinity) { max($0, $1[place]) }
            }
        }
        // Non-finite scores must not be ranked.
        for place in values.indices where !values[place].isFinite { values[place] = -.infinity }
        return Scores(clips: clips, cosines: all.values, values: values)
    }
}

/// Order statistics without sorting.
enum OrderStatistic {
    /// The median, the upper one of two; 0 for no values.
    static func median(_ values: [Float]) -> Float {
        guard !values.isEmpty else { return 0 }
        // Radix selection on order-preserving bits: the upper half first, then the lower.
        var rank = values.count / 2
        var counts = [Int](repeating: 0, count: 1 << 16)
        for value in values { counts[Int(ordered(value) >> 16)] += 1 }
        let upper = place(of: &rank, in: counts)
        counts = [Int](repeating: 0, count: 1 << 16)
        for value in values {
            let bits = ordered(value)
            if Int(bits >> 16) == upper { counts[Int(bits & 0xffff)] += 1 }
        }
        let bits = UInt32(upper) << 16 | UInt32(place(of: &rank, in: counts))
        return Float(bitPattern: bits & 0x8000_0000 != 0 ? bits & 0x7fff_ffff : ~bits)
    }

    /// Maps a float to an integer with the same order; negative values come first.
    private static func ordered(_ value: Float) -> UInt32 {
        let bits = value.bitPattern
        return bits & 0x8000_0000 != 0 ? ~bits : bits | 0x8000_0000
    }

    /// The bucket that contains the value of that rank; the rank becomes relative to the bucket.
    private static func place(of rank: inout Int, in counts: [Int]) -> Int {
        for (place, count) in counts.enumerated() {
            if rank < count { return place }
            rank -= count
        }
        return counts.count - 1
    }
}
