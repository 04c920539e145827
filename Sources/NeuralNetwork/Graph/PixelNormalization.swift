import CElementwise

/// How 8-bit RGB becomes a network's input: value · scale + offset per channel.
package struct PixelNormalization: Sendable, Equatable {
    package let scale, offset: [Float]

    package let isBlueFirst: Bool

    /// (value / 255 − mean) / standard deviation for red, green and blue.
    package init(mean: [Float], standardDeviation: [Float], isBlueFirst: Bool = false) {
        self.isBlueFirst = isBlueFirst
        scale = standardDeviation.map { 1 / (255 * $0) }
        offset = zip(mean, standardDeviation).map { -$0 / $1 }
    }

    package func apply(to pixels: UnsafeBufferPointer<UInt8>, into output: UnsafeMutablePointer<Float>) {
        elementwise_pixels(pixels.count, pixels.baseAddress, scale, offset, output)
        guard isBlueFirst else { return }
        for index in stride(from: 0, to: pixels.count, by: 3) {
            (output[index], output[index + 2]) = (output[index + 2], output[index])
        }
    }
}
