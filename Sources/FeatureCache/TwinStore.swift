import Foundation
import GRDB

/// Two videos that show the same.
public struct TwinRecord: Sendable, Equatable {
    /// Rows of `video`.
    public let first, second: Int64
    /// Of their features.
    public let cosine: Double
    /// Of their pictures.
    public let likeness: Double

    /// All parts, as they are.
    public init(first: Int64, second: Int64, cosine: Double, likeness: Double) {
        (self.first, self.second, self.cosine, self.likeness) = (first, second, cosine, likeness)
    }
}

/// The table `twin_pair` and the view `twin`, which caches lack where nobody looked.
extension CacheFile {
    /// Stores the twins of a dataset under a recipe, in place of what was there.
    public func store(_ twins: [TwinRecord], dataset: String, extraction: Int64) throws {
        try write { database in
            try database.execute(sql: Schema.twins)
            try database.execute(
                sql: "DELETE FROM twin_pair WHERE dataset = ? AND extraction_id = ?", arguments: [dataset, extraction])
            for twin in twins {
                try database.execute(
                    sql: "INSERT INTO twin_pair VALUES (?, ?, ?, ?, ?, ?)",
                    arguments: [
                        dataset, extraction, min(twin.first, twin.second), max(twin.first, twin.second), twin.cosine,
                        twin.likeness,
                    ])
            }
        }
    }

    /// Known pairs of a dataset, under any recipe.
    public func twins(dataset: String) throws -> [TwinRecord] {
        try read { database in
            guard try database.tableExists("twin_pair") else { return [] }
            return try Row.fetchAll(
                database,
                sql: """
                    SELECT video_id, twin_id, max(cosine), max(likeness) FROM twin_pair WHERE dataset = ?
                    GROUP BY video_id, twin_id ORDER BY video_id, twin_id
                    """, arguments: [dataset]
            ).map { try TwinRecord(first: $0.get(0), second: $0.get(1), cosine: $0.get(2), likeness: $0.get(3)) }
        }
    }
}
