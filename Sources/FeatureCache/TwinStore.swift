import Foundation
import GRDB

package struct TwinRecord: Sendable, Equatable {
    package let first, second: Int64
    package let cosine, likeness: Double

    package init(first: Int64, second: Int64, cosine: Double, likeness: Double) {
        (self.first, self.second, self.cosine, self.likeness) = (first, second, cosine, likeness)
    }
}

/// The table `twin_pair` and the view `twin`, which exist after the first search for near-duplicates.
extension CacheFile {
    /// Stores the near-duplicates of a data set under a recipe, replacing earlier ones.
    package func store(_ twins: [TwinRecord], dataset: String, extraction: Int64) throws {
        try write { database in
            try database.run(Schema.twins)
            try database.run("DELETE FROM twin_pair WHERE dataset = ? AND extraction_id = ?", [dataset, extraction])
            for twin in twins {
                try database.run(
                    "INSERT INTO twin_pair VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        dataset, extraction, min(twin.first, twin.second), max(twin.first, twin.second), twin.cosine,
                        twin.likeness,
                    ])
            }
        }
    }

    /// The stored near-duplicates of a data set, under any recipe.
    package func twins(dataset: String) throws -> [TwinRecord] {
        try read { database in
            guard try database.tableExists("twin_pair") else { return [] }
            return try database.rows(
                """
                SELECT video_id, twin_id, max(cosine), max(likeness) FROM twin_pair WHERE dataset = ?
                GROUP BY video_id, twin_id ORDER BY video_id, twin_id
                """, [dataset]
            ).map { try TwinRecord(first: $0.get(0), second: $0.get(1), cosine: $0.get(2), likeness: $0.get(3)) }
        }
    }
}
