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

    /// - Parameter wanted: at least one vector of length 1.
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

    /// - Parameter calibration: nil where pictures are looked for, of which no probability is known.
    public init(
        _ cache: CacheFile, dataset: String, extraction: (id: Int64, record: ExtractionRecord),
        calibration: ScoreCalibration?
    ) {
        (self.cache, self.dataset, self.extraction) = (cache, dataset, extraction)
        self.calibration = calibration
    }

    /// A clip's scores.
    private struct Scored: Sendable {
        let path, label: String
        let times: [Double]
        /// Cosines to what is wanted, less the largest to what is not.
        let scores: [Float]
        let probabilities: [Float?]
    }

    /// The best frame of each clip, the best clip first.
    ///
    /// - Parameter condition: SQL that clips must meet.
    /// - Throws: `CacheError`, `ScanError`.
    public func clips(_ question: Question, where condition: String? = nil, count: Int) throws -> [Match] {
        let matches = try scored(question, condition).compactMap { clip -> Match? in
            guard let best = clip.scores.indices.max(by: { clip.scores[$0] < clip.scores[$1] }) else { return nil }
            return Match(
                path: clip.path, label: clip.label, start: clip.times[0], end: clip.times[clip.times.count - 1],
                time: clip.times[best], score: clip.scores[best], probability: clip.probabilities[best])
        }
        return Self.best(matches, count)
    }

    /// Stretches of neighbouring frames, the best first: a stretch goes as far as its frames are nearer to its best one
    /// than to what is usual in the collection, and nothing is listed that is nearer to that itself.
    ///
    /// - Parameter condition: SQL that clips must meet.
    /// - Throws: `CacheError`, `ScanError`.
    public func moments(_ question: Question, where condition: String? = nil, count: Int) throws -> [Match] {
        let clips = try scored(question, condition)
        let all = clips.flatMap(\.scores).sorted()
        guard let largest = all.last else { return [] }
        let usual = all[all.count / 2]
        let matches = clips.flatMap { Self.moments(of: $0, usual: usual, least: (largest + usual) / 2) }
        return Self.best(matches, count)
    }

    private static func moments(of clip: Scored, usual: Float, least: Float) -> [Match] {
        var isTaken = [Bool](repeating: false, count: clip.scores.count)
        var matches: [Match] = []
        for peak in clip.scores.indices.sorted(by: { (clip.scores[$1], $0) < (clip.scores[$0], $1) }) {
            if isTaken[peak] || clip.scores[peak] < least || clip.scores[peak] <= usual { continue }
            let enough = (clip.scores[peak] + usual) / 2
            func isPart(_ index: Int) -> Bool { !isTaken[index] && clip.scores[index] >= enough }
            var (first, last) = (peak, peak)
            while first > 0, isPart(first - 1) { first -= 1 }
            while last + 1 < clip.scores.count, isPart(last + 1) { last += 1 }
            for index in first...last { isTaken[index] = true }
            matches.append(
                Match(
                    path: clip.path, label: clip.label, start: clip.times[first], end: clip.times[last],
                    time: clip.times[peak], score: clip.scores[peak], probability: clip.probabilities[peak]))
        }
        return matches
    }

    private static func best(_ matches: [Match], _ count: Int) -> [Match] {
        Array(
            matches.sorted { ($1.score, $0.path, $0.start) < ($0.score, $1.path, $1.start) }.prefix(count))
    }

    /// All clips with their scores, in the order of their paths; a part of them a core.
    private func scored(_ question: Question, _ condition: String?) throws -> [Scored] {
        let parts = ProcessInfo.processInfo.activeProcessorCount
        let found = Mutex<[Scored]>([])
        let failure = Mutex<(any Error)?>(nil)
        DispatchQueue.concurrentPerform(iterations: parts) { part in
            do {
                // A connection of its own.
                let own = try CacheFile(path: cache.path, create: false)
                var clips: [Scored] = []
                try own.scan(
                    dataset: dataset, extraction: extraction, condition: condition, part: part, of: parts
                ) { clips.append(score($0, question)) }
                found.withLock { $0 += clips }
            } catch {
                failure.withLock { $0 = error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        return found.withLock { $0.sorted { $0.path < $1.path } }
    }

    private func score(_ sequence: CacheFile.ScannedSequence, _ question: Question) -> Scored {
        let size = question.wanted.count
        let rows = RowProducts(sequence.rows, size: size)
        let all = 0..<sequence.times.count
        let lengths = sequence.rows.withUnsafeBufferPointer { numbers in
            all.map { row -> Float in
                var sum: Float = 0
                for index in row * size..<(row + 1) * size { sum += numbers[index] * numbers[index] }
                return max(sum.squareRoot(), .leastNormalMagnitude)
            }
        }
        let wanted = zip(rows.products(of: question.wanted, with: all), lengths).map { $0 / $1 }
        let unwanted = question.unwanted.map { zip(rows.products(of: $0, with: all), lengths).map { $0 / $1 } }
        return Scored(
            path: sequence.path, label: sequence.label, times: sequence.times,
            scores: all.map { row in wanted[row] - (unwanted.map { $0[row] }.max() ?? 0) },
            probabilities: all.map { row in calibration?.probability(wanted[row], unwanted.map { $0[row] }) })
    }
}
