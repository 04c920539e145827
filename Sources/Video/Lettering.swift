import CFFmpeg
import Escaping

/// Lines of text as masks to be painted through, drawn by FFmpeg with the system's sans-serif font. Remembers what it
/// has drawn.
public final class Lettering {
    /// How much of each pixel the letters cover.
    public struct Mask: Sendable {
        /// Pixels in a row.
        public let width: Int
        /// Rows: the same for all texts of a size, with the letters on one line.
        public let height: Int
        /// `[height, width]`, 255 where all is covered.
        public let coverage: [UInt8]
    }

    private var drawn: [String: Mask] = [:]
    private let picture = Picture()

    /// Nothing drawn yet.
    public init() {}

    /// The widest text, in pixels; what is longer is cut off.
    private static let widest = 2048

    /// - `size`: of the font, in pixels.
    /// - Returns: an empty mask where the installed FFmpeg cannot draw text.
    public func mask(_ text: String, size: Int) -> Mask {
        let key = "\(size) \(text)"
        if let known = drawn[key] { return known }
        // The letters of a text are on one line; controls other than line breaks are shown.
        let line = Escaping.visible(
            text.unicodeScalars.reduce(into: "") { line, scalar in
                line.unicodeScalars.append(Escaping.isControl(scalar) && scalar.properties.isWhitespace ? " " : scalar)
            })
        let mask = (try? draw(line, size: size)) ?? Mask(width: 0, height: 0, coverage: [])
        drawn[key] = mask
        return mask
    }

    private func draw(_ text: String, size: Int) throws -> Mask {
        guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
            return Mask(width: 0, height: 0, coverage: [])
        }
        let height = size * 3 / 2
        let graph = FilterGraph()
        let ground = try graph.add("color", ["color": "black", "size": "\(Self.widest)x\(height)", "duration": "1"])
        let writer = try graph.add(
            "drawtext",
            [
                "text": text, "expansion": "none", "fontsize": "\(size)", "fontcolor": "white", "font": "Sans",
                "x": "2", "y": "\(size * 21 / 20)-max_glyph_a",
            ])
        // Full range: in the ground's own format black is 16.
        let format = try graph.add("format", ["pix_fmts": "rgb24"])
        let sink = try graph.add("buffersink")
        try graph.connect(ground, format)
        try graph.connect(format, writer)
        try graph.connect(writer, sink)
        try graph.configure()
        guard try graph.receive(from: sink, into: picture), let pixels = picture.pointer.pointee.data.0 else {
            throw FilterError(filter: "drawtext", reason: "it drew nothing")
        }
        let stride = Int(picture.pointer.pointee.linesize.0)
        let columns = (0..<Self.widest).reversed()
        let last = columns.first { column in (0..<height).contains { pixels[$0 * stride + 3 * column] > 16 } } ?? 0
        let coverage = (0..<height).flatMap { row in (0...last).map { pixels[row * stride + 3 * $0] } }
        return Mask(width: last + 1, height: height, coverage: coverage)
    }
}
