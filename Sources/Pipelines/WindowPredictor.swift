import Extraction
import Foundation
import SequenceModels
import Video

/// What a run says of a long video over time.
public struct WindowedPrediction: Sendable {
    /// As it was named.
    public let video: String
    /// What is counted: `frames`, or `windows` of frames where the network sees several.
    public let unit: String
    /// Frames in the window, or all of them where the video has fewer.
    public let window: Int
    /// Frames a second that were looked at.
    public let frameRate: Double
    /// Whether the video is shorter than the window.
    public let isShort: Bool
    /// Class probabilities over time.
    public let timeline: Timeline
}

/// Slides the window that a run was trained on over videos of any length, at the frame rate it was trained on. Each frame
/// is decoded and inferred once, however much windows overlap; memory does not grow with the video's length.
public struct WindowPredictor: Sendable {
    private let run: LoadedRun
    /// Of rows: frames, or windows of frames; nil where the video's own rate decides.
    private let frameRate: Double?
    /// Probabilities become the mean of so many windows; 1 leaves them.
    public var rolling = 1

    /// - `weights`: the backbone's weight file, where it is not where the run left it.
    /// - `frameRate`: frames a second to look at; nil for those of the training clips.
    /// - Throws: `SequenceError`, `WeightsError`, `PredictorError`.
    public init(_ directory: RunDirectory, weights path: String? = nil, frameRate: Double? = nil) throws {
        run = try LoadedRun(directory, weights: path)
        if let windowed = run.recipe.sampling.windowed {
            if frameRate != nil { throw PredictorError.ownClock(run: directory.path) }
            self.frameRate = windowed.framesPerSecond.map { $0 / Double(windowed.stride) }
            return
        }
        guard let rate = frameRate ?? run.configuration.sampledRate ?? run.recipe.sampling.ownRate else {
            throw PredictorError.unknownRate(run: directory.path)
        }
        self.frameRate = rate
    }

    /// What is wrong with the backbone's weights, and what this processor does otherwise than the run says.
    public var warnings: [String] { run.warnings }

    /// - `report`: gets the time in seconds that was reached, and the video's length.
    /// - Throws: `VideoError`, `FeatureExtractor.Cancelled`.
    public func predict(
        _ video: String, isCancelled: @escaping @Sendable () -> Bool = { false },
        report: (_ seconds: Double, _ duration: Double) -> Void = { _, _ in }
    ) throws -> WindowedPrediction {
        let information = try openClip(path: video).information
        let length = run.configuration.input.maximumLength
        let stream = FrameStream(
            path: video, recipe: run.recipe, weights: run.weights.packed,
            workers: ProcessInfo.processInfo.activeProcessorCount)
        var sliding = SlidingWindow(run.head, length: length)
        var times: [Double] = []
        let (sampling, rate) = sampling(of: information)
        try stream.run(sampling, isCancelled: isCancelled) { more, rows in
            times += more
            try sliding.append(rows)
            report((more.last ?? 0) - (times.first ?? 0), information.duration)
        }
        try sliding.finish()
        guard !times.isEmpty else { throw VideoError.noFrames(path: video) }
        let first = information.clock.first ?? 0
        let end = max(first + information.duration, times.last ?? 0)
        let timeline = Timeline(
            labels: run.head.labels, times: times, end: end, windows: sliding.probabilities,
            length: min(length, times.count), rolling: rolling)
        return WindowedPrediction(
            video: video, unit: run.recipe.sampling.unit, window: min(length, times.count), frameRate: rate,
            isShort: times.count < length,
            timeline: timeline)
    }
}

extension WindowPredictor {
    /// All of a video, as the run looks at clips, and how many rows a second that gives.
    private func sampling(of information: VideoInformation) -> (Sampling, rate: Double) {
        let own = max(information.frameRate, 1e-3)
        if var windowed = run.recipe.sampling.windowed {
            windowed.windows = Sampling.unlimited
            return (.windows(windowed), frameRate ?? own / Double(windowed.stride))
        }
        // No faster than the video itself.
        let rate = min(frameRate ?? own, own)
        return (.rate(framesPerSecond: rate, frames: Sampling.unlimited), rate)
    }
}

extension Sampling {
    /// Frames a second where the policy says so itself.
    fileprivate var ownRate: Double? {
        if case .rate(let framesPerSecond, _) = self { framesPerSecond } else { nil }
    }
}
