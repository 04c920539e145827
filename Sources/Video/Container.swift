import CFFmpeg

/// A file opened by libavformat. Freed exactly once.
final class Container {
    let context: UnsafeMutablePointer<AVFormatContext>

    /// FFmpeg's error code for a file that could not be opened.
    struct Refusal: Error { let status: Int32 }

    /// Opens a container of `DecodingLimits.containers`. The caller must have checked that `path` is a regular file.
    init(path: String) throws(Refusal) {
        LibAV.prepare()
        // Only local files, so that a playlist or a "concat" file cannot open other addresses.
        var options: OpaquePointer?
        av_dict_set(&options, "protocol_whitelist", "file", 0)
        av_dict_set(&options, "format_whitelist", DecodingLimits.containers, 0)
        // A file called `%d.png` is one image, not a pattern.
        av_dict_set(&options, "pattern_type", "none", 0)
        defer { av_dict_free(&options) }
        var opened: UnsafeMutablePointer<AVFormatContext>?
        let status = avformat_open_input(&opened, "file:" + path, nil, &options)
        guard status >= 0, let opened else { throw Refusal(status: status) }
        context = opened
    }

    deinit {
        var closing: UnsafeMutablePointer<AVFormatContext>? = context
        avformat_close_input(&closing)
    }

    /// Detects the streams, which may decode some frames.
    func findStreams(_ limits: DecodingLimits) -> Int32 {
        var options = (0..<context.pointee.nb_streams).map { _ in
            var options: OpaquePointer?
            av_dict_set(&options, "max_pixels", "\(limits.pixels)", 0)
            return options
        }
        let count = options.count
        let status = options.withUnsafeMutableBufferPointer { avformat_find_stream_info(context, $0.baseAddress) }
        // Further streams may have been found; the options belong to the first ones.
        for index in 0..<count { av_dict_free(&options[index]) }
        return status
    }

    /// The best stream of a kind, excluding cover images; nil if there is none.
    func bestStream(_ type: AVMediaType) -> UnsafeMutablePointer<AVStream>? {
        let index = av_find_best_stream(context, type, -1, -1, nil, 0)
        guard index >= 0, let stream = context.pointee.streams[Int(index)],
            stream.pointee.disposition & AV_DISPOSITION_ATTACHED_PIC == 0
        else { return nil }
        return stream
    }

    /// Whether at least `count` packets can be read.
    func holds(packets count: Int) -> Bool {
        let packet = Packet()
        for _ in 0..<count {
            av_packet_unref(packet.pointer)
            guard av_read_frame(context, packet.pointer) >= 0 else { return false }
        }
        return true
    }
}
