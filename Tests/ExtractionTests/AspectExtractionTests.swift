import Backbones
import FeatureCache
import Foundation
import TestSupport
import Testing
import Video

@testable import Extraction

@Suite struct AspectExtractionTests {
    private func notes(_ dataset: TinyDataset, _ aspect: Aspect, into cache: CacheFile) throws -> [String] {
        var extractor = dataset.extractor()
        extractor.configurations[0].aspect = aspect
        var notes: [String] = []
        _ = try extractor.run(into: cache) { if case .note(let note) = $0 { notes.append(note) } }
        return notes
    }

    private func anamorphic(_ index: Int) -> Data {
        var data = TinyClip.numbered(index)
        data.replaceSubrange(
            0..<40, with: Data(String(decoding: data.prefix(40), as: UTF8.self).replacing("A1:1", with: "A2:1").utf8))
        return data
    }

    @Test("recipes without the key are what they were before there was one; `display` makes another")
    func recipe() throws {
        let dataset = try TinyDataset(clips: 2)
        var configuration = dataset.configuration
        let weights = try LoadedWeights(configuration.weights, for: configuration.backbone)
        let stored = try ExtractionRecipe(configuration, weights)
        #expect(!stored.json.contains("aspect"))
        configuration.aspect = .display
        let display = try ExtractionRecipe(configuration, weights)
        #expect(display.json.contains(#""aspect":"display""#) && display.digest != stored.digest)
        #expect(try ExtractionRecipe(json: display.json) == display)
        #expect(
            display.request(digest: "").aspect == .display && display.request(digest: "", view: 3).aspect == .display)
        #expect(stored.request(digest: "").aspect == .stored)
    }

    @Test("square pixels have the same features either way, others do not, and `stored` says so")
    func features() throws {
        let dataset = try TinyDataset(clips: 2)
        let caches = try ["stored", "display"].map(dataset.cache)
        #expect(try notes(dataset, .stored, into: caches[0]).filter { $0.contains("non-square") }.isEmpty)
        _ = try notes(dataset, .display, into: caches[1])
        #expect(try caches[0].rowsByPath() == caches[1].rowsByPath())
        try dataset.add("jump/wide.y4m", anamorphic(9))
        try dataset.add("run/wide.y4m", anamorphic(10))
        let note = try #require(try notes(dataset, .stored, into: caches[0]).first { $0.contains("non-square") })
        #expect(note.hasPrefix("2 clips have non-square pixels, such as ") && note.contains("2 times as wide as high"))
        #expect(try notes(dataset, .display, into: caches[1]).filter { $0.contains("non-square") }.isEmpty)
        let rows = try caches.map { try $0.rowsByPath() }
        #expect(rows[0]["jump/wide.y4m"] != rows[1]["jump/wide.y4m"])
    }
}
