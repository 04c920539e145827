import Foundation
import GRDB

extension CacheFile {
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
                guard try row.withUnsafeData(named: "features", { check.accepts(place, $0 ?? Data(), checksum) }) else {
                    throw try Self.damage([place], path: path, database)
                }
                let features: [Float]? = try row.withUnsafeData(named: "features") { data in
                    guard let data, StoredSize.fits(length, of: featureSize, as: type, in: data.count) else {
                        return nil
                    }
                    return [Float](unsafeUninitializedCapacity: length * featureSize) { buffer, count in
                        let valid = UnsafeMutableBufferPointer(rebasing: buffer[..<(length * featureSize)])
                        data.withUnsafeBytes {
                            type.copy(UnsafeRawBufferPointer(rebasing: $0[..<(valid.count * type.bytes)]), to: valid)
                        }
                        count = valid.count
                    }
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
