import Foundation
import TestSupport
import Testing

@Suite struct CacheCommandTests {
    @Test("info, verify, export and prune work and report their results") func care() throws {
        let place = try Workplace()
        #expect(try place.run("extract", "p.yaml", "--set", "extract.store=float16").status == 0)
        #expect(try place.run("extract", "p.yaml", "--set", "name=other", "--set", "extract.image_size=40").status == 0)
        try place.run("cache", "info", status: 0, out: "float16", "other")
        let summaries: [[String: Any]] = try place.run("cache", "info", "--json").json()
        #expect(
            (summaries.first?["recipes"] as? [[String: Any]])?.compactMap { $0["bytes"] as? Int } == [32_768, 65_536])

        #expect(try place.run("cache", "export", "features.sqlite", "out.npz").status == 1)
        try place.run(
            "cache", "export", "features.sqlite", "out.npz", "--recipe", "tiny", "--split", "test", status: 0,
            out: "features of 2 videos")
        try place.run(
            "cache", "export", "features.sqlite", "out.csv", "--table", "coverage", status: 0, out: "rows of coverage")
        #expect(try place.run("cache", "export", "features.sqlite", "out.txt").status == 64)

        try place.run(
            "cache", "prune", "features.sqlite", "--recipe", "tiny", "--dry-run", status: 0,
            out: "Would remove 8 sequences")
        #expect(try place.run("cache", "prune", "features.sqlite", "--recipe", "tiny").status == 0)
        try FileManager.default.removeItem(atPath: place.path + "/clips/test/run's/3.y4m")
        try place.run(
            "cache", "prune", "features.sqlite", "--vanished", "p.yaml", status: 0,
            error: "file is missing: test/run's/3.y4m")
        #expect(try place.query("SELECT count(*) FROM sequence") == [7])
        #expect(try place.run("cache", "verify").out.contains("whole; 7 sequences"))
        #expect(try place.run("cache", "prune", "features.sqlite", "--run", "none").status == 1)
        #expect(try place.run("cache", "verify", "nothing.sqlite").status == 1)
    }

    @Test("a flipped byte is detected, and its features are deleted and extracted again") func repaired() throws {
        let place = try Workplace()
        #expect(try place.run("extract", "p.yaml", "--cache", "whole.sqlite").status == 0)
        #expect(try place.run("extract", "p.yaml").status == 0)
        let path = place.path + "/features.sqlite"
        let blobs: [Data] = try place.query("SELECT features FROM sequence WHERE video_id = 3")
        let blob = try #require(blobs.first)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        // A blob is divided into pages; somewhere 64 bytes of it are contiguous.
        let pieces = stride(from: 0, to: blob.count - 64, by: 700).compactMap { bytes.range(of: blob[$0..<$0 + 64]) }
        bytes[try #require(pieces.first).lowerBound + 10] ^= 4
        try bytes.write(to: URL(fileURLWithPath: path))
        try place.run(
            "cache", "verify", status: 1, out: "do not match their checksum", error: "prune features.sqlite --damaged")
        #expect(try place.run("cache", "prune", "features.sqlite", "--damaged").out.contains("Removed 1 sequence,"))
        #expect(try place.run("extract", "p.yaml").out.contains("Extracted 1 video "))
        let (one, two): ([String], [String]) = (
            try place.query(ClusterTests.content, cache: "whole.sqlite"), try place.query(ClusterTests.content)
        )
        #expect(one == two)
    }

    /// The path of sqlite-vec, without its extension.
    private static let vectorSearch: String? = {
        if let path = ProcessInfo.processInfo.environment["ZOETROPE_SQLITE_VEC"] { return path }
        let code = "import sqlite_vec; print(sqlite_vec.loadable_path())"
        guard let asked = try? ChildProcess.run("python3", ["-c", code]), asked.status == 0 else { return nil }
        return asked.out.trimmingCharacters(in: .whitespacesAndNewlines)
    }()

    @Test(
        "sqlite-vec finds the nearest frames directly in frame_feature",
        .enabled(if: vectorSearch != nil, "needs sqlite-vec"))
    func nearestFrames() throws {
        let place = try Workplace(after: "extract")
        let arguments = [
            "-cmd", ".load \(Self.vectorSearch ?? "")", "features.sqlite",
            """
            SELECT other.path, other.position, round(vec_distance_cosine(other.feature, frame.feature), 4) AS distance
            FROM frame_feature AS frame JOIN frame_feature AS other ON other.extraction = frame.extraction
            WHERE frame.path = 'train/jump up/4.y4m' AND frame.position = 2 ORDER BY distance LIMIT 3
            """,
        ]
        let found = try ChildProcess.run("sqlite3", arguments, in: place.path)
        let rows = found.out.split(separator: "\n")
        #expect(found.status == 0 && rows.count == 3, "\(found.error)")
        #expect(rows.first == "train/jump up/4.y4m|2|0.0", "\(rows)")
    }
}
