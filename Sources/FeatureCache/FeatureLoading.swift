import Foundation
import Threads

/// Copies sequences from the cache into memory and collects the results of their checksums.
struct FeatureLoading {
    let path: String
    let extraction: Int64
    let check: RowCheck
    /// The result of `RowCheck.begin` for this load.
    let generation: Int
    /// Whether unverified sequences are collected in `unchecked` instead of being hashed during the copy.
    let defersChecks: Bool

    /// Row IDs in `sequence` whose checksums differ.
    private(set) var damaged: [Int64] = []
    private(set) var unchecked: [UncheckedSequence] = []

    /// Copies all views of the videos to the positions of their spans through one connection per core, because SQLite
    /// and page faults of fresh memory saturate a core. `buffer`: `[row, feature]`. Throws `CacheError`.
    mutating func fill(
        _ buffer: UnsafeMutableBufferPointer<Float>, with videos: [FeatureSet.Example], featureSize: Int
    ) throws {
        let lanes = max(1, min(ProcessInfo.processInfo.activeProcessorCount, videos.count / 64))
        let parts = (0..<lanes).map { videos[$0 * videos.count / lanes..<($0 + 1) * videos.count / lanes] }
        let task = self
        // Safe: the spans of the parts are disjoint, and all are filled when `concurrentMap` returns.
        nonisolated(unsafe) let target = buffer
        let loaded = try concurrentMap(lanes) { lane in
            var own = task
            let reader = try SequenceReader(path: own.path, extraction: own.extraction, check: own.check)
            try reader.read(parts[lane], featureSize: featureSize, into: target, for: &own)
            return own
        }
        for own in loaded {
            damaged += own.damaged
            unchecked += own.unchecked
        }
    }

    /// Records the checksum result of a copied sequence. `blob`: as stored. `bytes`: number of leading bytes that were
    /// copied; only zeros should follow.
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
            // Compares every byte with its predecessor.
            return rest[0] == 0 && memcmp(first, first + 1, rest.count - 1) == 0
        }
    }
}

/// A sequence in memory whose checksum has not been verified.
struct UncheckedSequence: Sendable {
    let row: Int64
    let span: FeatureSet.Span
    /// Element type in the cache; in memory it is float32.
    let type: StoredType
    /// Zero bytes that follow the values in the cache.
    let padding: Int
    let checksum: String?
    let generation: Int
}
