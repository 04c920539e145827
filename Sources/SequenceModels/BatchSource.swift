import Dispatch
import FeatureCache
import Training

/// The batches of an epoch in order. If features are streamed, the next batch is prefetched during the current step.
///
/// `@unchecked Sendable`: `fetched` is written by one task at a time and read after `group` reports its end.
final class BatchSource: @unchecked Sendable {
    private let head: Head
    private let features: FeatureSet
    private let spans: [[FeatureSet.Span]]
    private let isStreamed: Bool
    private let group = DispatchGroup()
    private var position = 0
    private var fetched: Result<PackedSequences, any Error>?

    init(_ head: Head, _ features: FeatureSet, spans: [[FeatureSet.Span]]) {
        self.head = head
        self.features = features
        self.spans = spans
        if case .streamed = features.storage { isStreamed = true } else { isStreamed = false }
        if isStreamed { fetch() }
    }

    /// - Throws: `CacheError`.
    func next() throws -> PackedSequences {
        defer { position += 1 }
        guard isStreamed else { return try head.batch(features, spans[position]) }
        group.wait()
        let batch = try fetched?.get() ?? head.batch(features, spans[position])
        if position + 1 < spans.count { fetch(position + 1) }
        return batch
    }

    private func fetch(_ index: Int = 0) {
        guard index < spans.count else { return }
        DispatchQueue.global(qos: .userInitiated).async(group: group) { [self] in
            fetched = Result { try head.batch(features, spans[index]) }
        }
    }
}
