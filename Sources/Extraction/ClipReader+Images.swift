import Video

extension ClipReader {
    /// The input images of a clip: frames, or the frames of each window concatenated, `[frame, row, column, 3]`.
    /// `differences`: whether the network gets frame differences. Throws `VideoError`.
    package func images(_ request: SampleRequest, differences: Bool) throws -> [[UInt8]] {
        try images(sample([request])[0].frames, request, differences: differences)
    }

    /// The input images from frames that were sampled for that request.
    package func images(_ frames: [VideoFrame], _ request: SampleRequest, differences: Bool) throws -> [[UInt8]] {
        func shown(_ frames: [VideoFrame]) -> [[UInt8]] {
            differences ? FrameDifference.of(frames.map(\.pixels)) : frames.map(\.pixels)
        }
        guard let windows = try windows(request) else { return shown(frames) }
        if windows.isEmpty, let windowed = request.sampling.windowed {
            throw VideoError.shorterThanWindow(
                path: path, frames: windowed.ticks(information.clock), sampling: windowed)
        }
        var assembler = WindowAssembler(windows)
        let whole = frames.flatMap { assembler.add($0) } + assembler.finish()
        return whole.map { shown($0.frames).flatMap { $0 } }
    }
}
