import Digests
import Foundation
import NeuralNetwork
import Synchronization

/// Compares sequences with their checksums, each once for a state of the file: which ones fitted is remembered in the
/// user's cache folder, together with size and modification time of the file.
///
/// Whatever else writes to the file makes all of it unchecked. What this process writes, such as a run, changes no sequence
/// that was checked and moves the remembered state on. If nothing can be remembered, rows are compared again next time.
final class RowCheck: Sendable {
    private struct State {
        /// In which `rows` were compared; nil if unknown.
        var file: FileState?
        var rows = RowSet()
        var hasLooked = false
        /// Whether the remembered state is older.
        var isNews = false
        var compared = 0
    }

    /// What is remembered of a cache.
    private struct Record: Codable {
        var version = 1
        let file: FileState
        let rows: RowSet
    }

    private let path: String
    private let recordPath: String
    private let state = Mutex(State())

    /// The most caches that are remembered.
    private static let maximumRecords = 100

    private struct Reference: Sendable {
        weak var check: RowCheck?
    }

    /// All connections of this process to a file share what is known of it.
    private static let known = Mutex<[String: Reference]>([:])

    /// - Parameter folder: where records are kept.
    static func of(_ path: String, folder: String) -> RowCheck {
        let place = URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path
        let record = folder + "/" + hexDigest(Data(place.utf8)) + ".json"
        return known.withLock { known in
            known = known.filter { $0.value.check != nil }
            if let check = known[record]?.check { return check }
            let check = RowCheck(path, record)
            known[record] = Reference(check: check)
            return check
        }
    }

    private init(_ path: String, _ recordPath: String) { (self.path, self.recordPath) = (path, recordPath) }

    /// Sequences that were hashed so far.
    var compared: Int { state.withLock(\.compared) }

    /// Call before rows are read: forgets all if somebody else wrote to the file.
    func begin() {
        let now = FileState(path: path)
        state.withLock { state in
            look(&state, now)
            guard state.file == nil || state.file != now else { return }
            (state.file, state.rows, state.isNews) = (now, RowSet(), false)
        }
    }

    /// Whether the features of a row fit their checksum, as far as is known or as they are hashed now.
    func accepts(_ row: Int64, _ features: Data, _ checksum: String?) -> Bool {
        if state.withLock({ $0.rows.contains(row) }) { return true }
        let fits = hexDigest(features) == checksum
        state.withLock { state in
            state.compared += 1
            guard fits else { return }
            state.rows.insert(row)
            state.isNews = true
        }
        return fits
    }

    /// Runs something that writes to the file without changing sequences that are there.
    func writing<Result>(_ body: () throws -> Result) rethrows -> Result {
        let before = FileState(path: path)
        defer {
            let after = FileState(path: path)
            state.withLock { state in
                look(&state, before)
                let isOurs = state.file != nil && state.file == before
                if isOurs, before != after { state.isNews = true }
                (state.file, state.rows) = isOurs ? (after, state.rows) : (nil, RowSet())
            }
        }
        return try body()
    }

    /// Writes what was found out for the next process.
    func remember() {
        let now = FileState(path: path)
        state.withLock { state in
            guard state.isNews, !state.rows.isEmpty, let now, state.file == now else { return }
            // Another process may have checked other rows.
            if let other = record(), other.file == now { state.rows.formUnion(other.rows) }
            guard let data = try? JSONEncoder().encode(Record(file: now, rows: state.rows)) else { return }
            UserCache.write(data, to: recordPath, keeping: Self.maximumRecords)
            state.isNews = false
        }
    }

    /// Takes over what an earlier process remembered of the file as it is now, the first time.
    private func look(_ state: inout State, _ now: FileState?) {
        if state.hasLooked { return }
        state.hasLooked = true
        if let record = record(), record.file == now { (state.file, state.rows) = (now, record.rows) }
    }

    private func record() -> Record? {
        UserCache.contents(recordPath).flatMap { try? JSONDecoder().decode(Record.self, from: $0) }
            .flatMap { $0.version == 1 ? $0 : nil }
    }
}
