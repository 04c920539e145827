import Dispatch
import Foundation
import Testing
@testable import FeatureCache

/// Loads that verify checksums of features in the background.
extension RowCheckTests {
    @Test("features that are verified in the background count as verified", arguments: StoredType.allCases)
    func overlapping(type: StoredType) throws {
        // A clip with one frame fewer than the recipe allows, so that it has padding.
        let video = VideoRecord(digest: String(format: "%064x", 99), path: "short.mp4")
        do {
            let cache = try open()
            let other = try cache.addExtraction(Self.recipe(type: type, text: "[\(type.bytes)]"))
            try cache.register(video, dataset: "short", label: "0")
            try cache.store(
                SequenceRecord(
                    frameIndices: [0], frameTimes: [0], decodeErrors: 0,
                    features: (0..<1000).map { Float($0) / 7 - 70 + Float($0) * 1e-7 }),
                video: video, extraction: other, maxFrames: 2, featureSize: 1000, as: type)
        }
        func short(_ expected: Int) throws {
            let cache = try open()
            let features = try cache.features(dataset: "short", extraction: 2, overlapping: true)
            #expect((features.verification == nil) == (expected == 0))
            for _ in 0..<2 { try features.requireVerified() }
            #expect(cache.check.compared == expected)
        }
        try short(1)
        try short(0)
        #expect(try load(overlapping: true) == 6)
        #expect(try load(overlapping: true) == 0)
        #expect(try load() == 0)
        try short(0)
    }

    @Test("a flipped bit found in the background is an error at every wait, also through other examples")
    func overlappingDamage() throws {
        try damage(3)
        try damage(5)
        let expected = CacheError.damagedFeatures(
            path: path, recipe: "r", clips: ["clip 3.mp4", "clip 5.mp4"], count: 2)
        let compared = try load(overlapping: true) { cache, features in
            #expect(features.examples.count == 6)
            for _ in 0..<2 { #expect(throws: expected) { try features.requireVerified() } }
            let others = features.replacing(examples: [features.examples[0]])
            #expect(throws: expected) { try others.requireVerified() }
        }
        #expect(compared == 6)
        // The others stay verified.
        #expect(throws: expected) { try load(overlapping: true) }
        #expect(try load(labels: ["0"]) { _, _ in } == 0)
    }

    @Test("damage after the last frame is found immediately, and the error names it") func damagedPadding() throws {
        try Example.alter(path, "UPDATE sequence SET length = 1, mask = '10' WHERE video_id = 2")
        // Valid rows are hashed while they are copied.
        #expect(try load(overlapping: true) { _, _ in } >= 1)
        try Example.alter(path, "UPDATE sequence SET checksum = 'x' WHERE video_id = 2")
        #expect(
            throws: CacheError.damagedFeatures(path: path, recipe: "r", clips: ["clip 1.mp4"], count: 1)
        ) { try load(overlapping: true) { _, _ in } }
    }

    @Test("writing runs during verification keeps the features verified; writes by others do not")
    func overlappingWrites()
        throws
    {
        let first = try load(overlapping: true) { cache, features in
            // Like the workers of a sweep.
            DispatchQueue.concurrentPerform(iterations: 20) { number in
                #expect(throws: Never.self) {
                    let run = try cache.addRun("run \(number)", dataset: "d")
                    if number % 7 == 0 { try features.requireVerified() }
                    try cache.finishRun(run, state: .finished)
                }
            }
        }
        #expect(first == 6)
        #expect(try load() == 0)
        try touch()
        _ = try load(overlapping: true) { cache, features in
            try Example.alter(path, "UPDATE sample SET split = 'test' WHERE video_id = 1")
            try features.requireVerified()
        }
        #expect(try load() == 6)
    }

    @Test("a verification that ends after the file changed does not mark the new rows as verified") func generations()
        throws
    {
        let cache = try open()
        let old = cache.check.begin()
        #expect(cache.check.notes(1, fits: true, generation: old))
        #expect(cache.check.knows(1) && cache.check.knows(1, generation: old))
        try touch()
        let new = cache.check.begin()
        #expect(new != old && !cache.check.knows(1))
        #expect(cache.check.notes(1, fits: true, generation: old))
        #expect(!cache.check.knows(1, generation: new) && !cache.check.knows(1))
        #expect(cache.check.notes(1, fits: true, generation: new))
        #expect(cache.check.knows(1, generation: new) && !cache.check.knows(1, generation: old))
        // Written without its record of the existing features.
        try touch(1_000_000_001)
        try cache.removeRun(named: "none")
        #expect(!cache.check.knows(1) && cache.check.begin() != new)
    }

    @Test("features are released if their verification is never awaited") func abandoned() throws {
        weak var verification: FeatureVerification?
        _ = try load(overlapping: true) { _, features in verification = features.verification }
        #expect(verification == nil)
        #expect(try load() <= 6)
        #expect(try load() == 0)
    }
}
