import Foundation
import GRDB

/// Joins caches that hold parts of the same or of different extractions.
///
/// Everything is compared before anything is written: caches that disagree are refused as they are. Then each
/// transaction takes some hundred sequences with their videos. A merge that was stopped goes on where it was when
/// it is started again, and one that is done changes nothing.
public struct CacheMerge: Sendable {
    /// The cache that receives; made where it is not there.
    public var output: String
    /// The caches that are read, and never changed.
    public var inputs: [String]

    /// - Parameters:
    ///   - output: the cache that receives; made where it is not there.
    ///   - inputs: the caches that are read, and never changed.
    public init(output: String, inputs: [String]) { (self.output, self.inputs) = (output, inputs) }

    /// What is going on.
    public enum Event: Sendable {
        case comparing(path: String)
        /// Bytes of features, those of skipped sequences included.
        case merging(path: String, done: Int, total: Int)
    }

    /// What was taken over.
    public struct Summary: Sendable, Equatable {
        /// Sequences that were new.
        public var sequences = 0
        /// Sequences that were there already.
        public var skipped = 0
        /// Bytes of features of both.
        public var bytes = 0
        /// Runs that were new.
        public var runs = 0
        /// Clips of the inputs that could not be extracted anywhere.
        public var failures = 0
        /// Whether it was stopped before the end.
        public var wasCancelled = false
    }

    /// - Throws: `CacheError`, and `CacheConflict` where caches disagree; then nothing was written.
    public func run(
        isCancelled: () -> Bool = { false }, report: (Event) -> Void = { _ in }
    ) throws -> Summary {
        try CacheConnection.requireRegular(output)
        let isNew = !FileManager.default.fileExists(atPath: output)
        if !isNew { try checkOutput() }
        try inputs.forEach(check)
        // Compared in a scratch cache, so that a refusal makes no file.
        try MergeConflicts.check((isNew ? [] : [output]) + inputs, isCancelled) { report(.comparing(path: $0)) }
        if isCancelled() {
            // What was not compared must not be copied.
            var summary = Summary()
            summary.wasCancelled = true
            return summary
        }
        let cache = try CacheFile(path: output)
        let lock = try ExtractionLock(cache: output)
        defer { withExtendedLifetime(lock) {} }
        return try cache.exclusively { database in
            var summary = Summary()
            for input in inputs where !summary.wasCancelled {
                try MergeInput(path: input, database: database).copy(into: &summary, isCancelled) {
                    report(.merging(path: input, done: $0, total: $1))
                }
            }
            summary.failures = try Int.fetchOne(database, sql: "SELECT count(*) FROM failure") ?? 0
            return summary
        }
    }

    /// That nothing in the receiving cache runs SQL of somebody else's, before it is compared.
    private func checkOutput() throws {
        try CacheError.translating(output) {
            try CacheFile.reader(path: output).read { database in
                let identity = try CacheIdentity(database)
                if identity.isEmpty { return }
                try identity.check(path: output, oldest: 1)
                try SchemaCheck.check(database, path: output, version: identity.version)
            }
        }
    }

    /// That an input is a whole cache of this version which nobody is writing to. Features are hashed when they are copied.
    private func check(_ input: String) throws {
        try CacheConnection.requireRegular(input)
        guard FileManager.default.fileExists(atPath: input) else { throw CacheError.missing(path: input) }
        if URL(fileURLWithPath: input).resolvingSymlinksInPath()
            == URL(fileURLWithPath: output).resolvingSymlinksInPath()
        {
            throw CacheConflict.sameFile(path: input)
        }
        if ExtractionLock.isHeld(cache: input) { throw CacheError.beingExtracted(path: input) }
        try CacheError.translating(input) {
            try CacheFile.reader(path: input).read { database in
                try CacheIdentity(database).check(path: input)
                try SchemaCheck.check(database, path: input)
                try MergeInput.check(database, path: input)
            }
        }
    }
}

/// Why caches cannot be joined.
public enum CacheConflict: LocalizedError, Equatable {
    case sameFile(path: String)
    /// Rows that cannot be what an extraction stored; the first in words.
    case damaged(path: String, place: String, what: String)
    case features(video: String, recipe: String, first: String, second: String)
    case sample(video: String, dataset: String, first: String, second: String)
    case run(name: String, first: String, second: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .sameFile(let path): "\(path) is to be merged into itself. Name another file for the result."
        case .damaged(let path, let place, let what):
            "\(path) is damaged: \(place): \(what). `zoetrope cache verify \(path)` lists everything that is; `zoetrope cache prune "
                + "\(path) --damaged` takes damaged sequences out. Nothing of them was merged."
        case .features(let video, let recipe, let first, let second):
            "The features of \(video) under \(recipe) differ between \(first) and \(second), although their recipe is "
                + "the same. `zoetrope cache verify` tells whether one is damaged; else they come from different "
                + "processors: prune the recipe from one of them. Nothing was merged."
        case .sample(let video, let dataset, let first, let second):
            "\(video) of the data set \(dataset) has another label, split or group in \(first) than in \(second). "
                + "Extract the outdated one again, which decodes nothing. Nothing was merged."
        case .run(let name, let first, let second):
            "\(first) and \(second) have different runs called \(name). "
                + "Prune one of them: `zoetrope cache prune FILE --run \(name)`. Nothing was merged."
        }
    }
}

extension CacheFile {
    /// Work that appends much: without a write-ahead log, which would write everything twice, as far as no other
    /// program has the file open. A crash rolls back what was not committed.
    func exclusively<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try CacheError.translating(path) {
            try database.inDatabase { database in
                _ = try? database.checkpoint(.truncate)
                try database.execute(sql: "PRAGMA busy_timeout = 100")
                _ = try? database.execute(sql: "PRAGMA journal_mode = TRUNCATE")
                try database.execute(sql: "PRAGMA busy_timeout = 30000")
                try database.execute(sql: "PRAGMA cache_size = -65536")
                defer {
                    _ = try? database.execute(sql: "PRAGMA cache_size = -2000")
                    _ = try? database.execute(sql: "PRAGMA journal_mode = WAL")
                }
                return try body(database)
            }
        }
    }
}
