import Video

/// Differences of consecutive frames, the inexpensive second stream of Temporal Segment Networks (Wang et al. 2016,
/// arXiv:1608.00859).
///
/// Unchanged values are 128; half of the difference is added. Consecutive means consecutive sampled frames, or frames
/// of the window. The first frame, which has no predecessor, gets the difference of the second.
enum FrameDifference {
    /// - Parameter images: of one size, in order.
    static func of(_ images: [[UInt8]]) -> [[UInt8]] {
        guard let first = images.first else { return [] }
        let changes = zip(images, images.dropFirst()).map { before, after in change(from: before, to: after) }
        return [changes.first ?? change(from: first, to: first)] + changes
    }

    private static func change(from before: [UInt8], to after: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: after.count) { target, count in
            before.withUnsafeBufferPointer { before in
                after.withUnsafeBufferPointer { after in
                    for index in after.indices {
                        target[index] = UInt8((256 + Int16(after[index]) - Int16(before[index])) >> 1)
                    }
                }
            }
            count = after.count
        }
    }
}

/// Frame differences of a stream of frames.
struct ChangingFrames {
    private var last: VideoFrame?
    private var isFirst = true

    /// - Returns: the differences that are complete now.
    mutating func add(_ frame: VideoFrame) -> [VideoFrame] {
        defer { last = frame }
        guard let last else { return [] }
        let images = FrameDifference.of([last.pixels, frame.pixels])
        defer { isFirst = false }
        return (isFirst ? [last.showing(images[0])] : []) + [frame.showing(images[1])]
    }

    /// For a stream of only one frame.
    mutating func finish() -> [VideoFrame] {
        guard isFirst, let last else { return [] }
        return [last.showing(FrameDifference.of([last.pixels])[0])]
    }
}

extension VideoFrame {
    func showing(_ pixels: [UInt8]) -> VideoFrame {
        var shown = self
        shown.pixels = pixels
        return shown
    }
}

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
