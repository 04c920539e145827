/// How 8-bit RGB becomes a network's input: value · scale + offset, for each channel.
public struct PixelNormalization: Sendable, Equatable {
    /// Factor of red, green, blue.
    public let scale: [Float]
    /// Summand of red, green, blue.
    public let offset: [Float]

    /// Whether the network's first channel is blue.
    public let isBlueFirst: Bool

    /// (value / 255 − mean) / deviation for red, green, blue.
    public init(mean: [Float], deviation: [Float], isBlueFirst: Bool = false) {
        self.isBlueFirst = isBlueFirst
        scale = deviation.map { 1 / (255 * $0) }
        offset = zip(mean, deviation).map { -$0 / $1 }
    }

    func apply(to pixels: UnsafeBufferPointer<UInt8>, into output: UnsafeMutablePointer<Float>) {
        // Sixteen pixels at a time: the three channels' factors repeat every 48 values.
        let factors = (0..<48).map { scale[$0 % 3] }
        let offsets = (0..<48).map { offset[$0 % 3] }
        let whole = pixels.count / 48 * 48
        factors.withUnsafeBufferPointer { factors in
            offsets.withUnsafeBufferPointer { offsets in
                var start = 0
                while start < whole {
                    for index in 0..<48 {
                        output[start + index] = Float(pixels[start + index]) * factors[index] + offsets[index]
                    }
                    start += 48
                }
                for index in whole..<pixels.count {
                    output[index] = Float(pixels[index]) * factors[index - whole] + offsets[index - whole]
                }
                guard isBlueFirst else { return }
                for index in stride(from: 0, to: pixels.count, by: 3) {
                    (output[index], output[index + 2]) = (output[index + 2], output[index])
                }
            }
        }
    }
}
