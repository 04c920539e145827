package enum Framing: Sendable, Hashable {
    /// The whole frame, as it is displayed.
    case full
    case whole(width: Int, height: Int)
    /// A square, resized to `size` × `size` pixels.
    case square(size: Int, filter: ResizeFilter = .antialias, placement: Placement = .center)

    /// The largest centred square, resized to `size` × `size` pixels.
    package static func centerSquare(size: Int, filter: ResizeFilter = .antialias) -> Framing {
        .square(size: size, filter: filter)
    }

    package struct Placement: Sendable, Hashable {
        /// Side relative to the frame's shorter side, in (0, 1].
        package var scale: Double
        /// Horizontal position, from 0 (left) to 1 (right).
        package var x: Double
        /// Vertical position, from 0 (top) to 1 (bottom).
        package var y: Double
        /// Whether the crop is flipped horizontally.
        package var isMirrored: Bool

        package init(scale: Double, x: Double, y: Double, isMirrored: Bool) {
            (self.scale, self.x, self.y, self.isMirrored) = (scale, x, y, isMirrored)
        }

        /// The largest centred square.
        package static let center = Placement(scale: 1, x: 0.5, y: 0.5, isMirrored: false)
    }
}

/// Whether frames with non-square pixels are sampled as stored or as displayed.
package enum Aspect: String, Sendable, CaseIterable, Codable {
    /// Corrects the pixel aspect ratio (FFmpeg's `sample_aspect_ratio`), as players do.
    case display
    /// Treats stored pixels as square, as OpenCV and PyAV do.
    case stored
}

package enum ResizeFilter: String, Sendable, CaseIterable, Codable {
    /// Bilinear with antialiasing: PIL's and torchvision's bilinear, which most published weights were trained with.
    /// The default, because downscaled videos do not flicker.
    case antialias
    /// Bilinear without antialiasing: OpenCV's and TensorFlow's bilinear with half-pixel centres.
    case bilinear
    /// Bicubic with antialiasing (a = −0.5): PIL's and timm's bicubic.
    case bicubic
}

package struct VideoFrame: Sendable, Equatable {
    /// Index in the clip, from 0.
    package let index: Int
    /// Presentation time in seconds.
    package let time: Double
    package let width, height: Int
    /// `[height, width, 3]`, RGB.
    package var pixels: [UInt8]
}

/// A rectangle of a stored frame, in pixels.
struct Crop: Equatable {
    var x, y, width, height: Int

    /// The largest centred square; if the margin is odd, the extra pixel is at the end.
    static func centerSquare(width: Int, height: Int) -> Crop {
        let side = min(width, height)
        return Crop(x: width / 2 - side / 2, y: height / 2 - side / 2, width: side, height: side)
    }

    /// The square of an image of `width` × `height`. `pixelAspect`: pixel width divided by pixel height; the crop is
    /// square after correcting for it.
    static func square(_ placement: Framing.Placement, width: Int, height: Int, pixelAspect: Double = 1) -> Crop {
        let isCentered = placement.scale == 1 && placement.x == 0.5 && placement.y == 0.5
        if pixelAspect == 1, isCentered { return centerSquare(width: width, height: height) }
        let side = min(Double(width) * pixelAspect, Double(height)) * placement.scale
        let (across, down) = (
            min(width, max(1, Int((side / pixelAspect).rounded()))), min(height, max(1, Int(side.rounded())))
        )
        return Crop(
            x: Int(Double(width - across) * placement.x), y: Int(Double(height - down) * placement.y), width: across,
            height: down)
    }
}
