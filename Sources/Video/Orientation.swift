import CFFmpeg
import Foundation

/// How a stored image is rotated and flipped for display: one of eight orientations. The displayed pixel (column, row)
/// is the stored pixel at (column, row), or at (row, column) if `isTransposed`, with x counted from the right if
/// `flipsX` and y from the bottom if `flipsY`.
struct Orientation: Equatable {
    var isTransposed = false, flipsX = false, flipsY = false

    static let asStored = Orientation()

    /// Interprets a display matrix as the ffmpeg command does: the angle is rounded to quarter turns, then the signs
    /// determine flips. `matrix`: 3 × 3, row by row, 16.16 fixed point, as in the track header of ISO/IEC 14496-12.
    init(matrix: [Int32]) {
        self.init()
        guard matrix.count == 9 else { return }
        let angle = matrix.withUnsafeBufferPointer { $0.baseAddress.map(av_display_rotation_get) ?? .nan }
        guard angle.isFinite else { return }
        let quarterTurns = Int((-angle / 90).rounded())
        switch ((quarterTurns % 4) + 4) % 4 {
        case 1: self = Orientation(isTransposed: true, flipsX: false, flipsY: matrix[3] <= 0)
        case 2: self = Orientation(isTransposed: false, flipsX: matrix[0] < 0, flipsY: matrix[4] < 0)
        case 3: self = Orientation(isTransposed: true, flipsX: true, flipsY: matrix[3] < 0)
        default: self = Orientation(isTransposed: false, flipsX: false, flipsY: matrix[4] < 0)
        }
    }

    init(isTransposed: Bool = false, flipsX: Bool = false, flipsY: Bool = false) {
        (self.isTransposed, self.flipsX, self.flipsY) = (isTransposed, flipsX, flipsY)
    }

    /// The orientation stated in the container.
    init(_ stream: UnsafeMutablePointer<AVStream>) {
        var matrix = [Int32](repeating: 0, count: 9)
        if zt_stream_matrix(stream, &matrix) { self.init(matrix: matrix) } else { self = .asStored }
    }

    /// The orientation stated in a decoded image, or nil.
    init?(_ frame: Frame) {
        var matrix = [Int32](repeating: 0, count: 9)
        guard zt_frame_matrix(frame.pointer, &matrix) else { return nil }
        self.init(matrix: matrix)
    }

    func shown(_ size: (width: Int, height: Int)) -> (width: Int, height: Int) {
        isTransposed ? (size.height, size.width) : size
    }

    /// The rectangle of the stored image of `width` × `height` that corresponds to one of the displayed image.
    func stored(_ crop: Crop, width: Int, height: Int) -> Crop {
        var stored = isTransposed ? Crop(x: crop.y, y: crop.x, width: crop.height, height: crop.width) : crop
        if flipsX { stored.x = width - stored.x - stored.width }
        if flipsY { stored.y = height - stored.y - stored.height }
        return stored
    }

    /// Converts stored `[height, width, 3]` pixels to displayed ones.
    func applied(to pixels: [UInt8], width: Int, height: Int) -> [UInt8] {
        guard self != .asStored, width > 0 else { return pixels }
        let (newWidth, newHeight) = shown((width, height))
        var result = [UInt8](repeating: 0, count: pixels.count)
        for row in 0..<newHeight {
            for column in 0..<newWidth {
                var (x, y) = isTransposed ? (row, column) : (column, row)
                if flipsX { x = width - 1 - x }
                if flipsY { y = height - 1 - y }
                let (from, to) = ((y * width + x) * 3, (row * newWidth + column) * 3)
                result[to] = pixels[from]
                result[to + 1] = pixels[from + 1]
                result[to + 2] = pixels[from + 2]
            }
        }
        return result
    }
}

/// How stored images are displayed: rotated, flipped, with pixels that may not be square.
struct DisplayGeometry: Equatable {
    var orientation = Orientation.asStored
    /// Width of a stored pixel divided by its height; 1 if not stated or implausible.
    var pixelAspect = 1.0

    /// Beyond this ratio, or below its inverse, it is considered damage: real ones lie between 1/2 and 3.
    private static let widest = 16.0

    /// Whether the container states the aspect ratio, which then overrides that of images, as in FFmpeg.
    private var isStated = false

    static let square = DisplayGeometry()

    private init() {}

    init(_ stream: UnsafeMutablePointer<AVStream>) {
        orientation = Orientation(stream)
        let container = stream.pointee.sample_aspect_ratio
        isStated = container.num > 0 && container.den > 0
        pixelAspect = Self.ratio(isStated ? container : stream.pointee.codecpar.pointee.sample_aspect_ratio)
    }

    /// The shape of one decoded image, which may state its own orientation.
    func of(_ frame: Frame) -> DisplayGeometry {
        var shape = self
        if let own = Orientation(frame) { shape.orientation = own }
        if !isStated { shape.pixelAspect = Self.ratio(frame.pointer.pointee.sample_aspect_ratio) }
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

/// Searches for an orientation in the first packet of a video, so that only videos which contain one are decoded to
/// read it. JPEG has it in an EXIF segment, H.264 and HEVC in an SEI message of payload type 47 (display orientation,
/// ITU-T H.264 D.1.27).
enum OrientationMetadata {
    private static let payloadType = 47

    static func mayBe(in packet: Packet, of file: InputFile) -> Bool {
        let bytes = UnsafeBufferPointer(start: packet.pointer.pointee.data, count: Int(packet.pointer.pointee.size))
        switch file.codec {
        case AV_CODEC_ID_MJPEG: return hasEXIF(bytes.prefix(1 << 16))
        case AV_CODEC_ID_H264: return units(bytes, file, lengthAt: 4).contains { isOrientation($0, header: 1, type: 6) }
        case AV_CODEC_ID_HEVC:
            return units(bytes, file, lengthAt: 21).contains { isOrientation($0, header: 2, type: 39) }
        default: return false
        }
    }

    private static func hasEXIF(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        let name = Array("Exif".utf8)
        return bytes.indices.contains { place in bytes[place] == name[0] && bytes[place...].starts(with: name) }
    }

    /// The first NAL units, delimited by start codes or lengths.
    private static func units(
        _ bytes: UnsafeBufferPointer<UInt8>, _ file: InputFile, lengthAt place: Int
    ) -> [Slice<UnsafeBufferPointer<UInt8>>] {
        let parameters = file.stream.pointee.codecpar.pointee
        let header = UnsafeBufferPointer(start: parameters.extradata, count: Int(max(0, parameters.extradata_size)))
        // A configuration record begins with version 1; anything else has start codes.
        guard header.count > place, header[0] == 1 else { return startCoded(bytes) }
        let width = Int(header[place] & 3) + 1
        var (units, begin) = ([Slice<UnsafeBufferPointer<UInt8>>](), 0)
        while begin + width < bytes.count, units.count < most {
            let length = (0..<width).reduce(0) { $0 << 8 | Int(bytes[begin + $1]) }
            begin += width
            guard length > 0, length <= bytes.count - begin else { break }
            units.append(bytes[begin..<begin + length])
            begin += length
        }
        return units
    }

    /// Maximum number of units: parameter sets and messages come first.
    private static let most = 16

    private static func startCoded(_ bytes: UnsafeBufferPointer<UInt8>) -> [Slice<UnsafeBufferPointer<UInt8>>] {
        let starts = Array(startCodes(in: bytes).prefix(most))
        return zip(starts, starts.dropFirst() + [bytes.count]).map { bytes[$0..<$1] }
    }

    /// Whether a unit is an SEI message with an orientation.
    private static func isOrientation(_ unit: Slice<UnsafeBufferPointer<UInt8>>, header: Int, type: UInt8) -> Bool {
        guard unit.count > header + 2, let first = unit.first else { return false }
        guard (header == 1 ? first & 31 : first >> 1 & 63) == type else { return false }
        var rest = unit.dropFirst(header)
        /// Reads a number encoded as bytes of 255 and a final byte.
        func number() -> Int? {
            var value = 0
            while let byte = rest.popFirst() {
                value += Int(byte)
                if byte != 255 { return value }
            }
            return nil
        }
        while rest.count > 1, let payload = number(), let size = number() {
            if payload == payloadType { return true }
            rest = rest.dropFirst(size)
        }
        return false
    }
}

/// The indices after each 00 00 01 that is not at the end.
func startCodes(in bytes: UnsafeBufferPointer<UInt8>) -> some Sequence<Int> {
    sequence(state: 0) { place in
        while place + 3 < bytes.count {
            if bytes[place + 2] > 1 {
                place += 3
            } else if bytes[place] == 0, bytes[place + 1] == 0, bytes[place + 2] == 1 {
                place += 3
                return place
            } else {
                place += 1
            }
        }
        return nil
    }
}
