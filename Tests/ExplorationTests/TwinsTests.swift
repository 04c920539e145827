import Datasets
import FeatureCache
import Foundation
import TestSupport
import Testing

@testable import Exploration

/// Drawn scenes: a texture that stands still, and a bright spot that moves over it.
private struct Scene {
    let background, motion: Int
    /// Pixels of the larger drawing that are cut off at each side, frames that are cut off at the beginning, and how strong
    /// an encoder's noise is.
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
            // A circle, a line down, or a line across.
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

@Suite struct TwinsTests {
    @Test("copies that are scaled, cropped, shifted and noisy are twins; another action in the same place is none")
    func planted() throws {
        let scratch = ScratchFolder()
        var paths: [String] = [], twins: Set<[Int]> = []
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
            twins.insert([first, first + 1])
        }
        // To the network all clips of a place look nearly the same.
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
        let search = try TwinSearch(
            vectors, nearest: NearestNeighbors.all(vectors, count: 10), root: scratch.path, workers: 2)
        #expect(Set(search.twins.map { [$0.first, $0.second] }) == twins)
        #expect(search.candidates >= 12 && search.unreadable.isEmpty)
    }

    @Test("a clip that cannot be read is named, and the others are compared") func unreadable() throws {
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
        let search = try TwinSearch(
            vectors, nearest: NearestNeighbors.all(vectors, count: 3), root: scratch.path, workers: 1)
        #expect(search.twins.map { [$0.first, $0.second] } == [[0, 1]])
        #expect(search.unreadable.map(\.path) == ["c.y4m", "d.y4m"])
    }
}
