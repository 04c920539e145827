import CFFmpeg
import Foundation

/// An image in 8-bit RGB.
package struct RGBImage: Sendable, Equatable {
    package let width, height: Int
    /// `[height, width, 3]`.
    package var pixels: [UInt8]

    /// - Precondition: `pixels` has `height · width · 3` elements.
    package init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(pixels.count == width * height * 3)
        (self.width, self.height, self.pixels) = (width, height, pixels)
    }

    package init(_ frame: VideoFrame) { self.init(width: frame.width, height: frame.height, pixels: frame.pixels) }

    package enum Format: Sendable {
        case png
        /// The quality is the encoder's quantiser, 2 (best) to 31.
        case jpeg(quality: Int)
    }

    /// Encodes the image as a file. Throws `VideoError.writing` if the installed FFmpeg lacks the encoder.
    package func encoded(as format: Format) throws -> Data {
        try StillEncoder(format, width: width, height: height).encode(pixels)
    }

    /// Writes an image file; the file at `path` is replaced only after everything is written.
    package func write(as format: Format = .png, to path: String) throws {
        let data = try encoded(as: format)
        do {
            try data.write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch { throw VideoError.writing(path: path, reason: error.localizedDescription) }
    }
}

private struct StillEncoder {
    private let encoder: Encoder
    private let scaler: Converter

    init(_ format: RGBImage.Format, width: Int, height: Int) throws {
        let (codec, pixels) = format.isPNG ? ("png", AV_PIX_FMT_RGB24) : ("mjpeg", AV_PIX_FMT_YUVJ420P)
        encoder = try Encoder([codec], path: "an image", width: width, height: height, format: pixels) { context in
            context.pointee.time_base = AVRational(num: 1, den: 25)
            if case .jpeg(let quality) = format {
                context.pointee.color_range = AVCOL_RANGE_JPEG
                context.pointee.flags |= AV_CODEC_FLAG_QSCALE
                context.pointee.global_quality = Int32(quality) * FF_QP2LAMBDA
            }
        }
        scaler = try Converter(width: width, height: height, to: pixels, path: "an image")
    }

    func encode(_ pixels: [UInt8]) throws -> Data {
        let frame = try scaler.frame(pixels)
        frame.pointer.pointee.pts = 0
        frame.pointer.pointee.quality = encoder.context.pointee.global_quality
        var data = Data()
        for input in [frame, nil] {
            try encoder.encode(input) { packet in
                data.append(packet.pointer.pointee.data, count: Int(packet.pointer.pointee.size))
            }
        }
        return data
    }
}

extension RGBImage.Format { fileprivate var isPNG: Bool { if case .png = self { true } else { false } } }
