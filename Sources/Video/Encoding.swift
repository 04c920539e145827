import CFFmpeg
import Files
import Foundation

// Owners of FFmpeg's encoders and muxers. Each frees its objects exactly once; no raw pointer leaves this module.

final class Encoder {
    let context: UnsafeMutablePointer<AVCodecContext>
    private let packet = Packet()
    private let path: String

    /// The first of the named encoders that is available and can be opened. `configure`: sets time base and quality.
    /// Throws `VideoError.writing`.
    init(
        _ names: [String], path: String, width: Int, height: Int, format: AVPixelFormat,
        _ configure: (UnsafeMutablePointer<AVCodecContext>) -> Void
    ) throws {
        LibAV.prepare()
        self.path = path
        for name in names {
            guard let codec = avcodec_find_encoder_by_name(name), let context = avcodec_alloc_context3(codec) else {
                continue
            }
            context.pointee.width = Int32(width)
            context.pointee.height = Int32(height)
            context.pointee.pix_fmt = format
            context.pointee.flags |= AV_CODEC_FLAG_BITEXACT
            configure(context)
            if avcodec_open2(context, codec, nil) >= 0 {
                self.context = context
                return
            }
            var freed: UnsafeMutablePointer<AVCodecContext>? = context
            avcodec_free_context(&freed)
        }
        throw VideoError.writing(
            path: path, reason: "the installed FFmpeg has no encoder \(names.joined(separator: " or "))")
    }

    deinit {
        var freed: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&freed)
    }

    /// Encodes a frame, or flushes the encoder if it is nil, and passes on the packets.
    func encode(_ frame: Frame?, _ consume: (Packet) throws -> Void) throws {
        try VideoError.check(avcodec_send_frame(context, frame?.pointer), writing: path)
        while true {
            let status = avcodec_receive_packet(context, packet.pointer)
            if status == zt_error_again() || status == zt_error_end_of_file() { return }
            try VideoError.check(status, writing: path)
            try consume(packet)
        }
    }
}

extension VideoError {
    fileprivate static func check(_ status: Int32, writing path: String) throws {
        if status < 0 { throw VideoError.writing(path: path, reason: reason(status)) }
    }
}

/// Converts RGB pixels of one size to an encoder's pixel format.
final class Converter {
    private let context: OpaquePointer
    private let frame = Frame()
    private let (width, height): (Int, Int)
    private let path: String

    init(width: Int, height: Int, to format: AVPixelFormat, path: String) throws {
        (self.width, self.height, self.path) = (width, height, path)
        let isFull = format == AV_PIX_FMT_YUVJ420P
        let plain = isFull ? AV_PIX_FMT_YUV420P : format
        guard
            let context = sws_getContext(
                Int32(width), Int32(height), AV_PIX_FMT_RGB24, Int32(width), Int32(height), plain,
                Int32(SWS_BICUBIC | SWS_ACCURATE_RND), nil, nil, nil)
        else { throw VideoError.writing(path: path, reason: "frames of \(width)×\(height) cannot be converted") }
        self.context = context
        if isFull {
            let coefficients = sws_getCoefficients(SWS_CS_DEFAULT)
            sws_setColorspaceDetails(context, coefficients, 1, coefficients, 1, 0, 1 << 16, 1 << 16)
            frame.pointer.pointee.color_range = AVCOL_RANGE_JPEG
        }
        frame.pointer.pointee.width = Int32(width)
        frame.pointer.pointee.height = Int32(height)
        frame.pointer.pointee.format = format.rawValue
        try VideoError.check(av_frame_get_buffer(frame.pointer, 0), writing: path)
    }

    deinit { sws_freeContext(context) }

    /// The result is valid until the next call.
    func frame(_ pixels: [UInt8]) throws -> Frame {
        precondition(pixels.count == width * height * 3)
        try VideoError.check(av_frame_make_writable(frame.pointer), writing: path)
        pixels.withUnsafeBufferPointer { buffer in
            let fields = frame.pointer.pointee
            let source: [UnsafePointer<UInt8>?] = [buffer.baseAddress, nil, nil, nil]
            let destination = [fields.data.0, fields.data.1, fields.data.2, nil]
            sws_scale(
                context, source, [Int32(width * 3), 0, 0, 0], 0, Int32(height), destination,
                [fields.linesize.0, fields.linesize.1, fields.linesize.2, 0])
        }
        return frame
    }
}

/// A container with one video stream. It is written to a `.partial` file, which is renamed at the end.
final class OutputFile {
    private let path, partial: String
    private let container: UnsafeMutablePointer<AVFormatContext>
    private let stream: UnsafeMutablePointer<AVStream>
    private let encoder: Encoder
    private var isFinished = false

    /// `format`: FFmpeg's name, such as `mp4`. Throws `VideoError.writing`.
    init(path: String, format: String, _ encoder: Encoder) throws {
        (self.path, self.encoder) = (path, encoder)
        partial = NewFile.partialPath(of: path)
        var created: UnsafeMutablePointer<AVFormatContext>?
        avformat_alloc_output_context2(&created, nil, format, partial)
        guard let container = created, let stream = avformat_new_stream(container, nil) else {
            throw VideoError.writing(path: path, reason: "the installed FFmpeg cannot write \(format)")
        }
        (self.container, self.stream) = (container, stream)
        container.pointee.flags |= AVFMT_FLAG_BITEXACT
        try check(avcodec_parameters_from_context(stream.pointee.codecpar, encoder.context))
        stream.pointee.time_base = encoder.context.pointee.time_base
        stream.pointee.avg_frame_rate = encoder.context.pointee.framerate
        try check(avio_open(&container.pointee.pb, "file:" + partial, AVIO_FLAG_WRITE))
        try check(avformat_write_header(container, nil))
    }

    deinit {
        if container.pointee.pb != nil { avio_closep(&container.pointee.pb) }
        avformat_free_context(container)
        if !isFinished { unlink(partial) }
    }

    /// - `duration`: of each frame, in ticks of the encoder's time base.
    func write(_ frame: Frame?, duration: Int64) throws {
        try encoder.encode(frame) { packet in
            packet.pointer.pointee.duration = duration
            av_packet_rescale_ts(packet.pointer, encoder.context.pointee.time_base, stream.pointee.time_base)
            packet.pointer.pointee.stream_index = stream.pointee.index
            try check(av_interleaved_write_frame(container, packet.pointer))
        }
    }

    /// Flushes the encoder and renames the file to its final name.
    func finish(duration: Int64) throws {
        try write(nil, duration: duration)
        try check(av_write_trailer(container))
        try check(avio_closep(&container.pointee.pb))
        guard rename(partial, path) == 0 else {
            throw VideoError.writing(path: path, reason: String(cString: strerror(errno)))
        }
        isFinished = true
    }

    private func check(_ status: Int32) throws { try VideoError.check(status, writing: path) }
}
