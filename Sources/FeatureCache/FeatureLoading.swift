import Dispatch
import Foundation
import Synchronization

/// Copies sequences from the cache into memory, and collects what their checksums say.
struct FeatureLoading {
    let path: String
    let extraction: Int64
    let check: RowCheck
    /// What `RowCheck.begin` returned for this load.
    let generation: Int
    /// Whether sequences that nobody compared yet are collected in `unchecked` instead of being hashed while they are copied.
    let defersChecks: Bool

    /// Rows of `sequence` that do not fit their checksums.
    private(set) var damaged: [Int64] = []
    private(set) var unchecked: [UncheckedSequence] = []

    init(path: String, extraction: Int64, check: RowCheck, generation: Int, defersChecks: Bool) {
        (self.path, self.extraction, self.check) = (path, extraction, check)
        (self.generation, self.defersChecks) = (generation, defersChecks)
    }

    /// Copies all views of the videos to where their spans say, by as many connections as there are cores: SQLite and the
    /// page faults of fresh memory keep one busy.
    ///
    /// - Parameter buffer: `[row, feature]`.
    /// - Throws: `CacheError`.
    mutating func fill(
        _ buffer: UnsafeMutableBufferPointer<Float>, with videos: [FeatureSet.Example], featureSize: Int
    ) throws {
        let lanes = max(1, min(ProcessInfo.processInfo.activeProcessorCount, videos.count / 64))
        let parts = (0..<lanes).map { videos[$0 * videos.count / lanes..<($0 + 1) * videos.count / lanes] }
        let failures = Mutex<[any Error]>([])
        let copied = Mutex(self)
        let task = self
        // Safe: the spans of the parts are disjoint, and all are filled when `concurrentPerform` returns.
        nonisolated(unsafe) let target = buffer
        DispatchQueue.concurrentPerform(iterations: lanes) { lane in
            do {
                var own = task
                let reader = try SequenceReader(path: own.path, extraction: own.extraction, check: own.check)
                try reader.read(parts[lane], featureSize: featureSize, into: target, for: &own)
                let found = own
                copied.withLock {
                    $0.damaged += found.damaged
                    $0.unchecked += found.unchecked
                }
            } catch {
                failures.withLock { $0.append(error) }
            }
        }
        if let error = failures.withLock({ $0.first }) { throw error }
        self = copied.withLock(\.self)
    }

    /// Notes what a sequence that was copied says.
    ///
    /// - Parameters:
    ///   - blob: as it is stored.
    ///   - bytes: those at its beginning that were copied; zeros should follow.
    mutating func note(
        _ span: FeatureSet.Span, row: Int64, _ blob: Data, bytes: Int, as type: StoredType, _ checksum: String?
    ) {
        if check.knows(row, generation: generation) { return }
        guard defersChecks, Self.isZero(blob, from: bytes) else {
            if !check.accepts(row, blob, checksum, generation: generation) { damaged.append(row) }
            return
        }
        unchecked.append(
            UncheckedSequence(
                row: row, span: span, type: type, padding: blob.count - bytes, checksum: checksum,
                generation: generation))
    }

    private static func isZero(_ blob: Data, from start: Int) -> Bool {
        blob.withUnsafeBytes { bytes in
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            guard let first = rest.baseAddress, rest.count > 0 else { return true }
            // Every byte is the one before it.
            return rest[0] == 0 && memcmp(first, first + 1, rest.count - 1) == 0
        }
    }
}

/// A sequence in memory that was not compared with its checksum yet.
struct UncheckedSequence: Sendable {
    /// Of the table `sequence`.
    let row: Int64
    /// Its rows in memory.
    let span: FeatureSet.Span
    /// Type of the stored values; those in memory are float32.
    let type: StoredType
    /// Zero bytes that follow the values in the cache.
    let padding: Int
    let checksum: String?
    let generation: Int
}
