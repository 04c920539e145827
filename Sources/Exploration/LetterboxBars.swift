/// Detects bars of one colour around a clip's frames, as from letterboxing, also coloured or with subtitles.
struct LetterboxBars: Equatable {
    /// Side in pixels of the images in which bars are detected.
    static let side = 144

    /// The region between the bars, in pixels.
    let rows, columns: Range<Int>

    /// Maximum difference of a channel from the bar's colour, which allows for compression noise.
    private static let tolerance = 14
    /// Minimum thickness; thinner bars do not affect the comparison.
    private static let thinnest = 3
    /// Minimum extent of the inner region: an upright video in a wide frame has 45 pixels.
    private static let least = 36

    /// Nil if there are no bars. `images`: RGB of `side` × `side` pixels, at several times.
    init?(_ images: [[UInt8]]) {
        let vertical = Self.inside(images, transposed: false)
        let horizontal = Self.inside(images, transposed: true)
        let all = 0..<Self.side
        guard vertical != nil || horizontal != nil else { return nil }
        (rows, columns) = (vertical ?? all, horizontal ?? all)
    }

    /// Lines between the bars; nil if there are none at either end.
    private static func inside(_ images: [[UInt8]], transposed: Bool) -> Range<Int>? {
        func bar(reversed: Bool, beside other: Bar?) -> Bar? {
            Self.bar(images, transposed, reversed: reversed, beside: other)
        }
        var (first, last) = (bar(reversed: false, beside: nil), bar(reversed: true, beside: nil))
        // The bar at the other end has the same thickness and may contain subtitles.
        if first == nil { first = bar(reversed: false, beside: last) }
        if last == nil { last = bar(reversed: true, beside: first) }
        let begin = first?.lines ?? 0
        let range = begin..<max(begin, side - (last?.lines ?? 0))
        return range.count < side && range.count >= least ? range : nil
    }

    private struct Bar {
        let lines: Int
        let colour: SIMD3<Int>
    }

    /// The bar at one end; nil if there is none. `beside`: the bar at the other end; this one may then have its
    /// thickness and contain subtitles.
    private static func bar(_ images: [[UInt8]], _ transposed: Bool, reversed: Bool, beside: Bar?) -> Bar? {
        func pixel(_ image: [UInt8], _ line: Int, _ place: Int) -> SIMD3<Int> {
            let line = reversed ? side - 1 - line : line
            let index = 3 * (transposed ? place * side + line : line * side + place)
            return SIMD3(Int(image[index]), Int(image[index + 1]), Int(image[index + 2]))
        }
        let colour = beside?.colour ?? median(images.flatMap { image in (0..<side).map { pixel(image, 0, $0) } })
        func differs(_ image: [UInt8], _ line: Int, _ place: Int) -> Bool {
            let distance = pixel(image, line, place) &- colour
            return max(abs(distance.x), abs(distance.y), abs(distance.z)) > tolerance
        }
        // Frames of one colour, as in a fade, are ignored.
        let telling = images.filter { image in
            stride(from: 0, to: side, by: 4).contains { line in
                stride(from: 0, to: side, by: 4).count { differs(image, line, $0) } > side / 16
            }
        }
        guard telling.count > 2 else { return nil }
        // Subtitles are shorter than the line.
        let allowed = beside == nil ? side / 18 : side * 17 / 20
        let most = beside?.lines ?? side - least
        var lines = 0
        while lines < most, telling.allSatisfy({ image in (0..<side).count { differs(image, lines, $0) } <= allowed }) {
            lines += 1
        }
        guard lines >= thinnest, lines < side - least else { return nil }
        // A bar ends along the whole line; otherwise it is an object on an even background. The line after its end is
        // excluded too, since it may contain some of its colour.
        let end = (lines - (beside == nil ? 0 : 2)..<lines + 4).first { line in
            3 * (0..<side).count { place in 4 * telling.count { differs($0, line, place) } >= telling.count } >= side
        }
        return end.map { Bar(lines: $0 + 1, colour: colour) }
    }

    private static func median(_ colours: [SIMD3<Int>]) -> SIMD3<Int> {
        func middle(_ values: [Int]) -> Int { values.isEmpty ? 0 : values.sorted()[values.count / 2] }
        return SIMD3(middle(colours.map(\.x)), middle(colours.map(\.y)), middle(colours.map(\.z)))
    }

    /// The inner region of `pixels` (RGB of `Self.side` × `Self.side`), resized to `side` × `side` with antialiasing.
    func trimmed(_ pixels: [UInt8], side: Int) -> [Float] {
        let (down, across) = (Self.weights(rows, to: side), Self.weights(columns, to: side))
        var narrow = [Float](repeating: 0, count: Self.side * side * 3)
        for row in rows {
            for (place, taps) in across.enumerated() {
                for (column, weight) in taps {
                    for channel in 0..<3 {
                        narrow[(row * side + place) * 3 + channel] +=
                            weight * Float(pixels[(row * Self.side + column) * 3 + channel])
                    }
                }
            }
        }
        var result = [Float](repeating: 0, count: side * side * 3)
        for (place, taps) in down.enumerated() {
            for (row, weight) in taps {
                for index in 0..<side * 3 {
                    result[place * side * 3 + index] += weight * narrow[row * side * 3 + index]
                }
            }
        }
        return result
    }

    /// Weights of the pixels of `range` for each of `count` output pixels.
    private static func weights(_ range: Range<Int>, to count: Int) -> [[(index: Int, weight: Float)]] {
        let scale = Float(range.count) / Float(count)
        let reach = max(1, scale)
        return (0..<count).map { place in
            let centre = (Float(place) + 0.5) * scale - 0.5
            let taps = range.indices.map { index -> (index: Int, weight: Float) in
                (index, max(0, 1 - abs(Float(index - range.lowerBound) - centre) / reach))
            }.filter { $0.weight > 0 }
            let sum = taps.reduce(0) { $0 + $1.weight }
            return taps.map { ($0.index, $0.weight / sum) }
        }
    }
}
