import CElementwise

/// The rows of images that are compared.
enum FingerprintRegion: CaseIterable, Sendable {
    case all
    /// Without the bottom quarter, where subtitles are.
    case upper
    /// Without the top quarter, where captions and tickers are.
    case lower

    var rows: Range<Int> {
        let side = FingerprintFrames.side
        return switch self {
        case .all: 0..<side
        case .upper: 0..<side * 3 / 4
        case .lower: side / 4..<side
        }
    }

    /// The rows that are excluded.
    var rest: Range<Int> {
        switch self {
        case .all: 0..<0
        case .upper: rows.upperBound..<FingerprintFrames.side
        case .lower: 0..<rows.lowerBound
        }
    }
}

/// Similarity of two clips' images.
struct FingerprintSimilarity: Sendable, Equatable {
    /// Median over images of the correlation with the other clip's image at the same time.
    let images: Float
    /// The same for the temporal changes; nil if there are hardly any.
    let motion: Float?
    /// Median difference of red, green or blue from the other clip's, from 0 to 255.
    let colour: Float

    /// Maximum offset in pixels between the clips' images, as from cropping.
    private static let shift = 2
    /// Maximum offset in images between the clips' starts.
    private static let delay = 4
    /// Minimum standard deviation of the changes in an image; less is compression noise.
    private static let moves: Float = 4

    /// Compares in both directions and keeps the lower similarity.
    init(_ first: FingerprintFrames, _ second: FingerprintFrames, _ region: FingerprintRegion = .all) {
        let (one, two) = (Self.oneSided(first, second, region), Self.oneSided(second, first, region))
        images = min(one.images, two.images)
        motion = if let a = one.motion, let b = two.motion { min(a, b) } else { one.motion ?? two.motion }
        colour = max(one.colour, two.colour)
    }

    /// The best matching image of the second clip for one of the first.
    private struct Match {
        var correlation: Float
        var place, x, y: Int
    }

    /// Uses the offset with most matching images, each up to one step earlier or later. Reversed clips do not match.
    private static func oneSided(_ first: FingerprintFrames, _ second: FingerprintFrames, _ region: FingerprintRegion)
        -> (images: Float, motion: Float?, colour: Float)
    {
        let rows = region.rows
        var known: [Int: Match] = [:]
        func match(_ index: Int, _ place: Int) -> Match {
            if let known = known[index * second.frames.count + place] { return known }
            let found = best(first.frames[index], second.frames[place], place, rows)
            known[index * second.frames.count + place] = found
            return found
        }
        var chosen: (images: Float, matches: [(index: Int, match: Match)]) = (-1, [])
        for delay in -delay...delay {
            let matches = first.frames.indices.compactMap { index -> (index: Int, match: Match)? in
                let places = (index + delay - 1...index + delay + 1).filter(second.frames.indices.contains)
                return places.map { match(index, $0) }.max { $0.correlation < $1.correlation }.map { (index, $0) }
            }
            guard 2 * matches.count > first.frames.count else { continue }
            let median = median(matches.map(\.match.correlation))
            if median > chosen.images { chosen = (median, matches) }
        }
        let (moving, others) = (first.motion, second.motion)
        let motions = chosen.matches.filter {
            standardDeviation(moving[$0.index], rows) > moves && standardDeviation(others[$0.match.place], rows) > moves
        }.map { correlation(moving[$0.index], others[$0.match.place], $0.match.x, $0.match.y, rows) }
        let colours = chosen.matches.map { found in
            let distance = first.colour(found.index, rows: rows) - second.colour(found.match.place, rows: rows)
            return max(abs(distance.x), abs(distance.y), abs(distance.z))
        }
        return (
            chosen.images, 3 * motions.count > chosen.matches.count ? median(motions) : nil,
            colours.isEmpty ? 255 : median(colours)
        )
    }

    /// A quick test with a few images, without spatial offset, at every temporal offset.
    static func isPossible(_ first: FingerprintFrames, _ second: FingerprintFrames, _ region: FingerprintRegion) -> Bool
    {
        (-delay...delay).contains { delay in
            let values = stride(from: 1, to: first.frames.count, by: 2).compactMap { index -> Float? in
                guard second.frames.indices.contains(index + delay) else { return nil }
                return correlation(first.frames[index], second.frames[index + delay], 0, 0, region.rows)
            }
            return 4 * values.count >= first.frames.count && median(values) > 0.7
        }
    }

    /// Median share of an image's pixels with brightness gradients; an image with few resembles many other clips.
    static func detail(_ clip: FingerprintFrames) -> Float {
        let side = FingerprintFrames.side
        let shares = clip.frames.map { frame -> Float in
            var count = 0
            for row in 0..<side - 1 {
                for column in 0..<side - 1 {
                    let place = row * side + column
                    let steps = (abs(frame[place + 1] - frame[place]), abs(frame[place + side] - frame[place]))
                    if max(steps.0, steps.1) > 3 { count += 1 }
                }
            }
            return Float(count) / Float((side - 1) * (side - 1))
        }
        return median(shares)
    }

    /// Median of the mean difference of images without spatial offset, from 0 to 255, at the best temporal offset.
    static func distance(_ first: FingerprintFrames, _ second: FingerprintFrames) -> Float {
        (-delay...delay).compactMap { delay -> Float? in
            let values = first.frames.indices.compactMap { index -> Float? in
                guard second.frames.indices.contains(index + delay) else { return nil }
                let pixels = zip(first.frames[index], second.frames[index + delay])
                return pixels.reduce(0) { $0 + abs($1.0 - $1.1) } / Float(first.frames[index].count)
            }
            return 2 * values.count > first.frames.count ? median(values) : nil
        }.min() ?? 255
    }

    /// Whether some rows contain changes.
    static func moves(_ clip: FingerprintFrames, _ rows: Range<Int>) -> Bool {
        let motion = clip.motion
        return 3 * motion.count { standardDeviation($0, rows) > moves } > motion.count
    }

    private static func best(_ image: [Float], _ other: [Float], _ place: Int, _ rows: Range<Int>) -> Match {
        var best = Match(correlation: -1, place: place, x: 0, y: 0)
        for y in -shift...shift {
            for x in -shift...shift {
                let found = correlation(image, other, x, y, rows)
                if found > best.correlation { (best.correlation, best.x, best.y) = (found, x, y) }
            }
        }
        return best
    }

    private static func median(_ values: [Float]) -> Float { values.isEmpty ? -1 : values.sorted()[values.count / 2] }

    private static func standardDeviation(_ image: [Float], _ rows: Range<Int>) -> Float {
        let part = image[rows.lowerBound * FingerprintFrames.side..<rows.upperBound * FingerprintFrames.side]
        let mean = part.reduce(0, +) / Float(part.count)
        return (part.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(part.count)).squareRoot()
    }

    /// Pearson correlation of the central part of the first image with the second at an offset.
    private static func correlation(
        _ first: [Float], _ second: [Float], _ x: Int, _ y: Int, _ rows: Range<Int>
    ) -> Float {
        let side = FingerprintFrames.side
        let inner = side - 2 * shift
        let lines = rows.lowerBound + shift..<rows.upperBound - shift
        let lanes = [Float](unsafeUninitializedCapacity: 5 * 16) { sums, initialized in
            sums.initialize(repeating: 0)
            initialized = sums.count
            first.withUnsafeBufferPointer { first in
                second.withUnsafeBufferPointer { second in
                    guard let one = first.baseAddress, let two = second.baseAddress, !lines.isEmpty else { return }
                    elementwise_paired_sums(
                        lines.count, inner, side, one + lines.lowerBound * side + shift,
                        two + (lines.lowerBound + y) * side + shift + x, sums.baseAddress)
                }
            }
        }
        let sums = stride(from: 0, to: lanes.count, by: 16).map { lanes[$0..<$0 + 16].reduce(0, +) }
        let (a, b, count) = (sums[0], sums[1], Float(inner * lines.count))
        let (varianceA, varianceB) = (sums[2] - a * a / count, sums[3] - b * b / count)
        // Two even images match; an even one and another do not.
        let least = 6 * count
        if varianceA < least && varianceB < least { return abs(a - b) / count < 13 ? 1 : 0 }
        if varianceA < least || varianceB < least { return 0 }
        return (sums[4] - a * b / count) / (varianceA * varianceB).squareRoot()
    }
}
