import FeatureCache
import Foundation
import NeuralNetwork
import Synchronization

/// What is looked for: directions in the space of pictures and texts, and what is not meant.
public struct Question: Sendable {
    /// Of length 1: the mean of all phrases.
    public let wanted: [Float]
    /// Each of length 1.
    public let unwanted: [[Float]]

    /// - `wanted`: at least one vector of length 1.
    public init(wanted: [[Float]], unwanted: [[Float]] = []) {
        let sum = wanted.dropFirst().reduce(wanted[0]) { sum, vector in zip(sum, vector).map(+) }
        self.wanted = TextEncoder.normalized(sum)
        self.unwanted = unwanted
    }
}

/// How a model makes probabilities of cosines.
public struct ScoreCalibration: Sendable {
    /// Factor and summand.
    public let scale, bias: Float
    /// Whether each phrase is judged by itself (SigLIP), or against others (CLIP).
    public let isSigmoid: Bool

    /// All parts, as they are.
    public init(scale: Float, bias: Float, isSigmoid: Bool) {
        (self.scale, self.bias, self.isSigmoid) = (scale, bias, isSigmoid)
    }

    /// The probability of what is wanted; nil where there is nothing to compare it with.
    func probability(_ wanted: Float, _ unwanted: [Float]) -> Float? {
        func logit(_ cosine: Float) -> Float { scale * cosine + bias }
        if isSigmoid, unwanted.isEmpty { return 1 / (1 + exp(-logit(wanted))) }
        if unwanted.isEmpty { return nil }
        return 1 / (1 + unwanted.reduce(0) { $0 + exp(logit($1) - logit(wanted)) })
    }
}

/// Looks through all frames of a data set for what a question means, exactly.
public struct PhraseSearch: Sendable {
    /// A clip, or a stretch of it.
    public struct Match: Sendable, Encodable, Equatable {
        /// Relative to the data set's root.
        public let path: String
        /// Class.
        public let label: String
        /// First and last moment, in seconds.
        public let start, end: Double
        /// The best moment.
        public let time: Double
        /// From −1 to 1; of what is not meant the largest is taken off.
        public let score: Float
        /// What the model makes of it; nil where it needs phrases that are not meant.
        public let probability: Float?
    }

    private let cache: CacheFile
    private let dataset: String
    private let extraction: (id: Int64, record: ExtractionRecord)
    private let calibration: ScoreCalibration?
    /// The features mapped into memory, where that was asked for once.
    private let mapped: MappedFrames?

    /// Where features are kept that are mapped.
    public static var mapFolder: String { UserCache.folder + "/frames" }

    /// - `calibration`: nil where pictures are looked for, of which no probability is known.
    public init(
        _ cache: CacheFile, dataset: String, extraction: (id: Int64, record: ExtractionRecord),
        calibration: ScoreCalibration?, mapped: MappedFrames? = nil
    ) {
        (self.cache, self.dataset, self.extraction) = (cache, dataset, extraction)
        (self.calibration, self.mapped) = (calibration, mapped)
    }

    /// All frames' scores, one clip after the other.
    private struct Scores {
        /// Of each clip: its video, and where its frames stand.
        let clips: [(id: Int64, frames: Range<Int>)]
        /// Cosines to what is wanted, and to each thing that is not.
        let cosines: [[Float]]
        /// Cosines to what is wanted, less the largest to what is not.
        let values: [Float]
    }

    /// A stretch of frames before it is known where its clip lies.
    private struct Stretch {
        let video: Int64
        /// Places in the clip.
        let first, last, best: Int
        /// Place of the best among all frames.
        let place: Int
    }

    /// The best frame of each clip, the best clip first.
    ///
    /// - `condition`: SQL that clips must meet.
    /// - Throws: `CacheError`, `ScanError`.
    public func clips(_ question: Question, where condition: String? = nil, count: Int) throws -> [Match] {
        let scores = try scores(question, condition)
        let best = scores.clips.map { clip in
            let place = clip.frames.reduce(clip.frames.lowerBound) { scores.values[$1] > scores.values[$0] ? $1 : $0 }
            return Stretch(
                video: clip.id, first: 0, last: clip.frames.count - 1, best: place - clip.frames.lowerBound,
                place: place)
        }
        return try matches(best.filter { scores.values[$0.place].isFinite }, scores, count)
    }

    /// Stretches of neighbouring frames, the best first: a stretch goes as far as its frames are nearer to its best one
    /// than to what is usual in the collection, and nothing is listed that is nearer to that itself.
    ///
    /// - `condition`: SQL that clips must meet.
    /// - Throws: `CacheError`, `ScanError`.
    public func moments(_ question: Question, where condition: String? = nil, count: Int) throws -> [Match] {
        let scores = try scores(question, condition)
        guard let largest = scores.values.max() else { return [] }
        let usual = OrderStatistic.median(scores.values)
        let least = (largest + usual) / 2
        let found = scores.clips.flatMap { clip -> [Stretch] in
            // Hardly any clip has a frame that is worth a look.
            guard clip.frames.contains(where: { scores.values[$0] >= least }) else { return [] }
            return Self.moments(of: clip, scores.values, usual: usual, least: least)
        }
        return try matches(found, scores, count)
    }

    private static func moments(
        of clip: (id: Int64, frames: Range<Int>), _ scores: [Float], usual: Float, least: Float
    ) -> [Stretch] {
        let begin = clip.frames.lowerBound
        var taken: Set<Int> = []
        var found: [Stretch] = []
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
                Stretch(video: clip.id, first: first - begin, last: last - begin, best: peak - begin, place: peak))
        }
        return found
    }

    /// The best of them, with where they are.
    private func matches(_ stretches: [Stretch], _ scores: Scores, _ count: Int) throws -> [Match] {
        let ranked = stretches.sorted { scores.values[$0.place] > scores.values[$1.place] }
        guard count > 0, !ranked.isEmpty else { return [] }
        // Those that are as good as the last one too: paths decide between them.
        let least = scores.values[ranked[min(count, ranked.count) - 1].place]
        let chosen = ranked.prefix { scores.values[$0.place] >= least }
        let videos = try cache.found(chosen.map(\.video), dataset: dataset, extraction: extraction.id)
        let matches = try chosen.map { stretch in
            guard let video = videos[stretch.video], video.times.indices.contains(stretch.last) else {
                throw CacheError.damagedSequence(path: cache.path, video: videos[stretch.video]?.path ?? "?")
            }
            return Match(
                path: video.path, label: video.label, start: video.times[stretch.first], end: video.times[stretch.last],
                time: video.times[stretch.best], score: scores.values[stretch.place],
                probability: calibration?.probability(
                    scores.cosines[0][stretch.place], scores.cosines.dropFirst().map { $0[stretch.place] }))
        }
        return Array(
            matches.sorted { ($1.score, $0.path, $0.start) < ($0.score, $1.path, $1.start) }.prefix(count))
    }

    /// All clips, a part of them a core.
    private func scores(_ question: Question, _ condition: String?) throws -> Scores {
        let parts = ProcessInfo.processInfo.activeProcessorCount
        let found = Mutex<[Int: CacheFile.Cosines]>([:])
        let queries = [question.wanted] + question.unwanted
        let chosen =
            mapped == nil ? [] : try cache.videos(dataset: dataset, extraction: extraction.id, condition: condition)
        let failure = Mutex<(any Error)?>(nil)
        DispatchQueue.concurrentPerform(iterations: parts) { part in
            do {
                if let mapped {
                    let cosines = mapped.cosines(to: queries, videos: chosen, part: part, of: parts)
                    found.withLock { $0[part] = cosines }
                    return
                }
                // A connection of its own.
                let own = try CacheFile(path: cache.path, create: false)
                let cosines = try own.cosines(
                    to: queries, dataset: dataset, extraction: extraction,
                    condition: condition, part: part, of: parts)
                found.withLock { $0[part] = cosines }
            } catch {
                failure.withLock { $0 = error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        let all = found.withLock { found in CacheFile.Cosines(joining: (0..<parts).compactMap { found[$0] }) }
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
        // A score that is no number must not be ranked.
        for place in values.indices where !values[place].isFinite { values[place] = -.infinity }
        return Scores(clips: clips, cosines: all.values, values: values)
    }
}
