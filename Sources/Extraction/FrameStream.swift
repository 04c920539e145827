import Foundation
import NeuralNetwork
import Video

/// Features of the frames of one clip of any length, in order, while it is being decoded: one thread decodes, and as
/// many workers as wanted run the network. Each frame is decoded and inferred once; no more than a few batches of
/// pictures are in memory.
public struct FrameStream: Sendable {
    /// The clip.
    public let path: String
    /// How features are made.
    public let recipe: ExtractionRecipe
    /// The network's parameters.
    public let weights: PackedWeights
    /// Threads that run the network.
    public let workers: Int

    /// All parts, as they are.
    public init(path: String, recipe: ExtractionRecipe, weights: PackedWeights, workers: Int) {
        (self.path, self.recipe, self.weights, self.workers) = (path, recipe, weights, workers)
    }

    /// - Parameters:
    ///   - sampling: which frames.
    ///   - isCancelled: asked between batches.
    ///   - consume: gets times in seconds and rows `[frame, feature]`, in order, in the calling thread.
    /// - Throws: `VideoError`, `PlanError`, `WeightsError`, `FeatureExtractor.Cancelled`, or what `consume` throws.
    public func run(
        _ sampling: Sampling, isCancelled: @escaping @Sendable () -> Bool = { false },
        consume: (_ times: [Double], _ rows: [Float]) throws -> Void
    ) throws {
        shareMemoryBetweenThreads()
        let clip = try openClip(path: path)
        let request = SampleRequest(
            sampling, framing: .centerSquare(size: recipe.imageSize, filter: recipe.resize))
        let wanted = request.times(clip.information.frameTimes).count
        let feed = FrameFeed(capacity: 2 * workers)
        decode(request, into: feed, isCancelled)
        defer { feed.stop() }
        // Batches come in the order in which they are ready.
        var early: [Int: Batch] = [:]
        var next = 0
        let (recipe, weights) = (recipe, weights)
        try runJobs(count: (wanted + recipe.batch - 1) / recipe.batch, workers: workers) {
            let extractor = try FeatureExtractor([(recipe, weights)], threads: 1, frames: wanted)
            return { _ -> Batch? in
                guard let (index, frames) = try feed.take() else { return nil }
                return Batch(index: index, times: frames.map(\.time), rows: try extractor.features(of: frames))
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

    /// Starts the thread that decodes.
    private func decode(_ request: SampleRequest, into feed: FrameFeed, _ isCancelled: @escaping @Sendable () -> Bool) {
        let (path, size) = (path, recipe.batch)
        let thread = Thread {
            do {
                var batch: [VideoFrame] = []
                try openClip(path: path).forEachFrame(request) { frame in
                    batch.append(frame)
                    guard batch.count == size else { return }
                    if isCancelled() || !feed.put(batch) { throw FeatureExtractor.Cancelled() }
                    batch = []
                }
                if !batch.isEmpty { _ = feed.put(batch) }
                feed.finish(nil)
            } catch is FeatureExtractor.Cancelled {
                feed.finish(nil)
            } catch {
                feed.finish(error)
            }
        }
        thread.stackSize = 16 << 20
        thread.start()
    }
}

/// A bounded queue between the thread that decodes and those that infer.
///
/// `@unchecked Sendable`: every access to the mutable state is made while holding `condition`.
private final class FrameFeed: @unchecked Sendable {
    private let condition = NSCondition()
    private let capacity: Int
    private var waiting: [(index: Int, frames: [VideoFrame])] = []
    private var count = 0
    private var error: (any Error)?
    private var isFinished = false

    init(capacity: Int) { self.capacity = capacity }

    /// False where nobody wants frames any more.
    func put(_ frames: [VideoFrame]) -> Bool {
        condition.withLock {
            while waiting.count >= capacity && !isFinished { condition.wait() }
            if isFinished { return false }
            waiting.append((count, frames))
            count += 1
            condition.broadcast()
            return true
        }
    }

    /// The next batch and its number; nil at the end.
    func take() throws -> (index: Int, frames: [VideoFrame])? {
        try condition.withLock {
            while waiting.isEmpty && !isFinished { condition.wait() }
            if let error { throw error }
            condition.broadcast()
            return waiting.isEmpty ? nil : waiting.removeFirst()
        }
    }

    func finish(_ error: (any Error)?) {
        condition.withLock {
            (self.error, isFinished) = (error, true)
            condition.broadcast()
        }
    }

    /// Lets the decoder go.
    func stop() {
        condition.withLock {
            (waiting, isFinished) = ([], true)
            condition.broadcast()
        }
    }
}
