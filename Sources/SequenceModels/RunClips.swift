import Datasets
import FeatureCache
import Files
import Foundation

/// Which clips trained a run, chose its epoch, were held out from it or tested it. The run's folder and the cache both record
/// it when training begins, so that it stays true whatever is done to the data set.
public struct RunClips: Sendable, Equatable {
    /// A clip and one of its roles.
    public struct Entry: Sendable, Hashable {
        /// Relative to the dataset's root, when the run was trained.
        public let path: String
        /// SHA-256 of the content, hex.
        public let digest: String
        /// Its class when the run was trained; nil if an older version recorded none.
        public let label: String?
        /// The part that it plays.
        public let role: ClipRole
    }

    /// In the order of roles and paths.
    public let entries: [Entry]

    init(_ entries: [Entry]) {
        let order = Dictionary(uniqueKeysWithValues: ClipRole.allCases.enumerated().map { ($1, $0) })
        self.entries = entries.sorted {
            (order[$0.role] ?? 0, $0.path, $0.digest) < (order[$1.role] ?? 0, $1.path, $1.digest)
        }
    }

    /// The clips of a partition.
    ///
    /// - Parameters:
    ///   - heldOut: clips that models of folds predict; they are in `partition.train` too.
    ///   - digests: of the videos, by their rows.
    package init(_ features: FeatureSet, _ partition: Partition, heldOut: [Int] = [], digests: [Int64: String]) {
        let parts: [(ClipRole, [Int])] = [
            (.train, partition.train), (.validation, partition.validation), (.test, partition.test),
            (.heldout, heldOut),
        ]
        // A copy of a clip that is trained on is no test of anything.
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

    /// Roles that some clip has, in the order in which `evaluate` prefers them.
    public var roles: [ClipRole] {
        let present = Set(entries.map(\.role))
        return [.test, .heldout, .validation, .train].filter(present.contains)
    }

    /// Digests of the clips with that role.
    public func digests(_ role: ClipRole) -> Set<String> {
        Set(entries.lazy.filter { $0.role == role }.map(\.digest))
    }

    /// The class that each clip had when the run was trained, by digest.
    public var labels: [String: String] {
        Dictionary(
            entries.compactMap { entry in entry.label.map { (entry.digest, $0) } }, uniquingKeysWith: { a, _ in a })
    }

    /// Digests of all clips that the run could train on: the validation part is drawn from them.
    public var pool: Set<String> { digests(.train).union(digests(.validation)) }
}

extension RunClips {
    /// What a run's folder records, or else the cache.
    ///
    /// - Throws: `SequenceError.noClips` if neither does: a version before 1.1 left the run unfinished, or its cache is another.
    public init(_ directory: RunDirectory, _ configuration: RunDirectory.Configuration, in cache: CacheFile) throws {
        if let recorded = try directory.recordedClips() {
            self = recorded
            return
        }
        if configuration.isFoldModel {
            // Older versions gave it no list of its own.
            self = try Self.recovered(directory, configuration, cache)
            return
        }
        let members = try cache.run(named: configuration.name).map(cache.members) ?? []
        guard !members.isEmpty else { throw SequenceError.noClips(run: directory.path, cache: cache.path) }
        self.init(members.map { Entry(path: $0.path, digest: $0.digest, label: $0.label, role: $0.role) })
    }
}

extension RunClips {
    /// The clips of a fold's model, from what the table `fold` says of its run.
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
    /// Whether it is one model of a cross-validated run, and not the one that is kept.
    var isFoldModel: Bool { training.folds != nil && crossValidation == nil }
}

extension RunDirectory {
    private var clipsPath: String { path + "/clips.csv" }

    /// Writes `clips.csv`.
    ///
    /// - Throws: `SequenceError.runDirectory`.
    package func save(_ clips: RunClips) throws {
        let lines = clips.entries.map { [$0.path, $0.digest, $0.label ?? "", $0.role.rawValue] }
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try CSV.text(Self.clipColumns, lines).write(
                toFile: clipsPath, atomically: true, encoding: .utf8)
        } catch {
            throw SequenceError.runDirectory(
                path: path, reason: "clips.csv cannot be written (\(error.localizedDescription))")
        }
    }

    /// What `clips.csv` says; nil if there is none.
    ///
    /// - Throws: `SequenceError.runDirectory` if it is damaged.
    package func recordedClips() throws -> RunClips? {
        let text: String
        do { text = try RegularFile.text(clipsPath, limit: Self.clipsLimit) } catch {
            if error.problem == .missing { return nil }
            throw SequenceError.runDirectory(path: path, reason: "its clips.csv cannot be read: \(error.reason)")
        }
        guard let table = try? CSVTable(text), table.header == Self.clipColumns else {
            throw SequenceError.runDirectory(path: path, reason: "its clips.csv is damaged")
        }
        return RunClips(
            try table.rows.map { row in
                guard row.count == 4, !row[1].isEmpty, let role = ClipRole(rawValue: row[3]) else {
                    throw SequenceError.runDirectory(path: path, reason: "its clips.csv is damaged")
                }
                return .init(path: row[0], digest: row[1], label: row[2].isEmpty ? nil : row[2], role: role)
            })
    }

    private static let clipColumns = ["path", "digest", "label", "role"]
    /// Two million clips of paths of usual length.
    private static let clipsLimit = 1 << 28
}
