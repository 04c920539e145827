import CElementwise
import CFFmpeg
import Foundation
import Synchronization

/// All parameters of libswscale for a conversion to RGB.
struct Conversion: Hashable {
    /// An `AVPixelFormat`.
    var format: Int32
    var isFullRange: Bool
    /// The colour matrix, as libswscale's constant.
    var matrix: Int32
    var width, height, newWidth, newHeight: Int
    var isCubic: Bool
}

/// Owner of one SwsContext.
final class ScalingContext {
    let conversion: Conversion
    private let context: OpaquePointer
    /// Planes of green, blue and red, if the context writes planar output; otherwise empty.
    private var planes: [UInt8]
    /// Bytes from one row of a plane to the next.
    private let stride: Int

    /// libswscale may write past the end of a row; the last row needs extra space for it.
    private static let overhang = 64

    /// Nil for sizes or formats that libswscale does not support.
    init?(_ conversion: Conversion, inPlanes: Bool) {
        self.conversion = conversion
        // Exact chroma interpolation and rounding cost little and change the pixels.
        let flags = SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP
        // B and C of the cubic filter: a = −C.
        let cubic = [0, 0.5]
        guard
            let context = sws_getContext(
                Int32(conversion.width), Int32(conversion.height), AVPixelFormat(conversion.format),
                Int32(conversion.newWidth), Int32(conversion.newHeight), inPlanes ? AV_PIX_FMT_GBRP : AV_PIX_FMT_RGB24,
                Int32(flags | (conversion.isCubic ? SWS_BICUBIC : SWS_BILINEAR)), nil, nil,
                conversion.isCubic ? cubic : nil)
        else { return nil }
        self.context = context
        sws_setColorspaceDetails(
            context, sws_getCoefficients(conversion.matrix), conversion.isFullRange ? 1 : 0,
            sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16)
        stride = (conversion.newWidth + Self.overhang - 1) / Self.overhang * Self.overhang
        planes = inPlanes ? [UInt8](repeating: 0, count: 3 * stride * conversion.newHeight + Self.overhang) : []
    }

    deinit { sws_freeContext(context) }

    /// Returns `[height, width, 3]` pixels, and the number of rows or a negative error code.
    func scale(_ image: [UnsafeMutablePointer<UInt8>?], strides: [Int32]) -> (pixels: [UInt8], rows: Int32) {
        planes.isEmpty ? pixels(image, strides) : joined(image, strides)
    }

    private func pixels(_ image: [UnsafeMutablePointer<UInt8>?], _ strides: [Int32]) -> ([UInt8], Int32) {
        var pixels = [UInt8](repeating: 0, count: conversion.newWidth * conversion.newHeight * 3 + Self.overhang)
        let rows = pixels.withUnsafeMutableBufferPointer {
            run(image, strides, [$0.baseAddress, nil, nil, nil], stride: 3 * conversion.newWidth)
        }
        pixels.removeLast(Self.overhang)
        return (pixels, rows)
    }

    private func joined(_ image: [UnsafeMutablePointer<UInt8>?], _ strides: [Int32]) -> ([UInt8], Int32) {
        let (width, height, stride) = (conversion.newWidth, conversion.newHeight, stride)
        return planes.withUnsafeMutableBufferPointer { planes in
            guard let green = planes.baseAddress else { return ([], 0) }
            let (blue, red) = (green + stride * height, green + 2 * stride * height)
            let rows = run(image, strides, [green, blue, red, nil], stride: stride)
            let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { pixels, count in
                guard let start = pixels.baseAddress else { return }
                for row in 0..<height {
                    let place = row * stride
                    elementwise_interleave(width, red + place, green + place, blue + place, start + 3 * row * width)
                }
                count = width * height * 3
            }
            return (pixels, rows)
        }
    }

    private func run(
        _ image: [UnsafeMutablePointer<UInt8>?], _ strides: [Int32], _ target: [UnsafeMutablePointer<UInt8>?],
        stride: Int
    ) -> Int32 {
        let targetStrides = target.map { $0 == nil ? 0 : Int32(stride) }
        return sws_scale(
            context, image.map { $0.map { UnsafePointer($0) } }, strides, 0, Int32(conversion.height), target,
            targetStrides)
    }
}

extension Conversion {
    /// Results of `isSameInPlanes`.
    private static let known = Mutex<[Conversion: Bool]>([:])

    /// Whether planar output, interleaved afterwards, is bit-identical to libswscale's packed output. Its SIMD loops
    /// are only for planar output, faster, but round differently when upscaling. Tested once per conversion on noise.
    var isSameInPlanes: Bool {
        if let known = Self.known.withLock({ $0[self] }) { return known }
        let found = sampleBits.map(compare) ?? false
        Self.known.withLock { $0[self] = found }
        return found
    }

    /// The bits that samples use of their bytes or 16-bit words; nil if noise would be invalid input.
    private var sampleBits: UInt16? {
        guard let descriptor = av_pix_fmt_desc_get(AVPixelFormat(format))?.pointee else { return nil }
        let odd = AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_FLOAT
        let components = [descriptor.comp.0, descriptor.comp.1, descriptor.comp.2, descriptor.comp.3]
            .prefix(Int(descriptor.nb_components))
        guard descriptor.flags & UInt64(odd) == 0, let first = components.first,
            components.allSatisfy({ $0.depth == first.depth && $0.shift == first.shift })
        else { return nil }
        if first.depth == 8 { return 0xffff }
        let isLittle = descriptor.flags & UInt64(AV_PIX_FMT_FLAG_BE) == 0
        // Little-endian words, one per sample.
        guard isLittle, (9...16).contains(first.depth), first.step % 2 == 0 else { return nil }
        return UInt16((1 << first.depth - 1) << first.shift)
    }

    private func compare(_ bits: UInt16) -> Bool {
        guard let packed = ScalingContext(self, inPlanes: false), let planar = ScalingContext(self, inPlanes: true)
        else { return false }
        var image = [UnsafeMutablePointer<UInt8>?](repeating: nil, count: 4)
        var strides = [Int32](repeating: 0, count: 4)
        let size = av_image_alloc(&image, &strides, Int32(width), Int32(height), AVPixelFormat(format), 64)
        guard size > 0, let start = image[0] else { return false }
        defer { av_freep(&image) }
        var noise: UInt32 = 1
        for place in 0..<Int(size) {
            noise = noise &* 1_664_525 &+ 1_013_904_223
            start[place] = UInt8(truncatingIfNeeded: noise >> 24) & UInt8(truncatingIfNeeded: bits >> (place % 2 * 8))
        }
        let (pixels, joined) = (packed.scale(image, strides: strides), planar.scale(image, strides: strides))
        return pixels.rows == newHeight && joined == pixels
    }
}

/// Converts frames of one size and format to RGB with libswscale.
final class Scaler {
    /// The properties of a frame that determine its conversion.
    struct Source: Equatable {
        let width, height: Int
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
    private let context: ScalingContext

    /// - Throws: `VideoError.scaling` for sizes or formats that libswscale cannot handle.
    init(
        _ source: Source, _ crop: Crop, _ size: (width: Int, height: Int), _ filter: ResizeFilter, path: String
    ) throws {
        (self.source, self.crop, self.path) = (source, crop, path)
        let conversion = Conversion(
            format: source.format.rawValue, isFullRange: source.isFullRange, matrix: source.matrix, width: crop.width,
            height: crop.height, newWidth: size.width, newHeight: size.height, isCubic: filter == .bicubic)
        guard let context = ScalingContext(conversion, inPlanes: conversion.isSameInPlanes) else {
            throw VideoError.scaling(
                path: path, reason: "\(crop.width)×\(crop.height) to \(size.width)×\(size.height) is not supported")
        }
        self.context = context
    }

    func scale(_ image: [UnsafeMutablePointer<UInt8>?], strides: [Int32]) throws -> [UInt8] {
        let (pixels, rows) = context.scale(image, strides: strides)
        guard rows == context.conversion.newHeight else {
            throw VideoError.scaling(path: path, reason: VideoError.reason(rows))
        }
        return pixels
    }
}
