import CFFmpeg

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

    func scale(_ picture: [UnsafeMutablePointer<UInt8>?], strides: [Int32]) throws -> [UInt8] {
        let (pixels, rows) = context.scale(picture, strides: strides)
        guard rows == context.conversion.newHeight else {
            throw VideoError.scaling(path: path, reason: VideoError.reason(rows))
        }
        return pixels
    }
}
