import Video

/// What moves: pictures of how each frame differs from the one before it, the cheap second stream of Temporal Segment
/// Networks (Wang et al. 2016, arXiv:1608.00859).
///
/// A number is middle grey, 128, where nothing changed, and half the difference more or less elsewhere. Frames follow each
/// other as they were sampled, in a window as the window has them. The first, which has none before it, shows what the second does.
enum FrameDifference {
    /// - Parameter pictures: of one size, in order.
    static func of(_ pictures: [[UInt8]]) -> [[UInt8]] {
        guard let first = pictures.first else { return [] }
        let changes = zip(pictures, pictures.dropFirst()).map { before, after in change(from: before, to: after) }
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

/// The same while frames come in.
struct ChangingFrames {
    private var last: VideoFrame?
    private var isFirst = true

    /// - Returns: what is known to be shown now.
    mutating func add(_ frame: VideoFrame) -> [VideoFrame] {
        defer { last = frame }
        guard let last else { return [] }
        let pictures = FrameDifference.of([last.pixels, frame.pixels])
        defer { isFirst = false }
        return (isFirst ? [last.showing(pictures[0])] : []) + [frame.showing(pictures[1])]
    }

    /// Where there was one frame only.
    mutating func finish() -> [VideoFrame] {
        guard isFirst, let last else { return [] }
        return [last.showing(FrameDifference.of([last.pixels])[0])]
    }
}

extension VideoFrame {
    /// The same frame with other pixels.
    func showing(_ pixels: [UInt8]) -> VideoFrame {
        var shown = self
        shown.pixels = pixels
        return shown
    }
}
