import Foundation
import GRDB

/// A sequence's features as they lie in the cache, and whether they fit their checksum.
extension CacheFile {
    static let blobQuery = """
        SELECT features, checksum, rowid FROM sequence WHERE extraction_id = ? AND video_id = ? AND view = ?
        """

    /// What copying a sequence came to.
    enum Copied {
        case whole
        /// The blob is shorter than its recipe says, or missing.
        case tooShort
        /// The row does not fit its checksum.
        case damaged(row: Int64)
    }

    /// Copies rows of a sequence.
    ///
    /// - Parameter first: numbers to leave out.
    static func copyBlob(
        _ statement: Statement, _ extraction: Int64, _ span: FeatureSet.Span, as type: StoredType, from first: Int,
        into target: UnsafeMutableBufferPointer<Float>, _ check: RowCheck
    ) throws -> Copied {
        let cursor = try Row.fetchCursor(statement, arguments: [extraction, span.videoID, span.view])
        guard let row = try cursor.next(), span.length > 0 else { return .tooShort }
        let range = first * type.bytes..<(first + target.count) * type.bytes
        let (checksum, place) = try (row.get(1) as String?, row.get(2) as Int64)
        return try row.withUnsafeData(atIndex: 0) { data in
            guard let data, data.count >= range.upperBound else { return .tooShort }
            data.withUnsafeBytes { type.copy(UnsafeRawBufferPointer(rebasing: $0[range]), to: target) }
            return check.accepts(place, data, checksum) ? .whole : .damaged(row: place)
        }
    }

    /// The error that names the clips of damaged rows of `sequence`, all of one recipe.
    static func damage(_ rows: [Int64], path: String, _ database: Database) throws -> CacheError {
        let statement = try database.makeStatement(
            sql: """
                SELECT video.path, view, extraction.name FROM sequence JOIN video ON video.id = video_id
                  JOIN extraction ON extraction.id = extraction_id WHERE sequence.rowid = ?
                """)
        var (clips, recipe) = ([String](), "?")
        for row in rows.sorted().prefix(5) {
            guard let found = try Row.fetchOne(statement, arguments: [row]) else { continue }
            let view: Int = try found.get(1)
            clips.append(try found.get(0) + (view == 0 ? "" : " (view \(view))"))
            recipe = try found.get(2)
        }
        return .damagedFeatures(path: path, recipe: recipe, clips: clips, count: rows.count)
    }
}
