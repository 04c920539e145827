import Datasets
import Foundation

/// Random augmentation of training images; options that are not set change nothing. Geometric changes are combined in
/// one affine map with bilinear interpolation and reflection at the border, as in Keras' layers.
package struct Augmentation: Sendable, Equatable, Codable {
    /// Flips horizontally with probability 1/2.
    package var flipsHorizontally = false
    /// Flips vertically with probability 1/2.
    package var flipsVertically = false
    /// Maximum rotation in either direction, as a fraction of a full turn.
    package var rotation = 0.0
    /// Maximum relative change of size.
    package var zoom = 0.0
    /// Maximum relative change of contrast around the mean colour.
    package var contrast = 0.0
    /// Maximum change of brightness, as a fraction of white.
    package var brightness = 0.0
    /// Minimum area of a random crop, as a fraction of the image, resized to the original size; 1 disables cropping.
    /// The aspect ratio is between 3:4 and 4:3 (torchvision's `RandomResizedCrop`).
    package var crop = 1.0
    /// Whether all frames of a clip are changed in the same way.
    package var isSharedByClip = true

    package init() {}

    package var isIdentity: Bool {
        var plain = Augmentation()
        plain.isSharedByClip = isSharedByClip
        return self == plain
    }

    /// One sample of all random values.
    package struct Draw: Sendable, Equatable {
        /// The affine map from output to input coordinates, each from −1 to 1: `[a, b, tx; c, d, ty]`.
        let matrix: [Float]
        let contrast, brightness: Float
    }

    package func draw(_ generator: inout SplitMix64) -> Draw {
        func around(_ spread: Double) -> Double {
            spread > 0 ? Double.random(in: -spread...spread, using: &generator) : 0
        }
        let mirrorX = flipsHorizontally && Bool.random(using: &generator) ? -1.0 : 1
        let mirrorY = flipsVertically && Bool.random(using: &generator) ? -1.0 : 1
        let angle = 2 * Double.pi * around(rotation)
        let scale = 1 + around(zoom)
        var (width, height, x, y) = (1.0, 1.0, 0.0, 0.0)
        if crop < 1 {
            let area = Double.random(in: crop...1, using: &generator)
            let ratio = Double.random(in: -1...1, using: &generator)
            let stretch = pow(4.0 / 3, ratio / 2)
            (width, height) = (min(1, area.squareRoot() * stretch), min(1, area.squareRoot() / stretch))
            (x, y) = (around(1 - width), around(1 - height))
        }
        let (cosine, sine) = (cos(angle), sin(angle))
        let matrix = [
            width * scale * cosine * mirrorX, -width * scale * sine, x, height * scale * sine,
            height * scale * cosine * mirrorY, y,
        ]
        return Draw(
            matrix: matrix.map { Float($0) }, contrast: Float(1 + around(contrast)),
            brightness: Float(255 * around(brightness)))
    }

    /// Applies the same change to concatenated square images, the frames of a window.
    static func apply(_ draw: Draw, toEach pixels: [UInt8], side: Int) -> [UInt8] {
        let size = side * side * 3
        if pixels.count == size { return apply(draw, to: pixels, side: side) }
        return stride(from: 0, to: pixels.count, by: size).flatMap { first in
            apply(draw, to: Array(pixels[first..<first + size]), side: side)
        }
    }

    /// Changes a square image `[row, column, 3]`.
    package static func apply(_ draw: Draw, to pixels: [UInt8], side: Int) -> [UInt8] {
        var result = moved(pixels, side: side, draw.matrix)
        if draw.contrast != 1 || draw.brightness != 0 {
            for channel in 0..<3 {
                let places = stride(from: channel, to: result.count, by: 3)
                let mean = Float(places.reduce(0) { $0 + Int(result[$1]) }) / Float(side * side)
                for place in places {
                    let value = (Float(result[place]) - mean) * draw.contrast + mean + draw.brightness
                    result[place] = UInt8(max(0, min(255, value.rounded())))
                }
            }
        }
        return result
    }

    private static func moved(_ pixels: [UInt8], side: Int, _ matrix: [Float]) -> [UInt8] {
        if matrix == [1, 0, 0, 0, 1, 0] { return pixels }
        var result = [UInt8](repeating: 0, count: pixels.count)
        let half = Float(side) / 2
        pixels.withUnsafeBufferPointer { source in
            result.withUnsafeMutableBufferPointer { target in
                for row in 0..<side {
                    let y = (Float(row) + 0.5) / half - 1
                    for column in 0..<side {
                        let x = (Float(column) + 0.5) / half - 1
                        let fromX = (matrix[0] * x + matrix[1] * y + matrix[2] + 1) * half - 0.5
                        let fromY = (matrix[3] * x + matrix[4] * y + matrix[5] + 1) * half - 0.5
                        let (left, top) = (fromX.rounded(.down), fromY.rounded(.down))
                        let (shareX, shareY) = (fromX - left, fromY - top)
                        let (x0, x1) = (reflected(Int(left), side), reflected(Int(left) + 1, side))
                        let (y0, y1) = (reflected(Int(top), side), reflected(Int(top) + 1, side))
                        for channel in 0..<3 {
                            func value(_ x: Int, _ y: Int) -> Float { Float(source[(y * side + x) * 3 + channel]) }
                            let upper = value(x0, y0) * (1 - shareX) + value(x1, y0) * shareX
                            let lower = value(x0, y1) * (1 - shareX) + value(x1, y1) * shareX
                            target[(row * side + column) * 3 + channel] =
                                UInt8(upper * (1 - shareY) + lower * shareY + 0.5)
                        }
                    }
                }
            }
        }
        return result
    }

    /// Reflection padding: `d c b a | a b c d | d c b a`.
    private static func reflected(_ place: Int, _ side: Int) -> Int {
        let period = 2 * side
        let inside = ((place % period) + period) % period
        return inside < side ? inside : period - 1 - inside
    }
}
