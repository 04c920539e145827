import CFFmpeg

/// Crops, resizes and converts decoded pictures to RGB in one pass of libswscale, with the colour
/// matrix and range that the stream states (BT.601 limited where it states none, as FFmpeg does).
final class FrameScaler {
    private let path: String
    private let framing: Framing
    private let quarterTurns: Int
    private var scaler: Scaler?
    private var converter: Scaler?

    init(path: String, framing: Framing, quarterTurns: Int) {
        self.path = path
        self.framing = framing
        self.quarterTurns = quarterTurns
    }

    /// - Throws: `VideoError.scaling` for sizes or formats that libswscale cannot handle.
    func frame(_ picture: Picture, index: Int, time: Double) throws -> VideoFrame {
        let frame = picture.pointer.pointee
        let (width, height) = (Int(frame.width), Int(frame.height))
        let isTurned = quarterTurns % 2 == 1
        let shown = isTurned ? (width: height, height: width) : (width: width, height: height)
        var crop = Crop(x: 0, y: 0, width: shown.width, height: shown.height)
        var size = (width: shown.width, height: shown.height)
        var filter = ResizeFilter.antialias
        var isMirrored = false
        switch framing {
        case .full: break
        case .whole(let width, let height): size = (width, height)
        case .square(let side, let wanted, let placement):
            crop = .square(placement, width: shown.width, height: shown.height)
            size = (side, side)
            (filter, isMirrored) = (wanted, placement.isMirrored)
        }
        crop = crop.stored(quarterTurns: quarterTurns, width: width, height: height)
        let stored = isTurned ? (width: size.height, height: size.width) : size
        var pixels: [UInt8]
        if filter == .bilinear {
            // libswscale knows no filter that leaves pixels out where it shrinks.
            pixels = try scaled(picture, crop, to: (crop.width, crop.height), filter)
            pixels = resizedBilinear(pixels, from: (crop.width, crop.height), to: stored)
        } else {
            pixels = try scaled(picture, crop, to: stored, filter)
        }
        pixels = turned(pixels, width: stored.width, height: stored.height, quarterTurns: quarterTurns)
        if isMirrored { pixels = mirrored(pixels, width: size.width) }
        return VideoFrame(index: index, time: time, width: size.width, height: size.height, pixels: pixels)
    }

    private func scaled(
        _ picture: Picture, _ crop: Crop, to size: (width: Int, height: Int), _ filter: ResizeFilter
    ) throws -> [UInt8] {
        let source = Scaler.Source(picture.pointer.pointee)
        if let planes = source.planes(picture.pointer.pointee, at: crop) {
            let scaler = try self.scaler(source, crop, size, filter)
            return try scaler.scale(planes, strides: picture.pointer.pointee.strides)
        }
        // The crop begins between two chroma samples: convert the whole picture first, then crop RGB.
        let whole = Crop(x: 0, y: 0, width: source.width, height: source.height)
        if converter?.source != source {
            converter = try Scaler(source, whole, (source.width, source.height), filter, path: path)
        }
        let planes = source.planes(picture.pointer.pointee, at: whole)!
        let converted = try converter!.scale(planes, strides: picture.pointer.pointee.strides)
        let rgb = Scaler.Source.rgb(width: source.width, height: source.height)
        let scaler = try self.scaler(rgb, crop, size, filter)
        return try converted.withUnsafeBufferPointer { buffer in
            let start = UnsafeMutablePointer(mutating: buffer.baseAddress! + (crop.y * source.width + crop.x) * 3)
            return try scaler.scale([start, nil, nil, nil], strides: [Int32(source.width * 3), 0, 0, 0])
        }
    }

    private func scaler(
        _ source: Scaler.Source, _ crop: Crop, _ size: (width: Int, height: Int), _ filter: ResizeFilter
    ) throws -> Scaler {
        if let scaler, scaler.source == source, scaler.crop == crop { return scaler }
        let made = try Scaler(source, crop, size, filter, path: path)
        scaler = made
        return made
    }
}

/// Owner of one SwsContext.
final class Scaler {
    /// Everything about a picture that decides how it is converted.
    struct Source: Equatable {
        let width: Int
        let height: Int
        let format: AVPixelFormat
        let isFullRange: Bool
        let matrix: Int32

        static func rgb(width: Int, height: Int) -> Source {
            Source(width: width, height: height, format: AV_PIX_FMT_RGB24, isFullRange: true, matrix: SWS_CS_DEFAULT)
        }
    }

    let source: Source
    let crop: Crop
    private let path: String
    private let size: (width: Int, height: Int)
    private let context: OpaquePointer

    init(
        _ source: Source, _ crop: Crop, _ size: (width: Int, height: Int), _ filter: ResizeFilter, path: String
    ) throws {
        self.source = source
        self.crop = crop
        self.size = size
        self.path = path
        // Exact chroma interpolation and rounding cost little and matter.
        let flags = SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP
        // B and C of the cubic: a = −C.
        let cubic = [0, 0.5]
        guard
            let context = sws_getContext(
                Int32(crop.width), Int32(crop.height), source.format, Int32(size.width), Int32(size.height),
                AV_PIX_FMT_RGB24, Int32(flags | (filter == .bicubic ? SWS_BICUBIC : SWS_BILINEAR)), nil, nil,
                filter == .bicubic ? cubic : nil)
        else {
            throw VideoError.scaling(
                path: path, reason: "\(crop.width)×\(crop.height) to \(size.width)×\(size.height) is not supported")
        }
        self.context = context
        sws_setColorspaceDetails(
            context, sws_getCoefficients(source.matrix), source.isFullRange ? 1 : 0,
            sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16)
    }

    deinit { sws_freeContext(context) }

    /// `[height, width, 3]` pixels.
    func scale(_ planes: [UnsafeMutablePointer<UInt8>?], strides: [Int32]) throws -> [UInt8] {
        // libswscale may write a vector past the end of a row; only the last row has no row after it.
        let bytes = size.width * size.height * 3
        var output = [UInt8](repeating: 0, count: bytes + 64)
        let sources = planes.map { $0.map { UnsafePointer($0) } }
        let rows = output.withUnsafeMutableBufferPointer { buffer in
            var destination: [UnsafeMutablePointer<UInt8>?] = [buffer.baseAddress, nil, nil, nil]
            var destinationStrides: [Int32] = [Int32(size.width * 3), 0, 0, 0]
            return sws_scale(
                context, sources, strides, 0, Int32(crop.height), &destination, &destinationStrides)
        }
        guard rows == size.height else { throw VideoError.scaling(path: path, reason: VideoError.reason(rows)) }
        output.removeLast(64)
        return output
    }
}

extension Scaler.Source {
    init(_ frame: AVFrame) {
        let format = AVPixelFormat(rawValue: frame.format)
        let plain = Self.withoutRange[format.rawValue]
        width = Int(frame.width)
        height = Int(frame.height)
        self.format = plain ?? format
        isFullRange = plain != nil || frame.color_range == AVCOL_RANGE_JPEG
        matrix =
            switch frame.colorspace {
            case AVCOL_SPC_BT709: SWS_CS_ITU709
            case AVCOL_SPC_FCC: SWS_CS_FCC
            case AVCOL_SPC_SMPTE240M: SWS_CS_SMPTE240M
            case AVCOL_SPC_BT2020_NCL, AVCOL_SPC_BT2020_CL: SWS_CS_BT2020
            default: SWS_CS_DEFAULT
            }
    }

    /// FFmpeg's old formats that mean "full range" by their name.
    private static let withoutRange: [Int32: AVPixelFormat] = [
        AV_PIX_FMT_YUVJ420P.rawValue: AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ422P.rawValue: AV_PIX_FMT_YUV422P,
        AV_PIX_FMT_YUVJ444P.rawValue: AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUVJ440P.rawValue: AV_PIX_FMT_YUV440P,
    ]

    /// Pointers to the crop's first sample in each plane, or nil where it begins inside a chroma sample
    /// or the format is not made of whole bytes.
    func planes(_ frame: AVFrame, at crop: Crop) -> [UnsafeMutablePointer<UInt8>?]? {
        let all = [frame.data.0, frame.data.1, frame.data.2, frame.data.3]
        if crop.x == 0 && crop.y == 0 { return all }
        guard let descriptor = av_pix_fmt_desc_get(format)?.pointee,
            descriptor.flags & UInt64(AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM) == 0
        else { return nil }
        let (shiftX, shiftY) = (Int(descriptor.log2_chroma_w), Int(descriptor.log2_chroma_h))
        guard crop.x % (1 << shiftX) == 0, crop.y % (1 << shiftY) == 0 else { return nil }
        var steps = [Int32](repeating: 0, count: 4)
        var components = [Int32](repeating: 0, count: 4)
        withUnsafePointer(to: descriptor) { av_image_fill_max_pixsteps(&steps, &components, $0) }
        return all.enumerated().map { plane, pointer in
            let isChroma = components[plane] == 1 || components[plane] == 2
            let (x, y) = isChroma ? (crop.x >> shiftX, crop.y >> shiftY) : (crop.x, crop.y)
            return pointer.map { $0 + y * Int(frame.strides[plane]) + x * Int(steps[plane]) }
        }
    }
}

extension AVFrame {
    fileprivate var strides: [Int32] {
        [linesize.0, linesize.1, linesize.2, linesize.3, 0, 0, 0, 0]
    }
}
