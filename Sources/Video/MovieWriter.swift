import CFFmpeg
import Foundation

/// Writes RGB pictures as an MP4 file (MPEG-4 Part 2, which every FFmpeg can write). The same pictures
/// give the same bytes.
public enum MovieWriter {
    /// - Parameters:
    ///   - frames: `[height, width, 3]` each, width and height even.
    ///   - quality: the encoder's quantiser, 1 (best) to 31.
    /// - Throws: `VideoError.writing`; what stood at `path` is then unchanged.
    public static func write(
        frames: some Sequence<[UInt8]>, width: Int, height: Int, frameRate: Int, quality: Int = 2, to path: String
    ) throws {
        LibAV.prepare()
        let partial = path + ".partial"
        do {
            let movie = try OutputMovie(
                path: partial, width: width, height: height, frameRate: frameRate, quality: quality)
            for frame in frames { try movie.append(frame) }
            try movie.finish()
            guard rename(partial, path) == 0 else {
                throw VideoError.writing(path: path, reason: String(cString: strerror(errno)))
            }
        } catch {
            unlink(partial)
            throw error
        }
    }
}

/// Owner of an encoder and its container.
private final class OutputMovie {
    private let path: String
    private let container: UnsafeMutablePointer<AVFormatContext>
    private let encoder: UnsafeMutablePointer<AVCodecContext>
    private let stream: UnsafeMutablePointer<AVStream>
    private let converter: OpaquePointer
    private let picture = Picture()
    private let packet = Packet()
    private var count: Int64 = 0

    init(path: String, width: Int, height: Int, frameRate: Int, quality: Int) throws {
        self.path = path
        var created: UnsafeMutablePointer<AVFormatContext>?
        avformat_alloc_output_context2(&created, nil, "mp4", path)
        guard let container = created, let codec = avcodec_find_encoder(AV_CODEC_ID_MPEG4),
            let stream = avformat_new_stream(container, codec), let encoder = avcodec_alloc_context3(codec),
            let converter = sws_getContext(
                Int32(width), Int32(height), AV_PIX_FMT_RGB24, Int32(width), Int32(height), AV_PIX_FMT_YUV420P,
                Int32(SWS_BICUBIC | SWS_ACCURATE_RND), nil, nil, nil)
        else { throw VideoError.writing(path: path, reason: "the installed FFmpeg cannot write MPEG-4 in MP4") }
        self.container = container
        self.stream = stream
        self.encoder = encoder
        self.converter = converter
        encoder.pointee.width = Int32(width)
        encoder.pointee.height = Int32(height)
        encoder.pointee.pix_fmt = AV_PIX_FMT_YUV420P
        encoder.pointee.time_base = AVRational(num: 1, den: Int32(frameRate))
        encoder.pointee.framerate = AVRational(num: Int32(frameRate), den: 1)
        encoder.pointee.flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT
        encoder.pointee.global_quality = Int32(quality) * FF_QP2LAMBDA
        encoder.pointee.thread_count = 1
        container.pointee.flags |= AVFMT_FLAG_BITEXACT
        try check(avcodec_open2(encoder, codec, nil))
        try check(avcodec_parameters_from_context(stream.pointee.codecpar, encoder))
        stream.pointee.time_base = encoder.pointee.time_base
        stream.pointee.avg_frame_rate = encoder.pointee.framerate
        picture.pointer.pointee.width = Int32(width)
        picture.pointer.pointee.height = Int32(height)
        picture.pointer.pointee.format = AV_PIX_FMT_YUV420P.rawValue
        try check(av_frame_get_buffer(picture.pointer, 0))
        try check(avio_open(&container.pointee.pb, "file:" + path, AVIO_FLAG_WRITE))
        try check(avformat_write_header(container, nil))
    }

    deinit {
        sws_freeContext(converter)
        var freed: UnsafeMutablePointer<AVCodecContext>? = encoder
        avcodec_free_context(&freed)
        if container.pointee.pb != nil { avio_closep(&container.pointee.pb) }
        avformat_free_context(container)
    }

    func append(_ pixels: [UInt8]) throws {
        precondition(pixels.count == Int(encoder.pointee.width) * Int(encoder.pointee.height) * 3)
        try check(av_frame_make_writable(picture.pointer))
        pixels.withUnsafeBufferPointer { buffer in
            let frame = picture.pointer.pointee
            let source: [UnsafePointer<UInt8>?] = [buffer.baseAddress, nil, nil, nil]
            let destination = [frame.data.0, frame.data.1, frame.data.2, nil]
            sws_scale(
                converter, source, [encoder.pointee.width * 3, 0, 0, 0], 0, encoder.pointee.height,
                destination, [frame.linesize.0, frame.linesize.1, frame.linesize.2, 0])
        }
        picture.pointer.pointee.pts = count
        picture.pointer.pointee.quality = encoder.pointee.global_quality
        count += 1
        try check(avcodec_send_frame(encoder, picture.pointer))
        try drain()
    }

    func finish() throws {
        try check(avcodec_send_frame(encoder, nil))
        try drain()
        try check(av_write_trailer(container))
        try check(avio_closep(&container.pointee.pb))
    }

    private func drain() throws {
        while true {
            let status = avcodec_receive_packet(encoder, packet.pointer)
            if status == zt_error_again() || status == zt_error_end_of_file() { return }
            try check(status)
            packet.pointer.pointee.duration = 1
            av_packet_rescale_ts(packet.pointer, encoder.pointee.time_base, stream.pointee.time_base)
            packet.pointer.pointee.stream_index = stream.pointee.index
            try check(av_interleaved_write_frame(container, packet.pointer))
        }
    }

    private func check(_ status: Int32) throws {
        if status < 0 { throw VideoError.writing(path: path, reason: VideoError.reason(status)) }
    }
}
