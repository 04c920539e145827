import FeatureCache
import Threads
import Training

/// The batches of an epoch in order. If features are streamed, the next batch is prefetched during the current step.
struct BatchSource {
    private let spans: [[FeatureSet.Span]]
    private let batch: @Sendable ([FeatureSet.Span]) throws -> PackedSequences
    private let isStreamed: Bool
    private var position = 0
    private var fetched: Future<PackedSequences>?

    init(_ head: Head, _ features: FeatureSet, spans: [[FeatureSet.Span]]) {
        self.spans = spans
        batch = { try head.batch(features, $0) }
        if case .streamed = features.storage { isStreamed = true } else { isStreamed = false }
        fetch(0)
    }

    mutating func next() throws -> PackedSequences {
        let current = try fetched?.value() ?? batch(spans[position])
        position += 1
        fetch(position)
        return current
    }

    private mutating func fetch(_ index: Int) {
        guard isStreamed, index < spans.count else { return }
        fetched = Future { [batch, spans] in try batch(spans[index]) }
    }
}
