import Digests
import Foundation
import NeuralNetwork
import Synchronization

/// Verifies checksums of sequences once for each state of the file: results are saved in the user's cache folder with
/// the file's size and modification time. Any other writer invalidates all results. Writes of this process that change
/// no verified sequence, such as runs, update the saved state. If results cannot be saved, sequences are verified again
/// next time.
final class RowCheck: Sendable {
    private struct State {
        /// The state for which `rows` was verified; nil if unknown.
        var file: FileState?
        var rows = RowSet()
        var hasLooked = false
        /// Incremented whenever `rows` is invalidated.
        var generation = 0
        /// Whether there are results to be saved.
        var isNews = false
        var compared = 0

        /// Whether a load of that generation read the state in `file`.
        func isCurrent(_ generation: Int?) -> Bool { generation == nil || generation == self.generation }

        mutating func forget() {
            (file, rows) = (nil, RowSet())
            generation += 1
        }
    }

    /// The saved results of a cache.
    private struct Record: Codable {
        var version = 1
        let file: FileState
        let rows: RowSet
    }

    private let path, recordPath: String
    private let state = Mutex(State())
    /// Held while this process writes to the file: concurrent writes would each be mistaken for another process's.
    private let writer = NSRecursiveLock()

    /// Maximum number of caches with saved results.
    private static let maximumRecords = 100

    private struct Reference: Sendable { weak var check: RowCheck? }

    /// All connections of this process to a file share its results.
    private static let known = Mutex<[String: Reference]>([:])

    /// - `folder`: where results are saved.
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

    /// Number of sequences hashed so far.
    var compared: Int { state.withLock(\.compared) }

    /// Must be called before rows are read; invalidates results if another process wrote to the file. Returns the
    /// generation of the rows to be read. Checksums that are verified later must carry it, because the file may have
    /// changed by then.
    @discardableResult func begin() -> Int {
        let now = FileState(path: path)
        return state.withLock { state in
            look(&state, now)
            if state.file == nil || state.file != now {
                state.forget()
                (state.file, state.isNews) = (now, false)
            }
            return state.generation
        }
    }

    /// Whether a row's checksum has been verified. `generation`: of the load; nil means the current one.
    func knows(_ row: Int64, generation: Int? = nil) -> Bool {
        state.withLock { $0.isCurrent(generation) && $0.rows.contains(row) }
    }

    /// Whether a row's features match their checksum, from earlier results or by hashing them now.
    func accepts(_ row: Int64, _ features: Data, _ checksum: String?, generation: Int? = nil) -> Bool {
        knows(row, generation: generation) || notes(row, fits: hexDigest(features) == checksum, generation: generation)
    }

    /// Records a verified row, unless the file changed after the row was read. Returns `fits`.
    func notes(_ row: Int64, fits: Bool, generation: Int?) -> Bool {
        state.withLock { state in
            state.compared += 1
            guard fits, state.isCurrent(generation) else { return }
            state.rows.insert(row)
            state.isNews = true
        }
        return fits
    }

    /// Runs a write that does not change existing sequences.
    func writing<Result>(_ body: () throws -> Result) rethrows -> Result {
        writer.lock()
        defer { writer.unlock() }
        let before = FileState(path: path)
        defer {
            let after = FileState(path: path)
            state.withLock { state in
                look(&state, before)
                if state.file != nil, state.file == before {
                    if before != after { state.isNews = true }
                    state.file = after
                } else {
                    state.forget()
                }
            }
        }
        return try body()
    }

    /// Saves the results for later processes.
    func remember() {
        let now = FileState(path: path)
        state.withLock { state in
            guard state.isNews, !state.rows.isEmpty, let now, state.file == now else { return }
            // Another process may have verified other rows.
            if let other = record(), other.file == now { state.rows.formUnion(other.rows) }
            guard let data = try? JSONEncoder().encode(Record(file: now, rows: state.rows)) else { return }
            UserCache.write(data, to: recordPath, keeping: Self.maximumRecords)
            state.isNews = false
        }
    }

    /// Loads an earlier process's results for the current state of the file, the first time it is called.
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
