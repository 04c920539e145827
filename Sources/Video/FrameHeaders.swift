import CFFmpeg

/// Inspects the first bytes of packets to detect packets that do not contain exactly one frame. It reads, as defined by
/// the standards: `show_frame` of VP8 (RFC 6386, 9.1) and VP9, field pictures of MPEG-2 (ISO/IEC 13818-2, 6.3.10) and
/// H.264 (through libavcodec's parser), packed and not coded VOPs of MPEG-4 (ISO/IEC 14496-2).
struct FrameHeaders {
    /// Whether packets and frames of this codec correspond one to one, except for the detected cases.
    let areKnown: Bool
    /// Whether the decoding order differs from the presentation order.
    private(set) var reorders = false
    /// Whether a packet was found that is not shown, or is a field.
    private var foundOther = false
    private let canJump: Bool
    /// Whether a packet is wrongly marked as a keyframe.
    private var hasFalseKeys = false
    private let codec: AVCodecID
    private var parser: PictureHeaderParser?
    private let mayHaveFields: Bool
    private var lastPTS = Int64.min
    /// Numbers of not coded VOPs, and of packets with two VOPs.
    private var (uncoded, packed) = (0, 0)
    /// Whether the previous packet has two VOPs.
    private var isPacked = false

    /// Codecs with references between frames for which the generated test matrix confirms one frame per packet.
    private static let known: Set<UInt32> = Set(
        [
            AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_MPEG4, AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO,
            AV_CODEC_ID_VP8, AV_CODEC_ID_VP9, AV_CODEC_ID_AV1, AV_CODEC_ID_MSMPEG4V2, AV_CODEC_ID_MSMPEG4V3,
            AV_CODEC_ID_WMV1, AV_CODEC_ID_WMV2, AV_CODEC_ID_FLV1, AV_CODEC_ID_H261, AV_CODEC_ID_H263, AV_CODEC_ID_H263P,
            AV_CODEC_ID_THEORA, AV_CODEC_ID_RV10, AV_CODEC_ID_RV20, AV_CODEC_ID_SVQ1, AV_CODEC_ID_FFV1,
            AV_CODEC_ID_CINEPAK, AV_CODEC_ID_QTRLE, AV_CODEC_ID_RPZA, AV_CODEC_ID_SMC, AV_CODEC_ID_MSVIDEO1,
            AV_CODEC_ID_ZMBV, AV_CODEC_ID_FLASHSV, AV_CODEC_ID_FLASHSV2, AV_CODEC_ID_GIF, AV_CODEC_ID_APNG,
            AV_CODEC_ID_SNOW, AV_CODEC_ID_ROQ,
        ].map(\.rawValue))

    init(_ file: InputFile) {
        codec = file.codec
        let properties = avcodec_descriptor_get(codec)?.pointee.props ?? 0
        canJump = Self.jumping.contains(codec.rawValue) || properties & AV_CODEC_PROP_INTRA_ONLY != 0
        areKnown = Self.known.contains(codec.rawValue) || properties & AV_CODEC_PROP_INTRA_ONLY != 0
        let parameters = file.stream.pointee.codecpar.pointee
        mayHaveFields = parameters.field_order != AV_FIELD_PROGRESSIVE
        let mayReorder = parameters.video_delay > 0
        parser =
            codec == AV_CODEC_ID_H264 && (mayHaveFields || mayReorder) || codec == AV_CODEC_ID_HEVC && mayReorder
            ? PictureHeaderParser(file) : nil
    }

    /// Whether decoding can start at any packet marked as a keyframe and gives the same frames from there on, as the
    /// generated test matrix confirms.
    var keyframesReset: Bool { canJump && !hasFalseKeys }

    /// Decoders of H.264, HEVC and AV1 return nothing before a real keyframe; others' packet headers are checked.
    private static let jumping: Set<UInt32> = Set(
        [
            AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_MPEG4, AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO,
            AV_CODEC_ID_VP8, AV_CODEC_ID_VP9, AV_CODEC_ID_AV1, AV_CODEC_ID_THEORA, AV_CODEC_ID_PNG,
        ].map(\.rawValue))

    /// Whether a packet was found that is not exactly one frame.
    var isIrregular: Bool { foundOther || uncoded != packed }

    mutating func read(_ packet: Packet) {
        let bytes = UnsafeBufferPointer(start: packet.pointer.pointee.data, count: Int(packet.pointer.pointee.size))
        guard bytes.count > 0 else { return }
        if packet.pointer.pointee.flags & AV_PKT_FLAG_KEY != 0, !isKey(bytes) { hasFalseKeys = true }
        switch codec {
        case AV_CODEC_ID_VP8: if bytes[0] & 0x10 == 0 { foundOther = true }
        case AV_CODEC_ID_VP9: if VP9Packet(bytes).shown != 1 { foundOther = true }
        case AV_CODEC_ID_MPEG2VIDEO: if Self.isField(bytes) { foundOther = true }
        case AV_CODEC_ID_MPEG4: readVOPs(bytes)
        case AV_CODEC_ID_H264, AV_CODEC_ID_HEVC:
            guard let parser else { return }
            // Times that step back in file order are presentation times, so no further headers are needed.
            if !mayHaveFields, packet.pointer.pointee.pts < lastPTS { self.parser = nil }
            lastPTS = packet.pointer.pointee.pts
            let picture = parser.read(packet)
            if picture.isField { foundOther = true }
            if picture.isBidirectional { reorders = true }
        default: break
        }
    }

    /// Whether a packet's header marks a keyframe, or leaves it open.
    private func isKey(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        switch codec {
        case AV_CODEC_ID_VP8: return bytes[0] & 1 == 0
        case AV_CODEC_ID_VP9: return VP9Packet(bytes).isKey
        case AV_CODEC_ID_THEORA: return bytes[0] & 0xC0 == 0
        case AV_CODEC_ID_MPEG4: return Self.byte(after: 0xB6, offset: 1, in: bytes).map { $0 >> 6 == 0 } ?? false
        case AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO:
            return Self.byte(after: 0, offset: 2, in: bytes).map { $0 >> 3 & 7 == 1 } ?? false
        default: return true
        }
    }

    /// The byte at `offset` after the first start code of that kind.
    private static func byte(after code: UInt8, offset: Int, in bytes: UnsafeBufferPointer<UInt8>) -> UInt8? {
        startCodes(in: bytes).first { bytes[$0] == code }.flatMap {
            $0 + offset < bytes.count ? bytes[$0 + offset] : nil
        }
    }

    /// libavcodec treats packets of at most this size as VOPs that are not coded.
    private static let uncodedBytes = 19

    private mutating func readVOPs(_ bytes: UnsafeBufferPointer<UInt8>) {
        if bytes.count <= Self.uncodedBytes { uncoded += 1 }
        // The second VOP of a packed packet is returned with the next packet; the last one gives one frame like any
        // other.
        if isPacked { packed += 1 }
        isPacked = Array(startCodes(in: bytes).lazy.filter { bytes[$0] == 0xB6 }.prefix(2)).count == 2
    }

    /// Whether the first picture of a packet is a field.
    private static func isField(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        for start in startCodes(in: bytes) {
            // A picture coding extension: 0xB5, identifier 8, four f_codes, intra_dc_precision, picture_structure.
            if bytes[start] == 0xB5, start + 3 < bytes.count, bytes[start + 1] >> 4 == 8 {
                return bytes[start + 3] & 3 != 3
            }
            // Slices follow the headers.
            if (1...0xAF).contains(bytes[start]) { return false }
        }
        return false
    }
}

/// Parses the headers of H.264 and HEVC pictures with libavcodec.
private final class PictureHeaderParser {
    private let parser: UnsafeMutablePointer<AVCodecParserContext>
    private let context: UnsafeMutablePointer<AVCodecContext>

    /// Nil if the installed FFmpeg lacks the parser.
    init?(_ file: InputFile) {
        guard let parser = av_parser_init(Int32(file.codec.rawValue)) else { return nil }
        guard let context = avcodec_alloc_context3(avcodec_find_decoder(file.codec)),
            avcodec_parameters_to_context(context, file.stream.pointee.codecpar) >= 0
        else {
            av_parser_close(parser)
            return nil
        }
        (self.parser, self.context) = (parser, context)
        parser.pointee.flags |= PARSER_FLAG_COMPLETE_FRAMES
    }

    deinit {
        av_parser_close(parser)
        var freed: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&freed)
    }

    func read(_ packet: Packet) -> (isField: Bool, isBidirectional: Bool) {
        var output: UnsafeMutablePointer<UInt8>?
        var size: Int32 = 0
        let content = packet.pointer.pointee
        _ = av_parser_parse2(
            parser, context, &output, &size, content.data, content.size, content.pts, content.dts, content.pos)
        let structure = parser.pointee.picture_structure
        return (
            structure == AV_PICTURE_STRUCTURE_TOP_FIELD || structure == AV_PICTURE_STRUCTURE_BOTTOM_FIELD,
            parser.pointee.pict_type == AV_PICTURE_TYPE_B.rawValue
        )
    }
}

private struct VP9Packet {
    let shown: Int
    let isKey: Bool

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        let frames = Self.frames(bytes).compactMap(Header.init)
        shown = frames.count(where: \.isShown)
        isKey = frames.first?.isKey ?? false
    }

    /// The frames of a superframe, whose index is at the end of the packet; otherwise the packet itself.
    private static func frames(_ bytes: UnsafeBufferPointer<UInt8>) -> [Slice<UnsafeBufferPointer<UInt8>>] {
        guard let marker = bytes.last, marker & 0xE0 == 0xC0 else { return [bytes[...]] }
        let (count, width) = (Int(marker & 7) + 1, Int(marker >> 3 & 3) + 1)
        let index = 2 + count * width
        guard bytes.count >= index, bytes[bytes.count - index] == marker else { return [bytes[...]] }
        var (frames, place) = ([Slice<UnsafeBufferPointer<UInt8>>](), 0)
        for frame in 0..<count {
            let start = bytes.count - index + 1 + frame * width
            let size = (0..<width).reduce(0) { $0 | Int(bytes[start + $1]) << (8 * $1) }
            guard size > 0, size <= bytes.count - index - place else { break }
            frames.append(bytes[place..<place + size])
            place += size
        }
        return frames
    }

    /// The uncompressed header: two marker bits, two profile bits and a reserved one in profile 3, then
    /// `show_existing_frame`, `frame_type` and `show_frame`.
    private struct Header {
        let isShown, isKey: Bool

        init?(_ frame: Slice<UnsafeBufferPointer<UInt8>>) {
            guard let first = frame.first else { return nil }
            let bits = first >> 4 & 3 == 3 ? first << 5 : first << 4
            let repeats = bits & 0x80 != 0
            isShown = repeats || bits & 0x20 != 0
            isKey = !repeats && bits & 0x40 == 0
        }
    }
}
