import CFFmpeg

/// How stored images are displayed: rotated, flipped, with pixels that may not be square.
struct ShownShape: Equatable {
    var orientation = Orientation.asStored
    /// Width of a stored pixel divided by its height; 1 if not stated or implausible.
    var pixelAspect = 1.0

    /// Beyond this ratio, or below its inverse, it is considered damage: real ones lie between 1/2 and 3.
    private static let widest = 16.0

    /// Whether the container states the aspect ratio, which then overrides that of images, as in FFmpeg.
    private var isStated = false

    static let square = ShownShape()

    private init() {}

    init(_ stream: UnsafeMutablePointer<AVStream>) {
        orientation = Orientation(stream)
        let container = stream.pointee.sample_aspect_ratio
        isStated = container.num > 0 && container.den > 0
        pixelAspect = Self.ratio(isStated ? container : stream.pointee.codecpar.pointee.sample_aspect_ratio)
    }

    /// The shape of one decoded image, which may state its own orientation.
    func of(_ picture: Picture) -> ShownShape {
        var shape = self
        if let own = Orientation(picture) { shape.orientation = own }
        if !isStated { shape.pixelAspect = Self.ratio(picture.pointer.pointee.sample_aspect_ratio) }
        return shape
    }

    /// The aspect ratio after rotation.
    var shownPixelAspect: Double { orientation.isTransposed ? 1 / pixelAspect : pixelAspect }

    private static func ratio(_ ratio: AVRational) -> Double {
        guard ratio.num > 0, ratio.den > 0 else { return 1 }
        let value = Double(ratio.num) / Double(ratio.den)
        return value > widest || value < 1 / widest ? 1 : value
    }
}
