import Datasets
import FeatureCache
import Files
import Foundation

/// The clips that a run used for training, model selection, cross-validation and testing. Recorded in the run's folder
/// and the cache when training begins, so that later changes to the data set do not affect it.
package struct RunClips: Sendable, Equatable {
    /// A clip and one of its roles.
    package struct Entry: Sendable, Hashable {
        /// Relative to the data set's root, when the run was trained.
        package let path: String
        /// SHA-256 of the content, hex.
        package let digest: String
        /// Its class when the run was trained; nil if an older version did not record it.
        package let label: String?
        package let role: ClipRole
    }

    /// Ordered by role and path.
    package let entries: [Entry]

    init(_ entries: [Entry]) {
        let order = ClipRole.allCases.places
        self.entries = entries.sorted {
            (order[$0.role] ?? 0, $0.path, $0.digest) < (order[$1.role] ?? 0, $1.path, $1.digest)
        }
    }

    /// The clips of a partition. `heldOut`: clips with out-of-fold predictions; they are in `partition.train` too.
    /// `digests`: of the videos, by row ID.
    package init(_ features: FeatureSet, _ partition: Partition, heldOut: [Int] = [], digests: [Int64: String]) {
        let parts: [(ClipRole, [Int])] = [
            (.train, partition.train), (.validation, partition.validation), (.test, partition.test),
            (.heldout, heldOut),
        ]
        // A copy of a training clip must not be in the test set.
        let trained = Set(partition.train.compactMap { digests[features.examples[$0].videoID] })
        self.init(
            parts.flatMap { role, indices in
                indices.compactMap { index in
                    let example = features.examples[index]
                    guard let digest = digests[example.videoID],
                        role == .train || role == .heldout || !trained.contains(digest)
                    else { return nil }
                    return Entry(path: example.path, digest: digest, label: example.label, role: role)
                }
            })
    }

    /// Roles that occur, in the order in which `evaluate` prefers them.
    package var roles: [ClipRole] {
        let present = Set(entries.map(\.role))
        return [.test, .heldout, .validation, .train].filter(present.contains)
    }

    package func digests(_ role: ClipRole) -> Set<String> {
        Set(entries.lazy.filter { $0.role == role }.map(\.digest))
    }

    /// The class of each clip when the run was trained, by digest.
    package var labels: [String: String] {
        Dictionary(
            entries.compactMap { entry in entry.label.map { (entry.digest, $0) } }, uniquingKeysWith: { a, _ in a })
    }

    /// Digests of all clips that the run could train on; the validation split is sampled from them.
    package var pool: Set<String> { digests(.train).union(digests(.validation)) }
}

extension RunClips {
    /// Reads the clips from the run's folder, or otherwise from the cache. Throws `SequenceError.noClips` if neither
    /// has them: a version before 1.1 left the run unfinished, or it is another cache.
    package init(_ directory: RunDirectory, _ configuration: RunDirectory.Configuration, in cache: CacheFile) throws {
        if let recorded = try directory.recordedClips() {
            self = recorded
            return
        }
        if configuration.isFoldModel {
            // Older versions wrote no list for it.
            self = try Self.recovered(directory, configuration, cache)
            return
        }
        let members = try cache.run(named: configuration.name).map(cache.members) ?? []
        guard !members.isEmpty else { throw SequenceError.noClips(run: directory.path, cache: cache.path) }
        self.init(members.map { Entry(path: $0.path, digest: $0.digest, label: $0.label, role: $0.role) })
    }
}

extension RunClips {
    /// The clips of a fold's model, from the run's rows in the table `fold`.
    private static func recovered(
        _ directory: RunDirectory, _ configuration: RunDirectory.Configuration, _ cache: CacheFile
    ) throws -> RunClips {
        let number = URL(fileURLWithPath: directory.path).lastPathComponent
        let run = try cache.run(named: configuration.name)
        let held = Set(
            try run.map(cache.heldOutClips)?.filter { "\($0.repeat)-\($0.fold)" == number }.map(\.videoID) ?? [])
        guard !held.isEmpty, let run else { throw SequenceError.noClips(run: directory.path, cache: cache.path) }
        return RunClips(
            try cache.members(run: run).filter { $0.role != .heldout }.map { member in
                Entry(
                    path: member.path, digest: member.digest, label: member.label,
                    role: member.role == .train && held.contains(member.videoID) ? .heldout : member.role)
            })
    }
}

extension RunDirectory.Configuration {
    /// Whether it is one model of a cross-validated run, and not the final one.
    var isFoldModel: Bool { training.folds != nil && crossValidation == nil }
}

extension RunDirectory {
    private var clipsPath: String { path + "/clips.csv" }

    /// Writes `clips.csv`. Throws `SequenceError.runDirectory`.
    package func save(_ clips: RunClips) throws {
        let lines = clips.entries.map { [$0.path, $0.digest, $0.label ?? "", $0.role.rawValue] }
        try writing("clips.csv") {
            try CSV.text(Self.clipColumns, lines).write(toFile: clipsPath, atomically: true, encoding: .utf8)
        }
    }

    /// Reads `clips.csv`; nil if it does not exist. Throws `SequenceError.runDirectory` if it is damaged.
    package func recordedClips() throws -> RunClips? {
        let text: String
        do { text = try RegularFile.text(clipsPath, limit: Self.clipsLimit) } catch {
            if error.problem == .missing { return nil }
            throw unusable("its clips.csv cannot be read: \(error.reason)")
        }
        guard let table = try? CSVTable(text), table.header == Self.clipColumns else {
            throw unusable("its clips.csv is damaged")
        }
        return RunClips(
            try table.rows.map { row in
                guard row.count == 4, !row[1].isEmpty, let role = ClipRole(rawValue: row[3]) else {
                    throw unusable("its clips.csv is damaged")
                }
                return .init(path: row[0], digest: row[1], label: row[2].isEmpty ? nil : row[2], role: role)
            })
    }

    private static let clipColumns = ["path", "digest", "label", "role"]
    /// Two million clips with paths of typical length.
    private static let clipsLimit = 1 << 28
}
