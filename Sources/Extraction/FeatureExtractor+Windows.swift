import FeatureCache
import Foundation
import Video

/// Features of windows are computed while the clip is decoded, so that memory does not depend on its length, and
/// overlapping windows decode each frame once.
extension FeatureExtractor {
    /// The intermediate result of one request: features of windows, or frames that are kept until the end.
    private struct Collected {
        var assembler: WindowAssembler?
        var frames: [VideoFrame] = []
        var middles: [(index: Int, time: Double)] = []
        var ends: [ClosedRange<Int>] = []
        /// By view.
        var features: [Int: [Float]] = [:]
        /// Number of requested frames, if frames are kept.
        var wanted = 0

        /// Whether all expected frames or windows arrived.
        var isWhole: Bool { assembler?.isWhole ?? (frames.count == wanted) }
    }

    /// `requests`: of each view. `distinct`: the requests without duplicates. Throws as `extract`.
    func extractWindows(
        _ clip: any ClipReader, path: String, _ views: [View], _ requests: [SampleRequest], _ distinct: [SampleRequest],
        _ isCancelled: () -> Bool
    ) throws -> Result {
        let places = distinct.places
        let readers = distinct.map { request in views.indices.filter { requests[$0] == request } }
        func begin() throws -> [Collected] { try distinct.map { try collected($0, clip, path) } }
        func add(_ windows: [FrameWindow], to place: Int, _ all: inout [Collected]) throws {
            for window in windows {
                if isCancelled() { throw Cancelled() }
                all[place].middles.append((window.middle.index, window.middle.time))
                all[place].ends.append(window.ends)
                for view in readers[place] {
                    all[place].features[view, default: []] += try features(of: window, recipe: views[view].recipe)
                }
            }
        }
        func take(_ frame: VideoFrame, _ place: Int, _ all: inout [Collected]) throws {
            if let windows = all[place].assembler?.add(frame) {
                try add(windows, to: place, &all)
            } else {
                all[place].frames.append(frame)
            }
        }
        var all = try begin()
        var errors = try clip.forEachFrame(distinct) { try take($1, $0, &all) }
        for place in all.indices { try add(all[place].assembler?.finish() ?? [], to: place, &all) }
        if !all.allSatisfy(\.isWhole) {
            // The packets announced other frames than were decoded: sample again from the decoded ones.
            let sampled = try clip.sample(distinct)
            all = try begin()
            for (place, frames) in sampled.enumerated() {
                for frame in frames.frames { try take(frame, place, &all) }
                try add(all[place].assembler?.finish() ?? [], to: place, &all)
            }
            errors = sampled.map(\.decodeErrors).max() ?? 0
        }
        let sequences = try views.indices.map { index in
            let own = all[places[requests[index]] ?? 0]
            guard own.assembler != nil else {
                return try sequence(views[index], of: own.frames, decodeErrors: errors, isCancelled)
            }
            return SequenceRecord(
                view: views[index].view, frameIndices: own.middles.map(\.index), frameTimes: own.middles.map(\.time),
                windowEnds: own.ends, decodeErrors: errors, features: own.features[index] ?? [])
        }
        if requests.allSatisfy({ $0.part.count == 1 }), sequences.contains(where: { $0.length == 0 }) {
            throw VideoError.noFrames(path: path)
        }
        return Result(clip.information, sequences)
    }

    private func collected(_ request: SampleRequest, _ clip: any ClipReader, _ path: String) throws -> Collected {
        guard let sampling = request.sampling.windowed else { return Collected(wanted: try clip.times(request).count) }
        let ticks = sampling.ticks(clip.information.clock)
        if !sampling.isEnough(ticks) {
            throw VideoError.shorterThanWindow(path: path, frames: ticks, sampling: sampling)
        }
        return Collected(assembler: WindowAssembler(try clip.windows(request) ?? []))
    }
}
