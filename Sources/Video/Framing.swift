/// What happens to a picture between decoder and network.
public enum Framing: Sendable, Hashable {
    /// The whole picture, as it is shown.
    case full
    /// The whole picture, resized to so many pixels.
    case whole(width: Int, height: Int)
    /// A square, resized to `size` × `size` pixels.
    case square(size: Int, filter: ResizeFilter = .antialias, placement: Placement = .center)

    /// The largest centred square, resized to `size` × `size` pixels.
    public static func centerSquare(size: Int, filter: ResizeFilter = .antialias) -> Framing {
        .square(size: size, filter: filter)
    }

    /// Which square of a picture.
    public struct Placement: Sendable, Hashable {
        /// Side as a share of the picture's shorter side, above 0, at most 1.
        public var scale: Double
        /// How far from left to right, from 0 to 1.
        public var x: Double
        /// How far from top to bottom, from 0 to 1.
        public var y: Double
        /// Whether left and right are swapped.
        public var isMirrored: Bool

        /// All parts, as they are.
        public init(scale: Double, x: Double, y: Double, isMirrored: Bool) {
            self.scale = scale
            self.x = x
            self.y = y
            self.isMirrored = isMirrored
        }

        /// The largest centred square.
        public static let center = Placement(scale: 1, x: 0.5, y: 0.5, isMirrored: false)
    }
}

/// Whether frames are sampled as stored, or with the shape that their pixels have when they are shown.
public enum Aspect: String, Sendable, CaseIterable, Codable {
    /// Non-square pixels are shown with their aspect ratio (FFmpeg's `sample_aspect_ratio`), as players do.
    case display
    /// Every stored pixel counts as square, as OpenCV and PyAV deliver it.
    case stored
}

/// How a picture is resized.
public enum ResizeFilter: String, Sendable, CaseIterable, Codable {
    /// Linear weights over every pixel that a smaller picture's pixel covers: PIL's and torchvision's
    /// bilinear, with which the published weights were trained. Nothing flickers where a large frame
    /// shrinks, which is why it is the default.
    case antialias
    /// Between the two by two nearest pixels, however much the picture shrinks: OpenCV's and TensorFlow's
    /// bilinear with half-pixel centres.
    case bilinear
    /// Cubic weights (a = −0.5) over every pixel covered: PIL's and timm's bicubic.
    case bicubic
}

/// One decoded picture.
public struct VideoFrame: Sendable, Equatable {
    /// Place in the clip, from 0.
    public let index: Int
    /// Presentation time in seconds.
    public let time: Double
    /// Pixels in a row.
    public let width: Int
    /// Rows.
    public let height: Int
    /// `[height, width, 3]`, red, green, blue.
    public var pixels: [UInt8]
}

/// A rectangle of a stored picture, in pixels.
struct Crop: Equatable {
    var x: Int
    var y: Int
    var width: Int
    var height: Int

    /// The largest centred square; an odd remainder leaves the extra pixel at the end.
    static func centerSquare(width: Int, height: Int) -> Crop {
        let side = min(width, height)
        return Crop(x: width / 2 - side / 2, y: height / 2 - side / 2, width: side, height: side)
    }

    /// The square of an image of `width` × `height`.
    ///
    /// - Parameter pixelAspect: width of a pixel divided by its height; the crop is square once that is applied.
    static func square(_ placement: Framing.Placement, width: Int, height: Int, pixelAspect: Double = 1) -> Crop {
        let isCentered = placement.scale == 1 && placement.x == 0.5 && placement.y == 0.5
        if pixelAspect == 1 {
            if isCentered { return centerSquare(width: width, height: height) }
            let side = max(1, Int((Double(min(width, height)) * placement.scale).rounded()))
            return Crop(
                x: Int(Double(width - side) * placement.x), y: Int(Double(height - side) * placement.y), width: side,
                height: side)
        }
        let side = min(Double(width) * pixelAspect, Double(height)) * placement.scale
        let (across, down) = (
            min(width, max(1, Int((side / pixelAspect).rounded()))), min(height, max(1, Int(side.rounded())))
        )
        return Crop(
            x: Int(Double(width - across) * placement.x), y: Int(Double(height - down) * placement.y), width: across,
            height: down)
    }
}

/// Swaps left and right of `[height, width, 3]` pixels.
func mirrored(_ pixels: [UInt8], width: Int) -> [UInt8] {
    var result = pixels
    for row in stride(from: 0, to: pixels.count, by: width * 3) {
        for column in 0..<width {
            let (from, to) = (row + (width - 1 - column) * 3, row + column * 3)
            for channel in 0..<3 { result[to + channel] = pixels[from + channel] }
        }
    }
    return result
}
