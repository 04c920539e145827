import CFFmpeg
import Testing

@testable import Video

/// What libswscale gives by way of planes, beside its pixels.
@Suite struct ScalingTests {
    static let formats = [
        AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV444P, AV_PIX_FMT_NV12, AV_PIX_FMT_RGB24, AV_PIX_FMT_GRAY8,
        AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_P010LE, AV_PIX_FMT_RGB48LE, AV_PIX_FMT_PAL8,
    ]
    static let sizes = [(240, 224), (225, 224), (64, 64), (48, 61), (127, 32), (33, 97)]

    private static func conversion(
        _ format: AVPixelFormat, _ size: (Int, Int), isCubic: Bool = false, isFullRange: Bool = false
    ) -> Conversion {
        Conversion(
            format: format.rawValue, isFullRange: isFullRange, matrix: isFullRange ? SWS_CS_ITU709 : SWS_CS_DEFAULT,
            width: size.0, height: size.0, newWidth: size.1, newHeight: size.1, isCubic: isCubic)
    }

    /// A picture of soft stripes, and where its planes lie.
    private static func stripes(
        _ conversion: Conversion, _ body: ([UnsafeMutablePointer<UInt8>?], [Int32]) throws -> Void
    ) rethrows {
        var planes = [UnsafeMutablePointer<UInt8>?](repeating: nil, count: 4)
        var strides = [Int32](repeating: 0, count: 4)
        let (width, height) = (Int32(conversion.width), Int32(conversion.height))
        let bytes = av_image_alloc(&planes, &strides, width, height, AVPixelFormat(conversion.format), 32)
        defer { av_freep(&planes) }
        // Of two bytes a sample the upper one holds no more than samples of ten bits have there.
        let isWide = av_pix_fmt_desc_get(AVPixelFormat(conversion.format)).pointee.comp.0.depth == 10
        for place in 0..<Int(bytes) {
            planes[0]?[place] = UInt8(abs(place * 5 / 3 % 510 - 255)) & (isWide && place % 2 == 1 ? 3 : 255)
        }
        try body(planes, strides)
    }

    @Test("pixels are the same to the bit, whether they are joined from planes or not", arguments: formats)
    func planes(_ format: AVPixelFormat) throws {
        for (size, isCubic) in Self.sizes.flatMap({ [($0, false), ($0, true)] }) {
            for isFullRange in [false, true] {
                let conversion = Self.conversion(format, size, isCubic: isCubic, isFullRange: isFullRange)
                let usual = try #require(ScalingContext(conversion, inPlanes: false))
                let chosen = try #require(ScalingContext(conversion, inPlanes: conversion.isSameInPlanes))
                Self.stripes(conversion) { planes, strides in
                    let (expected, found) = (
                        usual.scale(planes, strides: strides), chosen.scale(planes, strides: strides)
                    )
                    #expect(expected.rows == size.1 && expected.pixels.count == size.1 * size.1 * 3)
                    #expect(found == expected, "\(size), cubic \(isCubic), full range \(isFullRange)")
                }
            }
        }
    }

    // Other versions of libswscale may round otherwise, which costs time alone.
    @Test("planes are used where pictures shrink", .enabled(if: swscale_version() >> 16 == 6, "needs libswscale 6"))
    func choice() {
        #expect(Self.conversion(AV_PIX_FMT_YUV420P, (240, 224)).isSameInPlanes)
        #expect(Self.conversion(AV_PIX_FMT_YUV420P, (48, 61), isCubic: true).isSameInPlanes)
        #expect(Self.conversion(AV_PIX_FMT_YUV420P10LE, (240, 224)).isSameInPlanes)
    }

    @Test("planes are not used where noise would be no picture") func oddFormats() {
        #expect(!Self.conversion(AV_PIX_FMT_GBRPF32LE, (240, 224)).isSameInPlanes)
        #expect(!Self.conversion(AV_PIX_FMT_PAL8, (240, 224)).isSameInPlanes)
    }
}
