import Foundation
import GRDB

extension CacheFile {
    static let blobQuery = """
        SELECT features, checksum, rowid FROM sequence WHERE extraction_id = ? AND video_id = ? AND view = ?
        """

    /// Copies rows of a sequence and passes its blob with row ID and checksum to `compare`. `first`: number of values
    /// to skip. Returns false if the blob is missing or shorter than its recipe requires.
    static func copyBlob(
        _ statement: Statement, _ extraction: Int64, _ span: FeatureSet.Span, as type: StoredType, from first: Int,
        into target: UnsafeMutableBufferPointer<Float>, compare: (Int64, Data, String?) -> Void
    ) throws -> Bool {
        let cursor = try Row.fetchCursor(statement, arguments: [extraction, span.videoID, span.view])
        guard let row = try cursor.next(), span.length > 0 else { return false }
        let range = first * type.bytes..<(first + target.count) * type.bytes
        let (checksum, place) = try (row.get(1) as String?, row.get(2) as Int64)
        return try row.withUnsafeData(atIndex: 0) { data in
            guard let data, data.count >= range.upperBound else { return false }
            data.withUnsafeBytes { type.copy(UnsafeRawBufferPointer(rebasing: $0[range]), to: target) }
            compare(place, data, checksum)
            return true
        }
    }

    /// The error that names the clips of damaged sequences, all of one recipe.
    static func damage(_ rows: [Int64], path: String, _ database: Database) throws -> CacheError {
        let statement = try database.makeStatement(
            sql: """
                SELECT video.path, view, extraction.name FROM sequence JOIN video ON video.id = video_id
                  JOIN extraction ON extraction.id = extraction_id WHERE sequence.rowid = ?
                """)
        var (clips, recipe) = ([String](), "?")
        for row in rows.sorted().prefix(CacheError.namedClips) {
            guard let found = try Row.fetchOne(statement, arguments: [row]) else { continue }
            clips.append(CacheError.clip(try found.get(0), view: try found.get(1)))
            recipe = try found.get(2)
        }
        return .damagedFeatures(path: path, recipe: recipe, clips: clips, count: rows.count)
    }
}
