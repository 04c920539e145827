import Datasets
import Foundation

/// Random changes of training pictures; what is not named is left alone. Geometry is one affine map with two by two
/// nearest pixels, mirrored beyond the border, as Keras' layers do it.
public struct Augmentation: Sendable, Equatable, Codable {
    /// Mirrored left to right in half of the cases.
    public var flipsHorizontally = false
    /// Mirrored top to bottom in half of the cases.
    public var flipsVertically = false
    /// Turned by up to so much of a whole turn to either side.
    public var rotation = 0.0
    /// Made larger or smaller by up to this share.
    public var zoom = 0.0
    /// Distance from the mean colour times 1 ± so much.
    public var contrast = 0.0
    /// Brighter or darker by up to this share of white.
    public var brightness = 0.0
    /// The smallest share of the picture's area that a random crop shows, resized to the whole; 1 crops nothing.
    /// Sides are as 3 to 4 at most (torchvision's `RandomResizedCrop`).
    public var crop = 1.0
    /// Whether all frames of a clip are changed alike.
    public var isSharedByClip = true

    /// Changes nothing.
    public init() {}

    /// Whether it does nothing.
    public var isIdentity: Bool {
        var plain = Augmentation()
        plain.isSharedByClip = isSharedByClip
        return self == plain
    }

    /// One draw of all that is random.
    public struct Draw: Sendable, Equatable {
        /// Where the picture's point (x, y), from −1 to 1 each, comes from: `[a, b, tx; c, d, ty]`.
        let matrix: [Float]
        let contrast, brightness: Float
    }

    /// Draws once.
    public func draw(_ generator: inout SplitMix64) -> Draw {
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

    /// Changes square pictures, one after the other, alike: the frames of a window.
    static func apply(_ draw: Draw, toEach pixels: [UInt8], side: Int) -> [UInt8] {
        let size = side * side * 3
        if pixels.count == size { return apply(draw, to: pixels, side: side) }
        return stride(from: 0, to: pixels.count, by: size).flatMap { first in
            apply(draw, to: Array(pixels[first..<first + size]), side: side)
        }
    }

    /// Changes a square picture `[row, column, 3]`.
    public static func apply(_ draw: Draw, to pixels: [UInt8], side: Int) -> [UInt8] {
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

    /// `d c b a | a b c d | d c b a`.
    private static func reflected(_ place: Int, _ side: Int) -> Int {
        let period = 2 * side
        let inside = ((place % period) + period) % period
        return inside < side ? inside : period - 1 - inside
    }
}
