import CFFmpeg
import Foundation

/// Writes RGB images as MP4, bit-identically for equal images. The file at the path is replaced once all is written.
package final class MovieWriter {
    package enum Codec: Sendable {
        /// MPEG-4 Part 2, which every FFmpeg can encode; the quantiser is from 1 (best) to 31.
        case mpeg4(quantizer: Int)
        /// H.264 if the installed FFmpeg can encode it, otherwise MPEG-4.
        case h264
    }

    private let file: OutputFile
    private let converter: Converter
    private let quality: Int32
    private var last: Int64 = -1
    /// Size of the images; both even.
    package let width, height: Int

    /// `width`: even, in pixels. `height`: even, in pixels. `frameRate`: frames per second.
    package init(path: String, width: Int, height: Int, frameRate: Double, codec: Codec = .h264) throws {
        precondition(width % 2 == 0 && height % 2 == 0 && frameRate > 0)
        (self.width, self.height) = (width, height)
        let rate = av_d2q(frameRate, 60_000)
        let encoder = try Encoder(codec.encoders, path: path, width: width, height: height, format: AV_PIX_FMT_YUV420P)
        { context in
            context.pointee.time_base = AVRational(num: rate.den, den: rate.num)
            context.pointee.framerate = rate
            context.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER
            context.pointee.thread_count = 1
            if context.pointee.codec_id == AV_CODEC_ID_MPEG4 {
                context.pointee.flags |= AV_CODEC_FLAG_QSCALE
                context.pointee.global_quality = Int32(codec.quantizer) * FF_QP2LAMBDA
            } else {
                // The converter's colour matrix is stated explicitly, because players assume another for large images.
                context.pointee.colorspace = AVCOL_SPC_SMPTE170M
                context.pointee.color_range = AVCOL_RANGE_MPEG
                av_opt_set(context.pointee.priv_data, "crf", "20", 0)
                av_opt_set(context.pointee.priv_data, "preset", "veryfast", 0)
            }
        }
        quality = encoder.context.pointee.global_quality
        converter = try Converter(width: width, height: height, to: AV_PIX_FMT_YUV420P, path: path)
        file = try OutputFile(path: path, format: "mp4", encoder)
    }

    /// `pixels`: `[height, width, 3]`. `tick`: presentation time in frames from the start; nil is one after the last.
    /// Throws `VideoError.writing`.
    package func append(_ pixels: [UInt8], at tick: Int? = nil) throws {
        let frame = try converter.frame(pixels)
        last = max(last + 1, tick.map(Int64.init) ?? 0)
        frame.pointer.pointee.pts = last
        frame.pointer.pointee.quality = quality
        try file.write(frame, duration: 1)
    }

    package func finish() throws { try file.finish(duration: 1) }

    /// Writes a whole video in MPEG-4 Part 2. `frames`: `[height, width, 3]` each, width and height even. `quality`:
    /// the encoder's quantiser, 1 (best) to 31. Throws `VideoError.writing`; the file at `path` is then unchanged.
    package static func write(
        frames: some Sequence<[UInt8]>, width: Int, height: Int, frameRate: Int, quality: Int = 2, to path: String
    ) throws {
        let movie = try MovieWriter(
            path: path, width: width, height: height, frameRate: Double(frameRate), codec: .mpeg4(quantizer: quality))
        for frame in frames { try movie.append(frame) }
        try movie.finish()
    }
}

extension MovieWriter.Codec {
    fileprivate var encoders: [String] {
        switch self {
        case .mpeg4: ["mpeg4"]
        case .h264: ["libx264", "h264_videotoolbox", "libopenh264", "mpeg4"]
        }
    }

    fileprivate var quantizer: Int { if case .mpeg4(let quantizer) = self { quantizer } else { 3 } }
}
