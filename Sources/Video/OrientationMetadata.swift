import CFFmpeg

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
        var (starts, place) = ([Int](), 0)
        while starts.count < most, let start = nextStartCode(in: bytes, from: place) {
            starts.append(start)
            place = start
        }
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

/// The index after the next 00 00 01.
func nextStartCode(in bytes: UnsafeBufferPointer<UInt8>, from place: Int) -> Int? {
    var place = place
    while place + 3 < bytes.count {
        if bytes[place + 2] > 1 {
            place += 3
        } else if bytes[place] == 0, bytes[place + 1] == 0, bytes[place + 2] == 1 {
            return place + 3
        } else {
            place += 1
        }
    }
    return nil
}
