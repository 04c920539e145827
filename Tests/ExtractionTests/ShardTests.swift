import Digests
import FeatureCache
import Foundation
import Inference
import TestSupport
import Testing
@testable import Extraction

@Suite struct ShardTests {
    @Test("K/N and the environment variables of schedulers select a shard") func names() throws {
        #expect(try Shard("2/8") == Shard(number: 2, count: 8))
        let slurm = [
            "SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "9",
            "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_STEP": "2",
        ]
        #expect(try Shard("auto", environment: slurm) == Shard(number: 3, count: 4))
        let kubernetes = ["JOB_COMPLETION_INDEX": "0", "ZOETROPE_SHARDS": "5"]
        #expect(try Shard("auto", environment: kubernetes) == Shard(number: 1, count: 5))
        let batch = ["AWS_BATCH_JOB_ARRAY_INDEX": "4", "AWS_BATCH_JOB_ARRAY_SIZE": "5"]
        #expect(try Shard("auto", environment: batch) == Shard(number: 5, count: 5))
    }

    @Test(
        "a missing or ambiguous shard is rejected",
        arguments: ["0/4", "5/4", "1/0", "-1/4", "1", "a/b", "1/2/3", "", "/", "auto"])
    func refused(_ text: String) { #expect(throws: ShardError.self) { try Shard(text, environment: [:]) } }

    @Test("an array with gaps is rejected: its tasks would get different shards") func gaps() {
        let tasks = [
            "SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "7",
            "SLURM_ARRAY_TASK_COUNT": "2",
        ]
        #expect(throws: ShardError.holes(tasks: 2)) { try Shard("auto", environment: tasks) }
        #expect(throws: ShardError.missing(variable: "ZOETROPE_SHARDS")) {
            try Shard("auto", environment: ["JOB_COMPLETION_INDEX": "0"])
        }
        #expect(throws: ShardError.notNumber(variable: "SLURM_ARRAY_TASK_ID", text: "x")) {
            try Shard("auto", environment: ["SLURM_ARRAY_TASK_ID": "x"])
        }
    }

    @Test("each digest is in exactly one shard, and shards are balanced") func even() throws {
        let digests = (0..<4000).map { hexDigest(Data("clip \($0)".utf8)) }
        let shards = try (1...7).map { try Shard(number: $0, count: 7) }
        #expect(digests.allSatisfy { digest in shards.count { $0.contains(digest: digest) } == 1 })
        for shard in shards { #expect((480...660).contains(digests.count { shard.contains(digest: $0) })) }
    }

    @Test("each shard has a file name that sorts") func fileNames() throws {
        #expect(try Shard("2/8").cachePath("a/features.sqlite") == "a/features.shard-2-of-8.sqlite")
        #expect(try Shard("2/12").cachePath("features") == "features.shard-02-of-12")
    }

    @Test(
        "the merged shards equal a single extraction: one recipe, all features",
        arguments: Precision.allCases.filter(\.isNative))
    func sumOfParts(precision: Precision) throws {
        let dataset = try TinyDataset(clips: 7)
        try dataset.add("run/broken.y4m", Data("YUV4MPEG2 nonsense".utf8))
        let whole = try dataset.cache("whole")
        var single = dataset.extractor()
        single.configurations[0].precision = precision
        _ = try single.run(into: whole) { _ in }
        var parts: [String] = []
        var (extracted, failed) = (0, 0)
        for number in 1...3 {
            var extractor = single
            extractor.workers = number
            extractor.shard = try Shard(number: number, count: 3)
            let cache = try dataset.cache("part \(number)")
            let summary = try extractor.run(into: cache) { _ in }
            (extracted, failed) = (extracted + summary.extracted, failed + summary.failed)
            parts.append(cache.path)
        }
        #expect(extracted == 7 && failed == 1)
        let summary = try CacheMerge(output: dataset.path + "/merged.sqlite", inputs: parts).run()
        #expect(summary.sequences == 7 && summary.failures == 1)
        let merged = try dataset.cache("merged")
        #expect(try merged.extractions().map(\.record.digest) == whole.extractions().map(\.record.digest))
        #expect(try merged.rowsByPath() == whole.rowsByPath())
        #expect(try merged.samples(dataset: "clips").count == whole.samples(dataset: "clips").count)
        #expect(try merged.verify().isWhole)
        let again = try single.run(into: merged) { _ in }
        #expect(again.extracted == 0 && again.skipped == 7)
    }

    @Test("clips in a list of digests are not read again; changed ones are") func digestList() throws {
        let dataset = try TinyDataset(clips: 3)
        let configuration = dataset.extractor().dataset
        let path = dataset.path + "/digests"
        let list = try DatasetCheck(configuration, workers: 2).digests
        try list.write(to: path)
        let clip = "jump/clip 0.y4m"
        let stamp = try FileStamp(path: dataset.root + "/" + clip)
        let digest = try FileDigest.clip(path: dataset.root + "/" + clip)
        #expect(try DigestList(path: path).digest(of: clip, stamp) == digest)
        #expect(try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count == 3)

        // A wrong digest in the list is trusted: the clip was not read.
        let lie = String(repeating: "ab", count: 32)
        let text = try String(contentsOfFile: path, encoding: .utf8).replacingOccurrences(of: digest, with: lie)
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let known = try DigestList(path: path)
        #expect(try HashedClip(clip, in: dataset.root, known: known).digest == lie)
        try dataset.add(clip, TinyClip.numbered(40, frames: 9))
        #expect(try HashedClip(clip, in: dataset.root, known: known).digest != lie)
        #expect(try DigestList(path: path + ".missing").digest(of: clip, stamp) == nil)
        try "x y\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: DigestListError.malformed(path: path, line: 1)) { try DigestList(path: path) }
    }

    @Test("a clip that changes between hashing and decoding is a failure, and is retried")
    func changedMeanwhile() throws {
        let dataset = try TinyDataset(clips: 3)
        let cache = try dataset.cache()
        let clip = "run/clip 1.y4m"
        let summary = try dataset.extractor().run(into: cache) { event in
            guard case .planned = event else { return }
            try? dataset.add(clip, TinyClip.numbered(30, frames: 9))
        }
        #expect(summary.failed == 1 && summary.extracted == 2)
        let error = try cache.failures(extraction: 1)[clip]?.error
        #expect(error?.contains("was changed while it was read") == true)
        let again = try dataset.extractor().run(into: cache) { _ in }
        #expect(again.extracted == 1 && again.failed == 0)
        let fresh = try dataset.cache("fresh")
        _ = try dataset.extractor().run(into: fresh) { _ in }
        #expect(try cache.rowsByPath() == fresh.rowsByPath())
    }

    @Test("deleted videos are found; renamed ones do not count as deleted, nor do those of an unmounted disk")
    func vanished() throws {
        let dataset = try TinyDataset(clips: 4)
        let cache = try dataset.cache()
        let extractor = dataset.extractor()
        _ = try extractor.run(into: cache) { _ in }
        let root = dataset.root
        try FileManager.default.removeItem(atPath: root + "/jump/clip 0.y4m")
        try FileManager.default.moveItem(atPath: root + "/run/clip 1.y4m", toPath: root + "/run/renamed.y4m")
        let vanished = try VanishedVideos(extractor.dataset, in: cache, workers: 2)
        #expect(vanished.paths == ["jump/clip 0.y4m"])
        var pruning = CachePruning()
        pruning.vanished = (extractor.dataset.name, vanished.videos)
        let summary = try cache.prune(pruning)
        #expect(summary.videos == 1 && summary.sequences == 1)
        #expect(try cache.rowsByPath().keys.sorted() == ["jump/clip 2.y4m", "run/clip 1.y4m", "run/clip 3.y4m"])
        for clip in ["jump/clip 2.y4m", "run/clip 3.y4m", "run/renamed.y4m"] {
            try FileManager.default.removeItem(atPath: root + "/" + clip)
        }
        try dataset.add("run/other.y4m", TinyClip.numbered(50))
        #expect(throws: VanishedError.everything(dataset: "clips", root: root)) {
            try VanishedVideos(extractor.dataset, in: cache, workers: 2)
        }
    }

    @Test("float16 features equal the rounded float32 features, for cached and new videos")
    func halfPrecision() throws {
        let dataset = try TinyDataset(clips: 2)
        let (whole, half) = (try dataset.cache("whole"), try dataset.cache("half"))
        var extractor = dataset.extractor()
        _ = try extractor.run(into: whole) { _ in }
        extractor.configurations[0].store = .float16
        _ = try extractor.run(into: half) { _ in }
        let expected = try whole.rowsByPath().mapValues(StoredType.float16.rounding)
        #expect(try half.rowsByPath() == expected)
        #expect(try whole.extractions()[0].record.digest != half.extractions()[0].record.digest)
        #expect(try half.summary().recipes[0].bytes * 2 == whole.summary().recipes[0].bytes)
        let recipe = try ExtractionRecipe(json: half.extractions()[0].record.recipe)
        let one = try FeatureExtractor([(recipe, try LoadedWeights(.random, for: nil).packed)], threads: 1, tuning: nil)
        let path = dataset.root + "/run/clip 1.y4m"
        let result = try one.extract(path: path, digest: one.digest(of: path))
        #expect(result.sequences[0].features == expected["run/clip 1.y4m"])
        #expect(extractor.configurations[0].stored(in: try half.extractions()) != nil)
        #expect(dataset.configuration.stored(in: try half.extractions()) == nil)
    }
}
