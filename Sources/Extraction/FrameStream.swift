import Inference
import Threads
import Video

/// Computes features of a clip of any length in order while it is decoded: one thread decodes, and `workers` threads
/// run the network. Only a few batches of images are in memory.
package struct FrameStream: Sendable {
    package let path: String
    package let recipe: ExtractionRecipe
    package let weights: PackedWeights
    package let workers: Int

    package init(path: String, recipe: ExtractionRecipe, weights: PackedWeights, workers: Int) {
        (self.path, self.recipe, self.weights, self.workers) = (path, recipe, weights, workers)
    }

    /// `isCancelled`: polled between batches. `consume`: receives times in seconds and rows `[frame, feature]`, in
    /// order, in the calling thread. Throws `VideoError`, `PlanError`, `WeightsError`, `FeatureExtractor.Cancelled`, or
    /// the error of `consume`.
    package func run(
        _ sampling: Sampling, isCancelled: @escaping @Sendable () -> Bool = { false },
        consume: (_ times: [Double], _ rows: [Float]) throws -> Void
    ) throws {
        shareMemoryBetweenThreads()
        let clip = try openClip(path: path)
        let clock = clip.information.clock
        let request = SampleRequest(
            sampling, framing: recipe.preprocessing.framing, aspect: recipe.preprocessing.aspect)
        if let windowed = sampling.windowed, !windowed.isEnough(windowed.ticks(clock)) {
            throw VideoError.shorterThanWindow(path: path, frames: windowed.ticks(clock), sampling: windowed)
        }
        let wanted = try clip.windows(request)?.count ?? clip.times(request).count
        let feed = BoundedQueue<(index: Int, piece: FramePiece)>(producers: 1, capacity: 2 * workers)
        decode(request, into: feed, isCancelled)
        defer { feed.stop() }
        // Batches may finish out of order.
        var early: [Int: Batch] = [:]
        var next = 0
        let (recipe, weights) = (recipe, weights)
        try runJobs(count: (wanted + recipe.batch - 1) / recipe.batch, workers: workers) {
            let extractor = try FeatureExtractor([(recipe, weights)], threads: 1, frames: wanted)
            return { _ -> Batch? in
                guard let (index, piece) = try feed.take()?.first else { return nil }
                switch piece {
                case .frames(let frames):
                    return Batch(
                        index: index, times: frames.map { clock[$0.index] },
                        rows: try extractor.features(of: frames.map(\.pixels)))
                case .window(let window):
                    return Batch(
                        index: index, times: [clock[window.middle.index]], rows: try extractor.features(of: window))
                }
            }
        } consume: { (_: Int, batch: Batch?) in
            guard let batch else { return }
            early[batch.index] = batch
            while let ready = early.removeValue(forKey: next) {
                next += 1
                try consume(ready.times, ready.rows)
            }
        }
        if isCancelled() { throw FeatureExtractor.Cancelled() }
        if next == 0 { throw VideoError.noFrames(path: path) }
    }

    private struct Batch: Sendable {
        let index: Int
        let times: [Double]
        let rows: [Float]
    }

    private func decode(
        _ request: SampleRequest, into feed: BoundedQueue<(index: Int, piece: FramePiece)>,
        _ isCancelled: @escaping @Sendable () -> Bool
    ) {
        let (path, size) = (path, recipe.batch)
        let isDifference = recipe.input.isDifference == true && request.sampling.windowed == nil
        startThread {
            do {
                let clip = try openClip(path: path)
                var windows = try clip.windows(request).map(WindowAssembler.init)
                var changes = isDifference ? ChangingFrames() : nil
                var batch: [VideoFrame] = []
                var count = 0
                func put(_ piece: FramePiece) throws {
                    if isCancelled() || !feed.put((count, piece)) { throw FeatureExtractor.Cancelled() }
                    count += 1
                }
                try clip.forEachFrame(request) { frame in
                    if let ready = windows?.add(frame) {
                        for window in ready { try put(.window(window)) }
                        return
                    }
                    batch += changes?.add(frame) ?? [frame]
                    while batch.count >= size {
                        try put(.frames(Array(batch.prefix(size))))
                        batch.removeFirst(size)
                    }
                }
                for window in windows?.finish() ?? [] { try put(.window(window)) }
                batch += changes?.finish() ?? []
                if !batch.isEmpty { try put(.frames(batch)) }
                feed.finish()
            } catch is FeatureExtractor.Cancelled {
                feed.finish()
            } catch {
                feed.finish(error)
            }
        }
    }
}

private enum FramePiece: Sendable {
    case frames([VideoFrame])
    case window(FrameWindow)
}
