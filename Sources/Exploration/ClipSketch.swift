import Video

/// A clip as a few small grey pictures: enough to say whether two files show the same, not what they show.
struct ClipSketch: Sendable {
    /// Pixels of a side; pictures lose their shape, which scaling changes anyway.
    static let side = 36
    /// Pictures, spread evenly over the clip.
    static let count = 12

    /// `[frame][pixel]`, from 0 to 255.
    let frames: [[Float]]
    /// Mean red, green and blue of each picture.
    let colours: [SIMD3<Float>]

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
        colours = frames.map { frame in
            let count = Float(frame.width * frame.height)
            var sums = SIMD3<Float>()
            for pixel in stride(from: 0, to: frame.pixels.count, by: 3) {
                sums += SIMD3(
                    Float(frame.pixels[pixel]), Float(frame.pixels[pixel + 1]), Float(frame.pixels[pixel + 2]))
            }
            return sums / count
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
    /// Median over pictures of the correlation with the other clip's at the same time.
    let pictures: Float
    /// The same of what changes in them; nil where hardly anything does.
    let motion: Float?
    /// Median of how far red, green or blue are from the other clip's, from 0 to 255.
    let colour: Float

    /// Pixels that one clip's picture may lie beside the other's: a crop moves it.
    private static let shift = 2
    /// Pictures that one clip may begin before the other.
    private static let delay = 4

    /// Looks from both sides and keeps the less alike.
    init(_ first: ClipSketch, _ second: ClipSketch) {
        let (one, two) = (Self.oneSided(first, second), Self.oneSided(second, first))
        pictures = min(one.pictures, two.pictures)
        motion = if let a = one.motion, let b = two.motion { min(a, b) } else { one.motion ?? two.motion }
        colour = max(one.colour, two.colour)
    }

    /// The best picture of the second clip for one of the first.
    private struct Match {
        var correlation: Float
        var place, x, y: Int
    }

    /// With the delay that makes most pictures alike; a picture may be one earlier or later. Played backwards, a clip is
    /// another.
    private static func oneSided(_ first: ClipSketch, _ second: ClipSketch) -> (
        pictures: Float, motion: Float?, colour: Float
    ) {
        var known: [Int: Match] = [:]
        func match(_ index: Int, _ place: Int) -> Match {
            if let known = known[index * second.frames.count + place] { return known }
            let found = best(first.frames[index], second.frames[place], place)
            known[index * second.frames.count + place] = found
            return found
        }
        var chosen: (pictures: Float, matches: [(index: Int, match: Match)]) = (-1, [])
        for delay in -delay...delay {
            let matches = first.frames.indices.compactMap { index -> (index: Int, match: Match)? in
                let places = (index + delay - 1...index + delay + 1).filter(second.frames.indices.contains)
                return places.map { match(index, $0) }.max { $0.correlation < $1.correlation }.map { (index, $0) }
            }
            guard 2 * matches.count > first.frames.count else { continue }
            let median = median(matches.map(\.match.correlation))
            if median > chosen.pictures { chosen = (median, matches) }
        }
        let (moving, others) = (first.motion, second.motion)
        // Noise of an encoder is no motion.
        let motions = chosen.matches.filter { deviation(moving[$0.index]) > 4 && deviation(others[$0.match.place]) > 4 }
            .map { Self.correlation(moving[$0.index], others[$0.match.place], $0.match.x, $0.match.y) }
        let colours = chosen.matches.map { found in
            let distance = first.colours[found.index] - second.colours[found.match.place]
            return max(abs(distance.x), abs(distance.y), abs(distance.z))
        }
        return (
            chosen.pictures, 3 * motions.count > chosen.matches.count ? median(motions) : nil,
            colours.isEmpty ? 255 : median(colours)
        )
    }

    private static func best(_ picture: [Float], _ other: [Float], _ place: Int) -> Match {
        var best = Match(correlation: -1, place: place, x: 0, y: 0)
        for y in -shift...shift {
            for x in -shift...shift {
                let found = correlation(picture, other, x, y)
                if found > best.correlation { (best.correlation, best.x, best.y) = (found, x, y) }
            }
        }
        return best
    }

    private static func median(_ values: [Float]) -> Float {
        values.isEmpty ? -1 : values.sorted()[values.count / 2]
    }

    private static func deviation(_ picture: [Float]) -> Float {
        let mean = picture.reduce(0, +) / Float(picture.count)
        return (picture.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(picture.count)).squareRoot()
    }

    /// Pearson's, of the middle of the first picture with the second where that lies beside it.
    private static func correlation(_ first: [Float], _ second: [Float], _ x: Int, _ y: Int) -> Float {
        let side = ClipSketch.side
        let inner = side - 2 * shift
        var sums = (
            a: SIMD16<Float>(), b: SIMD16<Float>(), aa: SIMD16<Float>(), bb: SIMD16<Float>(), ab: SIMD16<Float>()
        )
        first.withUnsafeBytes { first in
            second.withUnsafeBytes { second in
                for row in shift..<shift + inner {
                    for column in stride(from: shift, to: shift + inner, by: 16) {
                        let one = first.loadUnaligned(fromByteOffset: 4 * (row * side + column), as: SIMD16<Float>.self)
                        let two = second.loadUnaligned(
                            fromByteOffset: 4 * ((row + y) * side + column + x), as: SIMD16<Float>.self)
                        sums.a += one
                        sums.b += two
                        sums.aa += one * one
                        sums.bb += two * two
                        sums.ab += one * two
                    }
                }
            }
        }
        let (a, b, count) = (sums.a.sum(), sums.b.sum(), Float(inner * inner))
        let (varianceA, varianceB) = (sums.aa.sum() - a * a / count, sums.bb.sum() - b * b / count)
        // Two even pictures are alike; an even one and another are not.
        let least = 6 * count
        if varianceA < least && varianceB < least { return abs(a - b) / count < 13 ? 1 : 0 }
        if varianceA < least || varianceB < least { return 0 }
        return (sums.ab.sum() - a * b / count) / (varianceA * varianceB).squareRoot()
    }
}
