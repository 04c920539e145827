import CFFmpeg

/// Crops, resizes and converts decoded frames to RGB in one pass of libswscale, with the stream's colour matrix and
/// range (by default BT.601 limited, as FFmpeg).
final class FrameScaler {
    private let path: String
    private let framing: Framing
    private let aspect: Aspect
    private let container: DisplayGeometry
    private var scaler, converter: Scaler?

    /// - `container`: the container's shape; frames may override it.
    init(path: String, framing: Framing, aspect: Aspect, container: DisplayGeometry) {
        (self.path, self.framing, self.aspect, self.container) = (path, framing, aspect, container)
    }

    func frame(_ frame: Frame, index: Int, time: Double) throws -> VideoFrame {
        let fields = frame.pointer.pointee
        let shape = container.of(frame)
        let orientation = shape.orientation
        let (width, height) = (Int(fields.width), Int(fields.height))
        let shown = orientation.shown((width, height))
        let pixelAspect = aspect == .display ? shape.shownPixelAspect : 1
        var crop = Crop(x: 0, y: 0, width: shown.width, height: shown.height)
        var size = (width: max(1, Int((Double(shown.width) * pixelAspect).rounded())), height: shown.height)
        var filter = ResizeFilter.antialias
        var isMirrored = false
        switch framing {
        case .full: break
        case .whole(let width, let height): size = (width, height)
        case .square(let side, let wanted, let placement):
            crop = .square(placement, width: shown.width, height: shown.height, pixelAspect: pixelAspect)
            size = (side, side)
            (filter, isMirrored) = (wanted, placement.isMirrored)
        }
        crop = orientation.stored(crop, width: width, height: height)
        let stored = orientation.shown(size)
        var pixels: [UInt8]
        if filter == .bilinear {
            // libswscale has no filter that skips pixels when downscaling.
            pixels = try scaled(frame, crop, to: (crop.width, crop.height), filter)
            pixels = resizedBilinear(pixels, from: (crop.width, crop.height), to: stored)
        } else {
            pixels = try scaled(frame, crop, to: stored, filter)
        }
        pixels = orientation.applied(to: pixels, width: stored.width, height: stored.height)
        if isMirrored {
            pixels = Orientation(flipsX: true).applied(to: pixels, width: size.width, height: size.height)
        }
        return VideoFrame(index: index, time: time, width: size.width, height: size.height, pixels: pixels)
    }

    private func scaled(
        _ frame: Frame, _ crop: Crop, to size: (width: Int, height: Int), _ filter: ResizeFilter
    ) throws -> [UInt8] {
        let source = Scaler.Source(frame.pointer.pointee)
        if let planes = source.planes(frame.pointer.pointee, at: crop) {
            let scaler = try self.scaler(source, crop, size, filter)
            return try scaler.scale(planes, strides: frame.pointer.pointee.strides)
        }
        // The crop begins between two chroma samples: convert the whole frame first, then crop the RGB image.
        let whole = Crop(x: 0, y: 0, width: source.width, height: source.height)
        if converter?.source != source {
            converter = try Scaler(source, whole, (source.width, source.height), filter, path: path)
        }
        let planes = source.planes(frame.pointer.pointee, at: whole)!
        let converted = try converter!.scale(planes, strides: frame.pointer.pointee.strides)
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

    /// FFmpeg's deprecated pixel formats that imply full range.
    private static let withoutRange: [Int32: AVPixelFormat] = [
        AV_PIX_FMT_YUVJ420P.rawValue: AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ422P.rawValue: AV_PIX_FMT_YUV422P,
        AV_PIX_FMT_YUVJ444P.rawValue: AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUVJ440P.rawValue: AV_PIX_FMT_YUV440P,
    ]

    /// Pointers to the crop's first sample in each plane; nil inside a chroma sample or for formats not of whole bytes.
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

extension AVFrame { fileprivate var strides: [Int32] { [linesize.0, linesize.1, linesize.2, linesize.3, 0, 0, 0, 0] } }
