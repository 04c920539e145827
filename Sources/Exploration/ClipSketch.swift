import Video

/// A clip as a few small grey pictures: enough to say whether two files show the same, not what they show.
struct ClipSketch: Sendable {
    /// Pixels of a side; pictures lose their shape, which scaling changes anyway.
    static let side = 36
    /// Pictures, spread evenly over the clip.
    static let count = 12

    /// `[frame][pixel]`, from 0 to 255.
    let frames: [[Float]]

    /// - Throws: `VideoError`.
    init(path: String) throws {
        let request = SampleRequest(
            .uniform(frames: Self.count), framing: .whole(width: Self.side, height: Self.side))
        self.init(frames: try openClip(path: path).sample([request])[0].frames)
    }

    init(frames: [VideoFrame]) {
        self.frames = frames.map { frame in
            (0..<frame.width * frame.height).map { pixel in
                0.299 * Float(frame.pixels[3 * pixel]) + 0.587 * Float(frame.pixels[3 * pixel + 1])
                    + 0.114 * Float(frame.pixels[3 * pixel + 2])
            }
        }
    }

    /// What changes: each picture less the mean of all.
    var motion: [[Float]] {
        guard let first = frames.first else { return [] }
        let mean = first.indices.map { pixel in frames.reduce(0) { $0 + $1[pixel] } / Float(frames.count) }
        return frames.map { frame in zip(frame, mean).map { $0 - $1 } }
    }
}

/// How alike two clips' pictures are.
struct SketchLikeness: Sendable, Equatable {
    /// Median over pictures of the correlation with the best picture of the other clip.
    let pictures: Float
    /// The same of what changes in them; nil where hardly anything does.
    let motion: Float?

    /// Pixels that one clip's picture may lie beside the other's: a crop moves it.
    private static let shift = 2

    /// Looks from both sides and keeps the less alike.
    init(_ first: ClipSketch, _ second: ClipSketch) {
        let (one, two) = (Self.oneSided(first, second), Self.oneSided(second, first))
        pictures = min(one.pictures, two.pictures)
        motion = if let a = one.motion, let b = two.motion { min(a, b) } else { one.motion ?? two.motion }
    }

    private static func oneSided(_ first: ClipSketch, _ second: ClipSketch) -> (pictures: Float, motion: Float?) {
        let (moving, others) = (first.motion, second.motion)
        var pictures: [Float] = []
        var motions: [Float] = []
        for (index, frame) in first.frames.enumerated() {
            var best: (correlation: Float, place: Int, x: Int, y: Int) = (-1, 0, 0, 0)
            for (place, other) in second.frames.enumerated() {
                for y in -shift...shift {
                    for x in -shift...shift {
                        let found = correlation(frame, other, x, y)
                        if found > best.correlation { best = (found, place, x, y) }
                    }
                }
            }
            pictures.append(best.correlation)
            // Noise of an encoder is no motion.
            if deviation(moving[index]) > 4, deviation(others[best.place]) > 4 {
                motions.append(correlation(moving[index], others[best.place], best.x, best.y))
            }
        }
        return (median(pictures), motions.count > first.frames.count / 3 ? median(motions) : nil)
    }

    private static func median(_ values: [Float]) -> Float {
        values.isEmpty ? -1 : values.sorted()[values.count / 2]
    }

    private static func deviation(_ picture: [Float]) -> Float {
        let mean = picture.reduce(0, +) / Float(picture.count)
        return (picture.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(picture.count)).squareRoot()
    }

    /// Pearson's, over the pixels that both have when the second is moved.
    private static func correlation(_ first: [Float], _ second: [Float], _ x: Int, _ y: Int) -> Float {
        let side = ClipSketch.side
        var (a, b, aa, bb, ab): (Float, Float, Float, Float, Float) = (0, 0, 0, 0, 0)
        let (rows, columns) = (max(0, -y)..<min(side, side - y), max(0, -x)..<min(side, side - x))
        for row in rows {
            for column in columns {
                let (one, two) = (first[row * side + column] / 255, second[(row + y) * side + column + x] / 255)
                a += one
                b += two
                aa += one * one
                bb += two * two
                ab += one * two
            }
        }
        let count = Float(rows.count * columns.count)
        let (varianceA, varianceB) = (aa - a * a / count, bb - b * b / count)
        // Two even pictures are alike; an even one and another are not.
        let least = 1e-4 * count
        if varianceA < least && varianceB < least { return abs(a - b) / count < 0.05 ? 1 : 0 }
        if varianceA < least || varianceB < least { return 0 }
        return (ab - a * b / count) / (varianceA * varianceB).squareRoot()
    }
}
