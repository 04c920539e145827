import Foundation
import GRDB

/// Vectors of phrases in the space of a recipe's features, so that plain SQL can ask what a program asked once.
extension CacheFile {
    /// Keeps phrases that are not there yet.
    ///
    /// - `phrases`: with vectors of length 1.
    /// - Throws: `CacheError`.
    public func store(phrases: [(phrase: String, feature: [Float])], extraction: Int64) throws {
        try write { database in
            try database.execute(sql: Schema.phrases)
            for (phrase, feature) in phrases {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO phrase (extraction_id, phrase, feature) VALUES (?, ?, ?)",
                    arguments: [extraction, phrase, StoredType.float32.data(feature)])
            }
        }
    }
}
