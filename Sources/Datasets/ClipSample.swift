/// A small, even part of a dataset, to try things on.
public struct ClipSample: Sendable, Equatable {
    /// At most so many classes, spread over the labels' order.
    public let classes: Int
    /// At most so many clips of each, spread over their order, so that each split has its share.
    public let clipsPerClass: Int

    /// All parts, as they are.
    public init(classes: Int, clipsPerClass: Int) {
        self.classes = classes
        self.clipsPerClass = clipsPerClass
    }

    /// The part, in the order of `clips`.
    public func choose(from clips: [Clip]) -> [Clip] {
        let labels = Set(Self.spread(Set(clips.map(\.label)).sorted(), classes))
        var paths: Set<String> = []
        for label in labels {
            let own = clips.filter { $0.label == label }.sorted {
                ($0.split.rawValue, $0.path) < ($1.split.rawValue, $1.path)
            }
            paths.formUnion(Self.spread(own, clipsPerClass).map(\.path))
        }
        return clips.filter { paths.contains($0.path) }
    }

    /// The middle of each of `count` equal parts.
    private static func spread<Element>(_ elements: [Element], _ count: Int) -> [Element] {
        guard elements.count > count else { return elements }
        return (0..<count).map { elements[(2 * $0 + 1) * elements.count / (2 * count)] }
    }
}
