import Digests
import Foundation
import Synchronization
import Threads

/// Verifies the checksums of features in memory in background threads while the features are used. The copies in memory
/// are hashed, since the file may have changed. The threads stop when the verification is released.
package final class FeatureVerification: Sendable {
    private let work: Work
    private let check: RowCheck
    private let path, recipe: String
    /// For the names of damaged clips.
    private let videos: [FeatureSet.Example]
    private let isRemembered = Atomic<Bool>(false)

    /// Starts one thread per core. `rows`: `[row, feature]` of all sequences. `recipe`: its name.
    init(
        _ rows: [Float], featureSize: Int, _ loading: FeatureLoading, of videos: [FeatureSet.Example], recipe: String
    ) {
        work = Work(rows, featureSize, loading.unchecked, loading.check)
        (check, path, self.recipe, self.videos) = (loading.check, loading.path, recipe, videos)
        for _ in 0..<min(ProcessInfo.processInfo.activeProcessorCount, loading.unchecked.count) { work.start() }
    }

    deinit { work.stop() }

    /// Waits until all sequences are verified. May be called repeatedly and from several threads. Throws
    /// `CacheError.damagedFeatures` if checksums differ.
    package func wait() throws {
        work.wait()
        if !isRemembered.exchange(true, ordering: .relaxed) { check.remember() }
        let damaged = work.damaged
        if damaged.isEmpty { return }
        let paths = Dictionary(videos.map { ($0.videoID, $0.path) }, uniquingKeysWith: { first, _ in first })
        let clips = damaged.sorted { $0.row < $1.row }.prefix(CacheError.namedClips).map {
            CacheError.clip(paths[$0.span.videoID] ?? "?", view: $0.span.view)
        }
        throw CacheError.damagedFeatures(path: path, recipe: recipe, clips: Array(clips), count: damaged.count)
    }
}

/// State shared by the threads, which therefore do not retain the verification.
private final class Work: Sendable {
    private let rows: [Float]
    private let featureSize: Int
    private let sequences: [UncheckedSequence]
    private let check: RowCheck
    private let next = Atomic<Int>(0)
    private let found = Mutex<[UncheckedSequence]>([])
    private let threads = Mutex<[Future<Void>]>([])

    init(_ rows: [Float], _ featureSize: Int, _ sequences: [UncheckedSequence], _ check: RowCheck) {
        (self.rows, self.featureSize, self.sequences, self.check) = (rows, featureSize, sequences, check)
    }

    var damaged: [UncheckedSequence] { found.withLock(\.self) }

    func start() { threads.withLock { $0.append(Future { [self] in run() }) } }

    func stop() { next.store(sequences.count, ordering: .relaxed) }

    func wait() { for thread in threads.withLock(\.self) { try? thread.value() } }

    private func run() {
        rows.withUnsafeBufferPointer { rows in
            while case let place = next.add(1, ordering: .relaxed).oldValue, place < sequences.count {
                let sequence = sequences[place]
                let first = sequence.span.firstRow * featureSize
                let own = UnsafeBufferPointer(rebasing: rows[first..<first + sequence.span.length * featureSize])
                let digest = Self.digest(own, sequence)
                let fits = check.notes(sequence.row, fits: digest == sequence.checksum, generation: sequence.generation)
                if !fits { found.withLock { $0.append(sequence) } }
            }
        }
    }

    /// SHA-256 of the sequence as stored, lower-case hexadecimal.
    private static func digest(_ values: UnsafeBufferPointer<Float>, _ sequence: UncheckedSequence) -> String {
        var digest = Digest()
        switch sequence.type {
        case .float32: digest.update(UnsafeRawBufferPointer(values))
        // Conversion to float32 is exact, so converting back gives the stored bytes.
        case .float16: digest.update(sequence.type.data(values))
        }
        var padding = sequence.padding
        while padding > 0 {
            digest.update(zeros.prefix(padding))
            padding -= min(padding, zeros.count)
        }
        return digest.hex()
    }

    private static let zeros = Data(count: 1 << 16)
}
