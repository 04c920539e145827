import Escaping

/// Renders lines of text as coverage masks with FFmpeg and the system's sans-serif font. Caches its results.
package final class TextRenderer {
    /// Coverage of each pixel by glyphs.
    package struct Mask: Sendable {
        package let width: Int
        /// Rows: equal for all texts of a size, with a common baseline.
        package let height: Int
        /// `[height, width]`, 255 for full coverage.
        package let coverage: [UInt8]
    }

    private var drawn: [String: Mask] = [:]
    private let frame = Frame()

    package init() {}

    /// Maximum width of a text in pixels; longer texts are cut off.
    private static let widest = 2048

    /// `size`: of the font, in pixels. Returns an empty mask if the installed FFmpeg cannot draw text.
    package func mask(_ text: String, size: Int) -> Mask {
        let key = "\(size) \(text)"
        if let known = drawn[key] { return known }
        // Whitespace controls such as line breaks become spaces; other control characters are made visible.
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
        // Full range: in the source's own format black is 16.
        let format = try graph.add("format", ["pix_fmts": "rgb24"])
        let sink = try graph.add("buffersink")
        try graph.configure(ground, format, writer, sink)
        guard try graph.receive(from: sink, into: frame), let pixels = frame.pointer.pointee.data.0 else {
            throw FilterError(filter: "drawtext", reason: "it drew nothing")
        }
        let stride = Int(frame.pointer.pointee.linesize.0)
        let columns = (0..<Self.widest).reversed()
        let last = columns.first { column in (0..<height).contains { pixels[$0 * stride + 3 * column] > 16 } } ?? 0
        let coverage = (0..<height).flatMap { row in (0...last).map { pixels[row * stride + 3 * $0] } }
        return Mask(width: last + 1, height: height, coverage: coverage)
    }
}
