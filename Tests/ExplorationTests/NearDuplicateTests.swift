import FeatureCache
import Foundation
import TestSupport
import Testing
@testable import Exploration

/// Generated scenes: a static texture, and a bright spot that moves over it.
private struct Scene {
    let background, motion: Int
    /// Pixels cropped at each side, frames removed at the start, and the strength of encoder noise.
    var crop = 0
    var start = 0, noise = 0, width = 96, height = 72

    func write(to scratch: ScratchFolder, _ name: String) throws {
        let data = TinyClip.y4m(width: width, height: height, frames: 24) { pixel, frame in
            let scale = Double(96 - 2 * crop) / Double(width)
            let x = Double(pixel % width) * scale + Double(crop)
            let y = Double(pixel / width) * scale + Double(crop)
            let t = Double(frame + start) / 24
            var value =
                110 + 50 * sin(x / Double(5 + background)) * cos(y / Double(7 + background % 3) + Double(background))
            // The spot's path: a circle, a vertical line or a horizontal line.
            let angle = 2 * Double.pi * t
            let (cx, cy) = [
                (48 + 25 * cos(angle), 36 + 20 * sin(angle)), (30 + Double(background % 40), 72 * t), (96 * t, 20),
            ][motion]
            if (x - cx) * (x - cx) + (y - cy) * (y - cy) < 130 { value = 235 }
            let grain = (pixel &* 7919 &+ frame &* 104_729) % 17 - 8
            return UInt8(max(16, min(235, value + Double(noise * grain) / 8)))
        }
        try scratch.file(name, data)
    }
}

@Suite struct NearDuplicateTests {
    @Test("scaled, cropped, shifted and noisy copies are near-duplicates; another action in the same scene is not")
    func planted() throws {
        let scratch = ScratchFolder()
        var paths: [String] = [], nearDuplicates: Set<[Int]> = []
        for background in 0..<6 {
            let first = paths.count
            let scene = Scene(background: background, motion: background % 3)
            var copy = scene
            (copy.crop, copy.start, copy.noise) = (background % 2 == 0 ? 2 : 0, background % 3, 5)
            (copy.width, copy.height) = background % 2 == 0 ? (64, 48) : (96, 72)
            let other = Scene(background: background, motion: (background + 1) % 3)
            for (name, scene) in [("one", scene), ("copy", copy), ("other", other)] {
                paths.append("\(background)/\(name).y4m")
                try scene.write(to: scratch, paths[paths.count - 1])
            }
            nearDuplicates.insert([first, first + 1])
        }
        // For the backbone all clips of one scene look nearly the same.
        var rows: [Float] = []
        let examples = paths.enumerated().map { index, path in
            rows += (0..<8).map { place in
                Float(sin(Double((index / 3 + 1) * (place + 2)))) + 0.01 * Float(index % 3 * place)
            }
            return FeatureSet.Example(
                videoID: Int64(index + 1), path: path, label: "a", split: index % 2 == 0 ? "train" : "test", group: nil,
                length: 1, firstRow: index)
        }
        let vectors = try ClipVectors(FeatureSet(examples: examples, featureSize: 8, rows: rows))
        let search = try NearDuplicateSearch(
            vectors, nearest: NearestNeighbors.all(vectors, count: 10), root: scratch.path, workers: 2)
        #expect(Set(search.pairs.map { [$0.first, $0.second] }) == nearDuplicates)
        #expect(search.candidates >= 12 && search.unreadable.isEmpty)
    }

    @Test("an unreadable clip is reported, and the others are compared") func unreadable() throws {
        let scratch = ScratchFolder()
        let scene = Scene(background: 1, motion: 0)
        for name in ["a", "b"] { try scene.write(to: scratch, name + ".y4m") }
        try scratch.file("c.y4m", "no video")
        let examples = ["a", "b", "c", "d"].enumerated().map { index, name in
            FeatureSet.Example(
                videoID: Int64(index + 1), path: name + ".y4m", label: "a", split: "train", group: nil, length: 1,
                firstRow: index)
        }
        let rows: [Float] = [1, 0, 0, 1, 0, 0.01, 1, 0.01, 0, -3, 0, 0]
        let vectors = try ClipVectors(FeatureSet(examples: examples, featureSize: 3, rows: rows))
        let search = try NearDuplicateSearch(
            vectors, nearest: NearestNeighbors.all(vectors, count: 3), root: scratch.path, workers: 1)
        #expect(search.pairs.map { [$0.first, $0.second] } == [[0, 1]])
        #expect(search.unreadable.map(\.path) == ["c.y4m", "d.y4m"])
    }
}

/// Copies that were mirrored, letterboxed or subtitled.
@Suite struct NearDuplicateComparisonTests {
    /// A generated detailed scene in which a spot moves, and the changes made to the copy.
    struct Copy {
        var scene = 0, isMirrored = false
        /// Rows and columns of bars at each side, and their brightness.
        var rows = 0
        var columns = 0, bar: UInt8 = 16
        /// Changing text, from this row of 72 on.
        var text: Int?

        func fingerprint() throws -> ClipFingerprint {
            let scratch = ScratchFolder()
            let (width, height) = (96 + 2 * columns, 72 + 2 * rows)
            let data = TinyClip.y4m(width: width, height: height, frames: 24) { pixel, frame in
                let (column, row) = (pixel % width - columns, pixel / width - rows)
                // Text on a box, or in a bar.
                if let text, row >= text, row < text + 12, column > 5, column < 90 {
                    return (column / 3 * 7 + row / 4 * 5 + frame / 6 * 11) % 9 < 4 ? 235 : 16
                }
                guard (0..<96).contains(column), (0..<72).contains(row) else { return bar }
                return Self.value(scene, isMirrored ? 95 - column : column, row, frame)
            }
            return try ClipFingerprint(path: scratch.file("clip.y4m", data))
        }

        private static func value(_ scene: Int, _ column: Int, _ row: Int, _ frame: Int) -> UInt8 {
            // Tiles of random brightness, unlike any other scene.
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

    @Test("copies that were mirrored, letterboxed or subtitled, also in combination, are found", arguments: 0..<12)
    func found(index: Int) throws {
        let (copy, change) = Self.copies[index]
        let original = try Copy().fingerprint()
        let match = try #require(NearDuplicateComparison.match(original, copy.fingerprint()), "\(copy)")
        #expect(match.change.text == change)
        #expect(try NearDuplicateComparison.match(copy.fingerprint(), original) != nil)
    }

    @Test("different scenes are no near-duplicates, even with equal bars or equal text") func others() throws {
        for (one, two) in [
            (Copy(), Copy(scene: 1)), (Copy(rows: 14), Copy(scene: 1, rows: 14)),
            (Copy(text: 60), Copy(scene: 1, text: 60)), (Copy(isMirrored: true), Copy(scene: 1, rows: 12)),
        ] { #expect(try NearDuplicateComparison.match(one.fingerprint(), two.fingerprint()) == nil, "\(one) \(two)") }
    }

    @Test("bars end along a complete row or column: an object on a uniform background has no bars") func bars() throws {
        let side = LetterboxBars.side
        func images(_ inside: (_ row: Int, _ column: Int) -> Bool) -> [[UInt8]] {
            (0..<6).map { frame in
                (0..<side * side).flatMap { pixel -> [UInt8] in
                    guard inside(pixel / side, pixel % side) else { return [20, 20, 20] }
                    return [UInt8(100 + (pixel * 7 + frame) % 90), 90, UInt8(60 + pixel % 50)]
                }
            }
        }
        let bars = try #require(LetterboxBars(images { row, _ in (20..<124).contains(row) }))
        #expect(bars.columns == 0..<side && (20...22).contains(bars.rows.lowerBound))
        #expect((122...124).contains(bars.rows.upperBound))
        #expect(LetterboxBars(images { row, column in hypot(Double(row - 70), Double(column - 70)) < 30 }) == nil)
        #expect(LetterboxBars(images { _, _ in true }) == nil && LetterboxBars(images { _, _ in false }) == nil)
    }

    @Test("shapes on a uniform background are no near-duplicates unless they are almost equal")
    func plainShapes() throws {
        func fingerprint(_ radius: Double, at x: Double) throws -> ClipFingerprint {
            let scratch = ScratchFolder()
            let data = TinyClip.y4m(width: 96, height: 72, frames: 12) { pixel, frame in
                let (dx, dy) = (Double(pixel % 96) - x, Double(pixel / 96) - 36)
                let size = radius + Double(frame)
                return dx * dx + dy * dy < size * size ? 200 : 25
            }
            return try ClipFingerprint(path: scratch.file("clip.y4m", data))
        }
        let first = try fingerprint(12, at: 48)
        #expect(try NearDuplicateComparison.match(first, fingerprint(12, at: 48)) != nil)
        #expect(try NearDuplicateComparison.match(first, fingerprint(15, at: 46)) == nil)
    }
}
