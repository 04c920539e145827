import Extraction
import Foundation
import SequenceModels
import Video

/// A run's predictions for a long video over time.
package struct WindowedPrediction: Sendable {
    package let video: String
    /// The unit: `frames`, or `windows` for video encoders.
    package let unit: String
    /// Frames per window, or all if the video has fewer.
    package let window: Int
    /// Sampled frames per second.
    package let frameRate: Double
    package let isShort: Bool
    package let timeline: Timeline
}

/// Applies a run to videos of any length with a sliding window of the training length and frame rate. Each frame is
/// decoded and inferred once; memory does not depend on the video's length.
package struct WindowPredictor: Sendable {
    private let run: LoadedRun
    /// Rows per second, frames or windows; nil follows the video's frame rate.
    private let frameRate: Double?
    /// Size of the moving average over windows; 1 disables it.
    package var rolling = 1

    /// `weights`: the backbone's weight file, if it is not at the run's path. `frameRate`: sampled frames per second;
    /// nil uses that of the training clips. Throws `SequenceError`, `WeightsError`, `RecipeError`.
    package init(_ directory: RunDirectory, weights path: String? = nil, frameRate: Double? = nil) throws {
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

    /// Problems with the backbone's weights, and deviations of this machine from the run's recipe.
    package var warnings: [String] { run.warnings }

    /// - `report`: receives the current time in seconds and the video's duration.
    /// - Throws: `VideoError`, `FeatureExtractor.Cancelled`.
    package func predict(
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
            length: min(length, times.count), rolling: rolling,
            thresholds: run.head.task == .multilabel ? run.head.thresholds : nil)
        return WindowedPrediction(
            video: video, unit: run.recipe.sampling.unit, window: min(length, times.count), frameRate: rate,
            isShort: times.count < length, timeline: timeline)
    }
}

extension WindowPredictor {
    /// Sampling of a whole video with the run's settings, and the resulting rows per second.
    private func sampling(of information: VideoInformation) -> (Sampling, rate: Double) {
        let own = max(information.frameRate, 1e-3)
        if var windowed = run.recipe.sampling.windowed {
            windowed.windows = Sampling.unlimited
            return (.windows(windowed), frameRate ?? own / Double(windowed.stride))
        }
        // At most the video's own frame rate.
        let rate = min(frameRate ?? own, own)
        return (.rate(framesPerSecond: rate, frames: Sampling.unlimited), rate)
    }
}

extension Sampling {
    /// Frames per second, if the sampling policy defines it.
    fileprivate var ownRate: Double? { if case .rate(let framesPerSecond, _) = self { framesPerSecond } else { nil } }
}
