import Foundation
import GRDB

/// Vectors of phrases in the space of a recipe's features, so that they can be used in SQL queries later.
extension CacheFile {
    /// Stores phrases that are not stored yet. `phrases`: with unit vectors. Throws `CacheError`.
    package func store(phrases: [(phrase: String, feature: [Float])], extraction: Int64) throws {
        try write { database in
            try database.run(Schema.phrases)
            for (phrase, feature) in phrases {
                try database.run(
                    "INSERT OR REPLACE INTO phrase (extraction_id, phrase, feature) VALUES (?, ?, ?)",
                    [extraction, phrase, StoredType.float32.data(feature)])
            }
        }
    }
}
