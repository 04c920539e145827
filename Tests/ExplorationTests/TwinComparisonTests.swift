import Foundation
import TestSupport
import Testing

@testable import Exploration

/// Copies that were mirrored, letterboxed or subtitled.
@Suite struct TwinComparisonTests {
    /// A drawn scene of much detail in which a spot moves, and what was done to the copy.
    struct Copy {
        var scene = 0, isMirrored = false
        /// Rows and columns of bars at each side, and their brightness.
        var rows = 0
        var columns = 0, bar: UInt8 = 16
        /// Text that changes, from this row of 72 on.
        var text: Int?

        func sketch() throws -> ClipSketch {
            let scratch = ScratchFolder()
            let (width, height) = (96 + 2 * columns, 72 + 2 * rows)
            let data = TinyClip.y4m(width: width, height: height, frames: 24) { pixel, frame in
                let (column, row) = (pixel % width - columns, pixel / width - rows)
                // Letters on a box, or in a bar.
                if let text, row >= text, row < text + 12, column > 5, column < 90 {
                    return (column / 3 * 7 + row / 4 * 5 + frame / 6 * 11) % 9 < 4 ? 235 : 16
                }
                guard (0..<96).contains(column), (0..<72).contains(row) else { return bar }
                return Self.value(scene, isMirrored ? 95 - column : column, row, frame)
            }
            return try ClipSketch(path: scratch.file("clip.y4m", data))
        }

        private static func value(_ scene: Int, _ column: Int, _ row: Int, _ frame: Int) -> UInt8 {
            // Tiles of random brightness, as no other scene has them.
            let tile = UInt64(scene * 1000 + row / 6 * 16 + column / 6) &* 0x9E37_79B9_7F4A_7C15
            let angle = 2 * Double.pi * Double(frame) / 24 + Double(scene)
            let (x, y) = (36 + 25 * cos(angle) + Double(column % 2), 30 + 20 * sin(angle * Double(1 + scene % 2)))
            let (dx, dy) = (Double(column) - x, Double(row) - y)
            if dx * dx + dy * dy < 160 { return 225 }
            return UInt8(40 + (tile >> 40) % 140)
        }
    }

    private static let copies: [(Copy, String)] = [
        (Copy(), ""), (Copy(isMirrored: true), "mirrored"), (Copy(rows: 12), "bars"),
        (Copy(columns: 20), "bars"), (Copy(rows: 10, columns: 14), "bars"), (Copy(rows: 12, bar: 120), "bars"),
        (Copy(text: 60), "bottom"), (Copy(text: 3), "top"), (Copy(isMirrored: true, rows: 12), "mirrored, bars"),
        (Copy(isMirrored: true, text: 60), "mirrored, bottom"), (Copy(rows: 14, text: 74), "bars"),
        (Copy(rows: 12, text: 60), "bars, bottom"),
    ]

    @Test("a copy that was mirrored, put between bars, subtitled, or several of these is found", arguments: 0..<12)
    func found(index: Int) throws {
        let (copy, change) = Self.copies[index]
        let original = try Copy().sketch()
        let match = try #require(TwinComparison.match(original, copy.sketch()), "\(copy)")
        #expect(match.change.text == change)
        #expect(try TwinComparison.match(copy.sketch(), original) != nil)
    }

    @Test("other scenes are none, also between equal bars and with equal text") func others() throws {
        for (one, two) in [
            (Copy(), Copy(scene: 1)), (Copy(rows: 14), Copy(scene: 1, rows: 14)),
            (Copy(text: 60), Copy(scene: 1, text: 60)), (Copy(isMirrored: true), Copy(scene: 1, rows: 12)),
        ] { #expect(try TwinComparison.match(one.sketch(), two.sketch()) == nil, "\(one) \(two)") }
    }

    @Test("bars end along a whole line: an object on an even ground has none") func bars() throws {
        let side = SketchBars.side
        func images(_ inside: (_ row: Int, _ column: Int) -> Bool) -> [[UInt8]] {
            (0..<6).map { frame in
                (0..<side * side).flatMap { pixel -> [UInt8] in
                    guard inside(pixel / side, pixel % side) else { return [20, 20, 20] }
                    return [UInt8(100 + (pixel * 7 + frame) % 90), 90, UInt8(60 + pixel % 50)]
                }
            }
        }
        let bars = try #require(SketchBars(images { row, _ in (20..<124).contains(row) }))
        #expect(bars.columns == 0..<side && (20...22).contains(bars.rows.lowerBound))
        #expect((122...124).contains(bars.rows.upperBound))
        #expect(SketchBars(images { row, column in hypot(Double(row - 70), Double(column - 70)) < 30 }) == nil)
        #expect(SketchBars(images { _, _ in true }) == nil && SketchBars(images { _, _ in false }) == nil)
    }

    @Test("shapes on an even ground are no copies of each other, unless they are nearly equal")
    func plainShapes() throws {
        func sketch(_ radius: Double, at x: Double) throws -> ClipSketch {
            let scratch = ScratchFolder()
            let data = TinyClip.y4m(width: 96, height: 72, frames: 12) { pixel, frame in
                let (dx, dy) = (Double(pixel % 96) - x, Double(pixel / 96) - 36)
                let size = radius + Double(frame)
                return dx * dx + dy * dy < size * size ? 200 : 25
            }
            return try ClipSketch(path: scratch.file("clip.y4m", data))
        }
        let first = try sketch(12, at: 48)
        #expect(try TwinComparison.match(first, sketch(12, at: 48)) != nil)
        #expect(try TwinComparison.match(first, sketch(15, at: 46)) == nil)
    }
}
