import Video

// Drawing on images: rectangles, other images, text.

package typealias RGBColor = SIMD3<UInt8>

extension RGBImage {
    package init(width: Int, height: Int, _ color: RGBColor) {
        self.init(
            width: width, height: height, pixels: (0..<width * height).flatMap { _ in [color.x, color.y, color.z] })
    }

    /// Fills a rectangle, clipped to the image. `opacity`: from 0 to 1.
    package mutating func fill(x: Int, y: Int, width: Int, height: Int, _ color: RGBColor, opacity: Float = 1) {
        for row in max(0, y)..<max(max(0, y), min(self.height, y + height)) {
            for column in max(0, x)..<max(max(0, x), min(self.width, x + width)) {
                blend(color, at: (row * self.width + column) * 3, opacity)
            }
        }
    }

    /// Copies another image to a position, clipped to the image.
    package mutating func draw(_ other: RGBImage, x: Int, y: Int) {
        for row in max(0, -y)..<max(max(0, -y), min(other.height, height - y)) {
            for column in max(0, -x)..<max(max(0, -x), min(other.width, width - x)) {
                let (from, to) = ((row * other.width + column) * 3, ((y + row) * width + x + column) * 3)
                for channel in 0..<3 { pixels[to + channel] = other.pixels[from + channel] }
            }
        }
    }

    /// Draws text through its mask, clipped to the image.
    package mutating func draw(_ mask: TextRenderer.Mask, x: Int, y: Int, _ color: RGBColor) {
        for row in max(0, -y)..<max(max(0, -y), min(mask.height, height - y)) {
            for column in max(0, -x)..<max(max(0, -x), min(mask.width, width - x)) {
                let coverage = mask.coverage[row * mask.width + column]
                guard coverage > 0 else { continue }
                blend(color, at: ((y + row) * width + x + column) * 3, Float(coverage) / 255)
            }
        }
    }

    private mutating func blend(_ color: RGBColor, at place: Int, _ opacity: Float) {
        for channel in 0..<3 {
            let old = Float(pixels[place + channel])
            pixels[place + channel] = UInt8(max(0, min(255, old + opacity * (Float(color[channel]) - old) + 0.5)))
        }
    }
}

/// Resizes a map `[height, width]` bilinearly with half-pixel centres (PyTorch's `interpolate(align_corners=False)`).
func upsampled(_ map: [Float], height: Int, width: Int, to size: (height: Int, width: Int)) -> [Float] {
    func places(_ old: Int, _ new: Int) -> [(first: Int, second: Int, share: Float)] {
        (0..<new).map { index in
            let place = max(0, (Float(index) + 0.5) * Float(old) / Float(new) - 0.5)
            let first = min(old - 1, Int(place))
            return (first, min(old - 1, first + 1), place - Float(first))
        }
    }
    let (rows, columns) = (places(height, size.height), places(width, size.width))
    var result: [Float] = []
    result.reserveCapacity(size.height * size.width)
    for row in rows {
        for column in columns {
            let upper =
                map[row.first * width + column.first] * (1 - column.share)
                + map[row.first * width + column.second] * column.share
            let lower =
                map[row.second * width + column.first] * (1 - column.share)
                + map[row.second * width + column.second] * column.share
            result.append(upper * (1 - row.share) + lower * row.share)
        }
    }
    return result
}

/// Matplotlib's perceptually uniform colour map from black over purple and orange to yellow.
enum Inferno {
    private static let anchors: [SIMD3<Float>] = [
        [0, 0, 4], [22, 11, 57], [66, 10, 104], [106, 23, 110], [147, 38, 103], [188, 55, 84], [221, 81, 58],
        [243, 120, 25], [252, 165, 10], [246, 215, 70], [252, 255, 164],
    ]

    /// - Parameter value: from 0 to 1.
    static func color(_ value: Float) -> RGBColor {
        let place = max(0, min(1, value)) * Float(anchors.count - 1)
        let first = min(anchors.count - 2, Int(place))
        let mixed = anchors[first] + (anchors[first + 1] - anchors[first]) * (place - Float(first))
        return RGBColor(UInt8(mixed.x), UInt8(mixed.y), UInt8(mixed.z))
    }
}
