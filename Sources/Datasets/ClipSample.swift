/// A small, evenly spaced sample of a data set for experiments.
package struct ClipSample: Sendable, Equatable {
    /// Maximum number of classes, evenly spaced in label order.
    package let classes: Int
    /// Maximum clips per class, evenly spaced, so that each split is represented.
    package let clipsPerClass: Int

    package init(classes: Int, clipsPerClass: Int) { (self.classes, self.clipsPerClass) = (classes, clipsPerClass) }

    /// The sample, in the order of `clips`.
    package func choose(from clips: [Clip]) -> [Clip] {
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

    /// The middle element of each of `count` equal parts.
    private static func spread<Element>(_ elements: [Element], _ count: Int) -> [Element] {
        guard elements.count > count else { return elements }
        return (0..<count).map { elements[(2 * $0 + 1) * elements.count / (2 * count)] }
    }
}
