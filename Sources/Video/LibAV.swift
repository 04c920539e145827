import CFFmpeg
import Files
import Foundation

// Owners of FFmpeg's objects. Each frees its object exactly once; no raw pointer leaves this module.

/// Silences FFmpeg's own messages, since this program reports errors itself.
enum LibAV {
    private static let quiet: Void = av_log_set_level(AV_LOG_QUIET)
    static func prepare() { _ = quiet }
}

/// An opened container with its video stream.
final class InputFile {
    let path: String
    let limits: DecodingLimits
    let bytes: Int
    private let container: Container
    let stream: UnsafeMutablePointer<AVStream>

    /// - Throws: `VideoError` if the file is missing, is not a video, or has no video stream.
    init(path: String, limits: DecodingLimits = .standard) throws {
        LibAV.prepare()
        (self.path, self.limits) = (path, limits)
        do throws(FileError) {
            let file = try RegularFile.open(path)
            close(file.descriptor)
            bytes = file.bytes
        } catch {
            throw error.problem == .missing
                ? VideoError.missing(path: path) : VideoError.unreadable(path: path, reason: error.reason)
        }
        if bytes == 0 { throw VideoError.notVideo(path: path, reason: "it is empty") }
        do throws(Container.Refusal) {
            container = try Container(path: path)
        } catch { throw VideoError(refusal: error.status, of: path) }
        let found = container.findStreams(limits)
        guard found >= 0, let stream = container.bestStream(AVMEDIA_TYPE_VIDEO) else {
            throw VideoError.noVideoStream(path: path, hasAudio: container.bestStream(AVMEDIA_TYPE_AUDIO) != nil)
        }
        if stream.pointee.codecpar.pointee.width == 0, (try? FileContent.of(path)) == .animatedWebP {
            throw VideoError.animatedWebP(path: path)
        }
        self.stream = stream
        for other in 0..<Int(context.pointee.nb_streams) where other != Int(stream.pointee.index) {
            context.pointee.streams[other]?.pointee.discard = AVDISCARD_ALL
        }
    }

    private var context: UnsafeMutablePointer<AVFormatContext> { container.context }

    /// Reads the next packet of the video stream; false at the end.
    func read(into packet: Packet) -> Bool {
        while true {
            av_packet_unref(packet.pointer)
            guard av_read_frame(context, packet.pointer) >= 0 else { return false }
            if packet.pointer.pointee.stream_index == stream.pointee.index { return true }
        }
    }

    /// FFmpeg's name of the container, the first of several.
    var format: String {
        guard let name = context.pointee.iformat?.pointee.name else { return "" }
        return String(cString: name).split(separator: ",").first.map(String.init) ?? ""
    }

    var codec: AVCodecID { stream.pointee.codecpar.pointee.codec_id }

    /// As stored, in pixels.
    var size: (width: Int, height: Int) {
        let parameters = stream.pointee.codecpar.pointee
        return (Int(parameters.width), Int(parameters.height))
    }

    var secondsPerTick: Double { Double(stream.pointee.time_base.num) / Double(max(1, stream.pointee.time_base.den)) }
}

final class Packet {
    let pointer: UnsafeMutablePointer<AVPacket>
    init() { pointer = av_packet_alloc() }
    deinit {
        var freed: UnsafeMutablePointer<AVPacket>? = pointer
        av_packet_free(&freed)
    }
}

final class Frame {
    let pointer: UnsafeMutablePointer<AVFrame>
    init() { pointer = av_frame_alloc() }

    /// Presentation timestamp of its packet in ticks, or the decoder's best-effort timestamp if that is missing.
    var timestamp: Int64 {
        let stated = pointer.pointee.pts
        return stated == zt_no_timestamp() ? pointer.pointee.best_effort_timestamp : stated
    }

    deinit {
        var freed: UnsafeMutablePointer<AVFrame>? = pointer
        av_frame_free(&freed)
    }
}

/// A single-threaded decoder for one stream; workers run one each in parallel.
final class Decoder {
    private let context: UnsafeMutablePointer<AVCodecContext>

    init(_ file: InputFile) throws {
        let parameters = file.stream.pointee.codecpar!
        let name = String(cString: avcodec_get_name(parameters.pointee.codec_id))
        guard let codec = avcodec_find_decoder(parameters.pointee.codec_id), let context = avcodec_alloc_context3(codec)
        else { throw VideoError.noDecoder(path: file.path, codec: name) }
        self.context = context
        var status = avcodec_parameters_to_context(context, parameters)
        context.pointee.thread_count = 1
        context.pointee.max_pixels = Int64(file.limits.pixels)
        context.pointee.pkt_timebase = file.stream.pointee.time_base
        if status >= 0 { status = avcodec_open2(context, codec, nil) }
        if status < 0 { throw VideoError.notVideo(path: file.path, reason: VideoError.reason(status)) }
    }

    deinit {
        var freed: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&freed)
    }

    /// Whether the decoder may skip frames to which no other frame refers.
    var skipsDisposable = false {
        didSet { context.pointee.skip_frame = skipsDisposable ? AVDISCARD_NONREF : AVDISCARD_DEFAULT }
    }

    /// Flushes the decoder; the next packet must not depend on earlier ones.
    func reset() { avcodec_flush_buffers(context) }

    /// Sends a packet; false if the decoder rejects it as damaged. Nil flushes.
    func send(_ packet: Packet?) -> Bool {
        let status = avcodec_send_packet(context, packet?.pointer)
        return status >= 0 || status == zt_error_end_of_file()
    }

    enum Received { case frame, needsInput, end, damaged }

    func receive(into frame: Frame) -> Received {
        let status = avcodec_receive_frame(context, frame.pointer)
        if status >= 0 { return .frame }
        if status == zt_error_again() { return .needsInput }
        return status == zt_error_end_of_file() ? .end : .damaged
    }
}
