/// The role of a clip in a run.
package enum ClipRole: String, Sendable, CaseIterable, Codable {
    /// Used for training.
    case train
    /// Used for model selection, so the accuracy on it is optimistic.
    case validation
    /// Used neither for training nor for model selection.
    case test
    /// In a cross-validated run: predicted by models that were not trained on the clip, unlike the model that is kept.
    case heldout
}

package struct MembershipRecord: Sendable, Hashable {
    package let videoID: Int64
    package let role: ClipRole

    package init(videoID: Int64, role: ClipRole) { (self.videoID, self.role) = (videoID, role) }
}

package struct MemberClip: Sendable, Equatable {
    package let videoID: Int64
    package let digest, path: String
    /// Its class in the run's predictions; nil before the run has predicted.
    package let label: String?
    package let role: ClipRole
}

extension CacheFile {
    /// Records the clips of a run, replacing earlier records.
    package func store(_ members: some Sequence<MembershipRecord>, run: Int64) throws {
        try write { database in
            try database.run("DELETE FROM membership WHERE run_id = ?", [run])
            let sql = "INSERT OR IGNORE INTO membership (run_id, video_id, role) VALUES (?, ?, ?)"
            try database.run(sql, each: members) { [run, $0.videoID, $0.role.rawValue] }
        }
    }

    /// The clips that a run used, ordered by path; empty if none are recorded.
    package func members(run: Int64) throws -> [MemberClip] {
        try read { database in
            try database.rows(
                """
                SELECT membership.video_id, digest, path, role, (SELECT label FROM prediction
                    WHERE prediction.run_id = membership.run_id AND prediction.video_id = membership.video_id LIMIT 1)
                FROM membership JOIN video ON video.id = membership.video_id
                WHERE membership.run_id = ? ORDER BY path, membership.video_id, role
                """, [run]
            ).compactMap { row in
                guard let role = try ClipRole(rawValue: row.get(3)) else { return nil }
                return try MemberClip(
                    videoID: row.get(0), digest: row.get(1), path: row.get(2), label: row.get(4), role: role)
            }
        }
    }

    /// Recipe and data set of a run. Throws `PruningError.unknownRun`.
    package func source(ofRun name: String) throws -> (run: Int64, extraction: Int64?, dataset: String?) {
        let row = try read { try $0.row("SELECT id, extraction_id, dataset FROM run WHERE name = ?", [name]) }
        guard let row else { throw PruningError.unknownRun(name) }
        return try (row.get(0), row.get(1), row.get(2))
    }

    package func videoIDs() throws -> [String: Int64] { try read { try $0.pairs("SELECT digest, id FROM video") } }

    /// The runs without recorded clips: older versions recorded them only with predictions, which killed runs lack.
    package func runsWithoutMembers() throws -> [String] {
        try read { database in
            let sql =
                "SELECT name FROM run WHERE NOT EXISTS (SELECT 1 FROM membership WHERE run_id = run.id) ORDER BY id"
            return try String.all(database, sql)
        }
    }

    /// Every clip of a data set, ordered by path.
    package func placedSamples(dataset: String) throws -> [PlacedSample] {
        try rows(
            """
            SELECT video_id, path, label, split, "group" FROM sample JOIN video ON video.id = video_id
            WHERE dataset = ? ORDER BY path, digest
            """, [dataset]
        ) { row in
            try PlacedSample(
                videoID: row.get(0), path: row.get(1),
                sample: SampleRecord(dataset: dataset, label: row.get(2), split: row.get(3), group: row.get(4)))
        }
    }
}

package struct PlacedSample: Sendable, Equatable {
    package let videoID: Int64
    package let path: String
    package let sample: SampleRecord
}
