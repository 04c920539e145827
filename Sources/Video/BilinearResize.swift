/// Resizes `[height, width, 3]` pixels as OpenCV's `INTER_LINEAR`: half-pixel centres, no antialiasing, 11-bit weights.
func resizedBilinear(
    _ pixels: [UInt8], from source: (width: Int, height: Int), to size: (width: Int, height: Int)
) -> [UInt8] {
    if source == size { return pixels }
    let (columns, rows) = (taps(from: source.width, to: size.width), taps(from: source.height, to: size.height))
    // The two current source rows, already resized horizontally.
    var (upper, lower) = ([Int32](repeating: 0, count: size.width * 3), [Int32](repeating: 0, count: size.width * 3))
    var (upperRow, lowerRow) = (-1, -1)
    var result = [UInt8](repeating: 0, count: size.width * size.height * 3)
    for (row, tap) in rows.enumerated() {
        if tap.first == lowerRow {
            swap(&upper, &lower)
            swap(&upperRow, &lowerRow)
        }
        if tap.first != upperRow { interpolate(pixels, row: tap.first, width: source.width, columns, into: &upper) }
        if tap.second != lowerRow { interpolate(pixels, row: tap.second, width: source.width, columns, into: &lower) }
        (upperRow, lowerRow) = (tap.first, tap.second)
        blend(upper, lower, weight: tap.weight, into: &result, at: row * size.width * 3)
    }
    return result
}

/// Two neighbouring pixels, and the weight of the second in units of 1/2048.
private typealias Tap = (first: Int, second: Int, weight: Int32)

private func taps(from source: Int, to size: Int) -> [Tap] {
    let scale = Double(source) / Double(size)
    return (0..<size).map { index in
        let position = Float((Double(index) + 0.5) * scale - 0.5)
        let first = Int(position.rounded(.down))
        guard first >= 0 else { return (0, 0, 0) }
        guard first < source - 1 else { return (source - 1, source - 1, 0) }
        return (first, first + 1, Int32(((position - Float(first)) * 2048).rounded(.toNearestOrEven)))
    }
}

/// One source row resized horizontally, times 2048.
private func interpolate(_ pixels: [UInt8], row: Int, width: Int, _ columns: [Tap], into output: inout [Int32]) {
    pixels.withUnsafeBufferPointer { pixels in
        output.withUnsafeMutableBufferPointer { output in
            for (column, tap) in columns.enumerated() {
                let (first, second) = ((row * width + tap.first) * 3, (row * width + tap.second) * 3)
                for channel in 0..<3 {
                    output[column * 3 + channel] =
                        Int32(pixels[first + channel]) &* (2048 &- tap.weight)
                        &+ Int32(pixels[second + channel]) &* tap.weight
                }
            }
        }
    }
}

private func blend(_ upper: [Int32], _ lower: [Int32], weight: Int32, into result: inout [UInt8], at offset: Int) {
    upper.withUnsafeBufferPointer { upper in
        lower.withUnsafeBufferPointer { lower in
            result.withUnsafeMutableBufferPointer { result in
                for index in upper.indices {
                    // OpenCV's shifts, for identical rounding.
                    let above: Int32 = ((upper[index] >> 4) &* (2048 &- weight)) >> 16
                    let below: Int32 = ((lower[index] >> 4) &* weight) >> 16
                    let sum: Int32 = above &+ below
                    result[offset + index] = UInt8(truncatingIfNeeded: (sum &+ 2) >> 2)
                }
            }
        }
    }
}
