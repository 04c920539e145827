import CFFmpeg

/// Writes RGB images as an animated GIF with their own palette. The file at the path is replaced once all is written.
package final class GIFWriter {
    private let file: OutputFile
    private let converter: Converter
    private let graph = FilterGraph()
    private let source, sink: FilterGraph.Filter
    private let painted = Frame()
    private let frameRate: Double
    private var count = 0
    /// Time of a frame in 1/100 s, the unit of GIF.
    private func tick(_ frame: Int) -> Int64 { Int64((Double(frame) * 100 / frameRate).rounded()) }

    /// Maximum frame rate that players support.
    static let highestRate = 50.0

    /// `frameRate`: frames per second; at most 50. `sample`: images `[height, width, 3]` from which the palette is
    /// computed. Throws `VideoError.writing`.
    package init(path: String, width: Int, height: Int, frameRate: Double, palette sample: [[UInt8]]) throws {
        precondition(frameRate > 0 && !sample.isEmpty)
        self.frameRate = min(frameRate, Self.highestRate)
        do {
            converter = try Converter(width: width, height: height, to: AV_PIX_FMT_RGB24, path: path)
            let palette = try Self.palette(sample, converter, width: width, height: height)
            source = try graph.source(width: width, height: height)
            let colors = try graph.source(width: 16, height: 16, format: "bgra")
            let painter = try graph.add(
                "paletteuse", ["dither": "bayer", "bayer_scale": "4", "diff_mode": "rectangle"])
            sink = try graph.add("buffersink")
            try graph.connect(colors, painter, input: 1)
            try graph.configure(source, painter, sink)
            palette.pointer.pointee.pts = 0
            try graph.send(palette, to: colors)
            try graph.send(nil, to: colors)
        } catch let error as FilterError {
            throw VideoError.writing(path: path, reason: "\(error.filter): \(error.reason)")
        }
        let encoder = try Encoder(["gif"], path: path, width: width, height: height, format: AV_PIX_FMT_PAL8) {
            $0.pointee.time_base = AVRational(num: 1, den: 100)
        }
        file = try OutputFile(path: path, format: "gif", encoder)
    }

    /// A palette of 256 colours for the images.
    private static func palette(_ sample: [[UInt8]], _ converter: Converter, width: Int, height: Int) throws -> Frame {
        let graph = FilterGraph()
        let source = try graph.source(width: width, height: height)
        let generator = try graph.add("palettegen", ["reserve_transparent": "1"])
        let sink = try graph.add("buffersink")
        try graph.configure(source, generator, sink)
        for (index, pixels) in sample.enumerated() {
            let frame = try converter.frame(pixels)
            frame.pointer.pointee.pts = Int64(index)
            try graph.send(frame, to: source)
        }
        try graph.send(nil, to: source)
        let palette = Frame()
        guard try graph.receive(from: sink, into: palette) else {
            throw FilterError(filter: "palettegen", reason: "it returned no palette")
        }
        return palette
    }

    /// `pixels`: `[height, width, 3]`. Throws `VideoError.writing`.
    package func append(_ pixels: [UInt8]) throws {
        let frame = try converter.frame(pixels)
        frame.pointer.pointee.pts = tick(count)
        count += 1
        try paint(frame)
    }

    /// Renames the file to its final name. Throws `VideoError.writing`.
    package func finish() throws {
        try paint(nil)
        try file.finish(duration: tick(1))
    }

    private func paint(_ frame: Frame?) throws {
        do {
            try graph.send(frame, to: source)
            while try graph.receive(from: sink, into: painted) {
                try file.write(painted, duration: tick(count) - tick(count - 1))
            }
        } catch let error as FilterError {
            throw VideoError.writing(path: "the GIF", reason: "\(error.filter): \(error.reason)")
        }
    }

    /// Writes a whole animation; the palette is computed from at most 64 evenly spaced images. `frames`: at least one,
    /// all of one size. Throws `VideoError.writing`; the file at `path` is then unchanged.
    package static func write(_ frames: [RGBImage], frameRate: Double, to path: String) throws {
        let step = max(1, frames.count / 64)
        let sample = stride(from: 0, to: frames.count, by: step).map { frames[$0].pixels }
        let writer = try GIFWriter(
            path: path, width: frames[0].width, height: frames[0].height, frameRate: frameRate, palette: sample)
        for frame in frames { try writer.append(frame.pixels) }
        try writer.finish()
    }
}
