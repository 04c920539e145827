import GRDB

/// The part that a clip plays in a run.
public enum ClipRole: String, Sendable, CaseIterable, Codable {
    /// The model was trained on it.
    case train
    /// It decided which epoch was kept, so its accuracy is optimistic.
    case validation
    /// Neither trained on nor used for any choice.
    case test
    /// Of a cross-validated run: predicted by models that were not trained on it. The model that is kept was.
    case heldout
}

/// One row of the table `membership`.
public struct MembershipRecord: Sendable, Hashable {
    /// Row of `video`.
    public let videoID: Int64
    /// The part that it plays.
    public let role: ClipRole

    /// A clip and one of its roles.
    public init(videoID: Int64, role: ClipRole) { (self.videoID, self.role) = (videoID, role) }
}

/// A clip that a run used, as far as the cache knows.
public struct MemberClip: Sendable, Equatable {
    /// Row of `video`.
    public let videoID: Int64
    /// SHA-256 of its content, hex.
    public let digest: String
    /// Relative to the dataset's root.
    public let path: String
    /// Its class as the run predicted it; nil before it did.
    public let label: String?
    /// The part that it plays.
    public let role: ClipRole
}

/// The table `membership`.
extension CacheFile {
    /// Records which clips a run uses, replacing what was recorded.
    public func store(_ members: some Sequence<MembershipRecord>, run: Int64) throws {
        try write { database in
            try database.execute(sql: "DELETE FROM membership WHERE run_id = ?", arguments: [run])
            let statement = try database.makeStatement(
                sql: "INSERT OR IGNORE INTO membership (run_id, video_id, role) VALUES (?, ?, ?)")
            for member in members { try statement.execute(arguments: [run, member.videoID, member.role.rawValue]) }
        }
    }

    /// The clips that a run used, ordered by path; empty if nothing is recorded.
    public func members(run: Int64) throws -> [MemberClip] {
        try read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT membership.video_id, digest, path, role, (SELECT label FROM prediction
                        WHERE prediction.run_id = membership.run_id AND prediction.video_id = membership.video_id LIMIT 1)
                    FROM membership JOIN video ON video.id = membership.video_id
                    WHERE membership.run_id = ? ORDER BY path, membership.video_id, role
                    """, arguments: [run]
            ).compactMap { row in
                guard let role = try ClipRole(rawValue: row.get(3)) else { return nil }
                return try MemberClip(
                    videoID: row.get(0), digest: row.get(1), path: row.get(2), label: row.get(4), role: role)
            }
        }
    }

    /// Recipe and dataset of a run.
    ///
    /// - Throws: `PruningError.unknownRun`.
    public func source(ofRun name: String) throws -> (run: Int64, extraction: Int64?, dataset: String?) {
        let row = try read {
            try Row.fetchOne($0, sql: "SELECT id, extraction_id, dataset FROM run WHERE name = ?", arguments: [name])
        }
        guard let row else { throw PruningError.unknownRun(name) }
        return try (row.get(0), row.get(1), row.get(2))
    }

    /// Rows of videos by their digests.
    public func videoIDs() throws -> [String: Int64] {
        try read { database in
            let rows = try Row.fetchAll(database, sql: "SELECT digest, id FROM video")
            return try Dictionary(rows.map { try ($0.get(0), $0.get(1)) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Names of the runs without a record of their clips: older versions recorded them by predictions, which a run that was
    /// killed has none of.
    public func runsWithoutMembers() throws -> [String] {
        try read { database in
            try String.fetchAll(
                database,
                sql: """
                    SELECT name FROM run WHERE NOT EXISTS (SELECT 1 FROM membership WHERE run_id = run.id) ORDER BY id
                    """)
        }
    }

    /// Every clip of a dataset, ordered by path.
    public func placedSamples(dataset: String) throws -> [PlacedSample] {
        try read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT video_id, path, label, split, "group" FROM sample JOIN video ON video.id = video_id
                    WHERE dataset = ? ORDER BY path, digest
                    """, arguments: [dataset]
            ).map { row in
                try PlacedSample(
                    videoID: row.get(0), path: row.get(1),
                    sample: SampleRecord(
                        dataset: dataset, label: row.get(2), split: row.get(3), group: row.get(4)))
            }
        }
    }
}

/// A clip's place in a dataset, with the clip.
public struct PlacedSample: Sendable, Equatable {
    /// Row of `video`.
    public let videoID: Int64
    /// Relative to the dataset's root.
    public let path: String
    /// Label, split and group.
    public let sample: SampleRecord
}
