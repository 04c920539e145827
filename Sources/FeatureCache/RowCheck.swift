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
        /// Grows whenever `rows` is forgotten.
        var generation = 0
        /// Whether the remembered state is older.
        var isNews = false
        var compared = 0

        /// Whether what a load of that generation read is what `file` holds.
        func isCurrent(_ generation: Int?) -> Bool { generation == nil || generation == self.generation }

        mutating func forget() {
            (file, rows) = (nil, RowSet())
            generation += 1
        }
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
    /// Held while this process writes to the file: of two writes at a time, each would take the other for somebody else's.
    private let writer = NSRecursiveLock()

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
    ///
    /// - Returns: the generation of what is read now. Rows that are compared later than they were read must carry it, for the
    ///   file may be another by then.
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

    /// Whether the row that a load read is known to fit its checksum.
    ///
    /// - Parameter generation: of the load; nil means now.
    func knows(_ row: Int64, generation: Int? = nil) -> Bool {
        state.withLock { $0.isCurrent(generation) && $0.rows.contains(row) }
    }

    /// Whether the features of a row fit their checksum, as far as is known or as they are hashed now.
    func accepts(_ row: Int64, _ features: Data, _ checksum: String?, generation: Int? = nil) -> Bool {
        knows(row, generation: generation)
            || notes(row, fits: hexDigest(features) == checksum, generation: generation)
    }

    /// Notes that a row was compared, and remembers one that fits unless the file changed after it was read.
    ///
    /// - Returns: `fits`.
    func notes(_ row: Int64, fits: Bool, generation: Int?) -> Bool {
        state.withLock { state in
            state.compared += 1
            guard fits, state.isCurrent(generation) else { return }
            state.rows.insert(row)
            state.isNews = true
        }
        return fits
    }

    /// Runs something that writes to the file without changing sequences that are there.
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
