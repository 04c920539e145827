import Digests
import Foundation
import GRDB

extension CacheFile {
    /// Checks that the features of `count` new clips fit on the disk. Throws `CacheError.noRoom`.
    package func requireRoom(forSequences count: Int, of extraction: StoredExtraction) throws {
        let stored = try read { database in
            try Int.one(database, "SELECT count(*) FROM sequence WHERE extraction_id = ?", [extraction.id]) ?? 0
        }
        let record = extraction.record
        let bytes = record.maxFrames * record.featureSize * record.elementType.bytes
        try CacheError.requireRoom(max(0, count - stored) * bytes, beside: path)
    }

    /// Returns the row ID of a recipe, which is inserted if it is new.
    package func addExtraction(_ extraction: ExtractionRecord) throws -> Int64 {
        try write { database in
            let known = try Int64.one(database, "SELECT id FROM extraction WHERE digest = ?", [extraction.digest])
            if let known { return known }
            try database.run(
                """
                INSERT INTO extraction (digest, name, backbone, weights, weights_digest, tap, image_size, max_frames,
                  feature_shape, feature_size, element_type, precision, recipe, version, created_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    extraction.digest, extraction.name, extraction.backbone, extraction.weights,
                    extraction.weightsDigest, extraction.tap, extraction.imageSize, extraction.maxFrames,
                    Self.json(extraction.featureShape), extraction.featureSize, extraction.elementType.rawValue,
                    extraction.precision, extraction.recipe, extraction.version, Self.now(),
                ])
            return database.lastInsertedRowID
        }
    }

    /// The stored views of each video under a recipe, by the video's digest.
    package func extractedViews(extraction: Int64) throws -> [String: Set<Int>] {
        try read { database in
            let rows = try database.cursor(
                """
                SELECT video.digest, sequence.view FROM sequence JOIN video ON video.id = sequence.video_id
                WHERE sequence.extraction_id = ?
                """, [extraction])
            var views: [String: Set<Int>] = [:]
            while let row = try rows.next() { try views[row.get(0), default: []].insert(row.get(1)) }
            return views
        }
    }

    /// Paths that failed under a recipe, with error and time.
    package func failures(extraction: Int64) throws -> [String: (error: String, at: Date)] {
        try read { database in
            let rows = try database.rows("SELECT path, error, at FROM failure WHERE extraction_id = ?", [extraction])
            return try rows.reduce(into: [:]) { result, row in
                let at = try? Date(row.get("at") as String, strategy: Self.timeStyle)
                try result[row.get("path")] = (row.get("error"), at ?? .distantPast)
            }
        }
    }

    package func store(
        _ sequence: SequenceRecord, video: VideoRecord, extraction: Int64, maxFrames: Int, featureSize: Int,
        as type: StoredType = .float32
    ) throws {
        let new = NewSequence(
            sequence, video: video, extraction: extraction, maxFrames: maxFrames, featureSize: featureSize, as: type)
        try store([[new]])
    }

    /// Stores several videos' features in one transaction, so that the disk is synchronised once. If it fails, each
    /// video is stored in a transaction of its own, up to the first failure.
    package func store(_ videos: [[NewSequence]]) throws {
        func insert(_ sequences: some Sequence<NewSequence>) throws {
            try write { database in for sequence in sequences { try Self.insert(sequence, into: database) } }
        }
        do {
            if !videos.isEmpty { try insert(videos.joined()) }
        } catch  where videos.count > 1 { for video in videos { try insert(video) } }
    }

    private static func insert(_ new: NewSequence, into database: Database) throws {
        let (sequence, blob) = (new.sequence, new.blob)
        let id = try upsert(new.video, in: database)
        try database.run(
            """
            INSERT INTO sequence (extraction_id, video_id, view, length, mask, frame_indices, frame_times,
              decode_errors, checksum, features, window_ends) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                new.extraction, id, sequence.view, sequence.length, new.mask, json(sequence.frameIndices),
                json(sequence.frameTimes), sequence.decodeErrors, hexDigest(blob), blob, new.windowEnds,
            ])
        try database.run("DELETE FROM failure WHERE extraction_id = ? AND path = ?", [new.extraction, new.video.path])
    }

    package func recordFailure(path: String, error: String, extraction: Int64) throws {
        try write(
            "INSERT OR REPLACE INTO failure (extraction_id, path, error, at) VALUES (?, ?, ?, ?)",
            [extraction, path, error, Self.now()])
    }

    static func upsert(_ video: VideoRecord, in database: Database) throws -> Int64 {
        let details = video.details
        try database.run(
            """
            INSERT INTO video (digest, path, width, height, frame_count, frame_rate, duration, codec)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (digest) DO UPDATE SET path = excluded.path, width = coalesce(excluded.width, width),
              height = coalesce(excluded.height, height), frame_count = coalesce(excluded.frame_count, frame_count),
              frame_rate = coalesce(excluded.frame_rate, frame_rate),
              duration = coalesce(excluded.duration, duration), codec = coalesce(excluded.codec, codec)
            """,
            [
                video.digest, video.path, details?.width, details?.height, details?.frameCount, details?.frameRate,
                details?.duration, details?.codec,
            ])
        let found = try Int64.one(database, "SELECT id FROM video WHERE digest = ?", [video.digest])
        guard let found else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a video that was just noted is not found")
        }
        return found
    }

    static func json(_ numbers: [Int]) -> String { "[" + numbers.map(String.init).joined(separator: ",") + "]" }
    static func json(_ numbers: [Double]) -> String { "[" + numbers.map { "\($0)" }.joined(separator: ",") + "]" }

    /// Stores vectors of phrases in the space of a recipe's features, for later SQL queries, unless they are stored.
    /// `phrases`: with unit vectors. Throws `CacheError`.
    package func store(phrases: [(phrase: String, feature: [Float])], extraction: Int64) throws {
        try write { database in
            try database.run(Schema.phrases)
            let sql = "INSERT OR REPLACE INTO phrase (extraction_id, phrase, feature) VALUES (?, ?, ?)"
            try database.run(sql, each: phrases) { [extraction, $0, StoredType.float32.data($1)] }
        }
    }

    /// Videos with sequences of all these recipes and none of `other`, in the order of their row IDs.
    package func videos(with extractions: [Int64], without other: Int64) throws -> [(id: Int64, record: VideoRecord)] {
        try read { database in
            let conditions = extractions.map { "id IN (SELECT video_id FROM sequence WHERE extraction_id = \($0))" }
            return try database.rows(
                """
                SELECT id, digest, path FROM video WHERE \(conditions.joined(separator: " AND "))
                  AND id NOT IN (SELECT video_id FROM sequence WHERE extraction_id = ?) ORDER BY id
                """, [other]
            ).map { try ($0.get("id"), VideoRecord(digest: $0.get("digest"), path: $0.get("path"))) }
        }
    }

    /// All views of a video under a recipe, in order. Throws `CacheError.damagedSequence` if a row is inconsistent.
    package func sequenceRecords(
        extraction: Int64, video: Int64, featureSize: Int, as type: StoredType
    ) throws -> [SequenceRecord] {
        check.begin()
        return try read { database in
            try database.rows(
                """
                SELECT view, length, frame_indices, frame_times, window_ends, decode_errors, features, checksum, rowid
                FROM sequence WHERE extraction_id = ? AND video_id = ? ORDER BY view
                """, [extraction, video]
            ).map { row in
                func list<Item: Decodable>(_ column: String, _: Item.Type) -> [Item]? {
                    (try? row.get(column) as String?).flatMap { $0 }.flatMap {
                        try? JSONDecoder().decode([Item].self, from: Data($0.utf8))
                    }
                }
                let length = try row.get("length") as Int? ?? 0
                let (checksum, place) = try (row.get("checksum") as String?, row.get("rowid") as Int64)
                let features: [Float]? = try row.withUnsafeData(named: "features") { data in
                    guard check.accepts(place, data ?? Data(), checksum) else {
                        throw try Self.damage([place], path: path, database)
                    }
                    guard let data, StoredSize.fits(length, of: featureSize, as: type, in: data.count) else {
                        return nil
                    }
                    return data.prefix(length * featureSize * type.bytes).withUnsafeBytes(type.values)
                }
                guard let features, let indices = list("frame_indices", Int.self), indices.count == length,
                    let times = list("frame_times", Double.self), times.count == length
                else { throw CacheError.damagedSequence(path: path, video: "number \(video)") }
                let hasWindows = try row.get("window_ends") as String? != nil
                let windows = list("window_ends", [Int].self)?.compactMap {
                    $0.count == 2 && $0[0] <= $0[1] ? $0[0]...$0[1] : nil
                }
                guard !hasWindows || windows?.count == length else {
                    throw CacheError.damagedSequence(path: path, video: "number \(video)")
                }
                return try SequenceRecord(
                    view: row.get("view"), frameIndices: indices, frameTimes: times, windowEnds: windows,
                    decodeErrors: row.get("decode_errors"), features: features)
            }
        }
    }
}
