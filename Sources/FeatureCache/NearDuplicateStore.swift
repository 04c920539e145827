import Foundation
import GRDB

package struct NearDuplicateRecord: Sendable, Equatable {
    package let first, second: Int64
    package let cosine, similarity: Double

    package init(first: Int64, second: Int64, cosine: Double, similarity: Double) {
        (self.first, self.second, self.cosine, self.similarity) = (first, second, cosine, similarity)
    }
}

/// The table `twin_pair` and the view `twin`, which exist after the first search for near-duplicates.
extension CacheFile {
    /// Stores the near-duplicates of a data set under a recipe, replacing earlier ones.
    package func store(_ nearDuplicates: [NearDuplicateRecord], dataset: String, extraction: Int64) throws {
        try write { database in
            try database.run(Schema.nearDuplicates)
            try database.run("DELETE FROM twin_pair WHERE dataset = ? AND extraction_id = ?", [dataset, extraction])
            for pair in nearDuplicates {
                try database.run(
                    "INSERT INTO twin_pair VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        dataset, extraction, min(pair.first, pair.second), max(pair.first, pair.second), pair.cosine,
                        pair.similarity,
                    ])
            }
        }
    }

    /// The stored near-duplicates of a data set, under any recipe.
    package func nearDuplicates(dataset: String) throws -> [NearDuplicateRecord] {
        try read { database in
            guard try database.tableExists("twin_pair") else { return [] }
            return try database.rows(
                """
                SELECT video_id, twin_id, max(cosine), max(likeness) FROM twin_pair WHERE dataset = ?
                GROUP BY video_id, twin_id ORDER BY video_id, twin_id
                """, [dataset]
            ).map {
                try NearDuplicateRecord(first: $0.get(0), second: $0.get(1), cosine: $0.get(2), similarity: $0.get(3))
            }
        }
    }
}
