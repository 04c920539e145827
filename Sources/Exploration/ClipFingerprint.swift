import Video

/// Small grey images of a clip, enough to detect near-duplicates.
struct ClipFingerprint: Sendable {
    /// Number of images, evenly spaced over the clip.
    static let count = 12

    let whole: FingerprintFrames
    /// Frames without the bars around them; nil if there are no bars.
    let trimmed: FingerprintFrames?

    init(path: String) throws {
        let requests = [FingerprintFrames.side, LetterboxBars.side].map {
            SampleRequest(.uniform(frames: Self.count), framing: .whole(width: $0, height: $0))
        }
        let sampled = try openClip(path: path).sample(requests)
        self.init(frames: sampled[0].frames, large: sampled[1].frames)
    }

    /// `frames`: of `FingerprintFrames.side` pixels. `large`: the same frames of `LetterboxBars.side` pixels, in which
    /// bars are
    /// detected.
    init(frames: [VideoFrame], large: [VideoFrame]) {
        whole = FingerprintFrames(frames.map { $0.pixels.map(Float.init) })
        trimmed = LetterboxBars(large.map(\.pixels)).map { bars in
            FingerprintFrames(large.map { bars.trimmed($0.pixels, side: FingerprintFrames.side) })
        }
    }

    /// The frames without bars, if there are any, otherwise the whole frames.
    var inner: FingerprintFrames { trimmed ?? whole }
}

/// The images of a clip for comparison. Their aspect ratio is not preserved, since copies may have another one.
struct FingerprintFrames: Sendable {
    /// Side in pixels.
    static let side = 36

    /// `[frame][pixel]`, grey, from 0 to 255.
    let frames: [[Float]]
    /// Mean RGB of each row of each image.
    let rowColours: [[SIMD3<Float>]]

    private init(frames: [[Float]], rowColours: [[SIMD3<Float>]]) {
        (self.frames, self.rowColours) = (frames, rowColours)
    }

    /// - Parameter images: RGB of each pixel, from 0 to 255.
    init(_ images: [[Float]]) {
        frames = images.map { image in
            (0..<image.count / 3).map { 0.299 * image[3 * $0] + 0.587 * image[3 * $0 + 1] + 0.114 * image[3 * $0 + 2] }
        }
        rowColours = images.map { image in
            (0..<Self.side).map { row in
                var sums = SIMD3<Float>()
                for pixel in row * Self.side..<(row + 1) * Self.side {
                    sums += SIMD3(image[3 * pixel], image[3 * pixel + 1], image[3 * pixel + 2])
                }
                return sums / Float(Self.side)
            }
        }
    }

    var mirrored: FingerprintFrames {
        let side = Self.side
        return FingerprintFrames(
            frames: frames.map { frame in
                frame.indices.map { frame[$0 / side * side + side - 1 - $0 % side] }
            }, rowColours: rowColours)
    }

    /// Mean RGB of some rows of an image.
    func colour(_ frame: Int, rows: Range<Int>) -> SIMD3<Float> {
        rowColours[frame][rows].reduce(SIMD3<Float>(), +) / Float(rows.count)
    }

    /// The temporal changes: each image centred on the mean image.
    var motion: [[Float]] {
        guard let first = frames.first else { return [] }
        let mean = first.indices.map { pixel in frames.reduce(0) { $0 + $1[pixel] } / Float(frames.count) }
        return frames.map { frame in zip(frame, mean).map { $0 - $1 } }
    }

    /// A descriptor that is nearly the same for copies, also if they are mirrored or subtitled: mean and variation of
    /// brightness on a coarse grid of the upper three quarters, with the left and right halves summed.
    var descriptor: [Float] {
        let (side, cells) = (Self.side, (rows: 4, columns: 3))
        let (height, width) = (side * 3 / 4 / cells.rows, side / 2 / cells.columns)
        var result: [Float] = []
        for row in 0..<cells.rows {
            for column in 0..<cells.columns {
                let values = frames.map { frame -> Float in
                    var sum: Float = 0
                    for y in row * height..<(row + 1) * height {
                        for x in column * width..<(column + 1) * width {
                            sum += frame[y * side + x] + frame[y * side + side - 1 - x]
                        }
                    }
                    return sum / Float(2 * height * width)
                }
                let mean = values.reduce(0, +) / Float(max(1, values.count))
                let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(max(1, values.count))
                result += [mean, 4 * square.squareRoot()]
            }
        }
        return result
    }
}
