import Datasets
import Exploration
import FeatureCache
import Foundation
import Reports

/// Statistics of a collection as lists of a report.
enum CollectionLists {
    /// Classes or labels, their number of clips by split, and their imbalance. A clip counts for each of its labels.
    static func classes(_ facts: [VideoFacts], _ task: DatasetConfiguration.Task) -> ExplorationReport.List {
        let splits = ["train", "validation", "test"].filter { split in facts.contains { $0.split == split } }
        func row(_ name: String, _ own: [VideoFacts]) -> [String] {
            [name] + splits.map { split in "\(own.count { $0.split == split })" } + ["\(own.count)"]
        }
        let pairs = facts.flatMap { fact in task.names(in: fact.label).map { (name: $0, fact: fact) } }
        let byLabel = Dictionary(grouping: pairs, by: \.name).mapValues { $0.map(\.fact) }
        let counts = byLabel.values.map(\.count)
        let ratio = Double(counts.max() ?? 1) / Double(max(1, counts.min() ?? 1))
        var rows = byLabel.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }.map { row($0.key, $0.value) }
        guard task == .multilabel else {
            return list(
                "classes", "Class sizes",
                "The largest class has \(decimal(ratio, 1)) times the clips of the smallest"
                    + (ratio > 3 ? ": consider `class_weights: balanced`." : "."), ["class"] + splits + ["clips"],
                rows)
        }
        let none = facts.filter { task.names(in: $0.label).isEmpty }
        rows += [row("none", none), row("all clips", facts)]
        let mean = Double(pairs.count) / Double(max(1, facts.count))
        return list(
            "classes", "Clips of each label",
            "A clip counts for each of its labels; it has \(decimal(mean, 2)) on average. The most frequent label has "
                + "\(decimal(ratio, 1)) times the clips of the rarest"
                + (ratio > 3 ? ": consider `pos_weight: balanced`." : "."), ["label"] + splits + ["clips"], rows)
    }

    /// Durations, sizes and frame rates, with unusual ones.
    static func shapes(_ facts: [VideoFacts]) -> ExplorationReport.List {
        var rows: [[String]] = []
        func add(_ name: String, _ values: [Double], _ unit: String) {
            let sorted = values.sorted()
            guard let least = sorted.first, let most = sorted.last else { return }
            rows.append([
                name, decimal(sorted[sorted.count / 2], 2) + unit, "\(decimal(least, 2)) to \(decimal(most, 2))\(unit)",
            ])
        }
        add("length", facts.compactMap(\.duration), " s")
        add("frames per second", facts.compactMap(\.frameRate), "")
        let sizes = Dictionary(
            grouping: facts.compactMap { fact in fact.width.flatMap { w in fact.height.map { "\(w) × \($0)" } } },
            by: { $0 }
        ).mapValues(\.count).sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        for (size, count) in sizes.prefix(8) { rows.append(["size", size, "\(grouped(count)) clips"]) }
        if sizes.count > 8 {
            rows.append(["size", "others", "\(grouped(sizes.dropFirst(8).reduce(0) { $0 + $1.value })) clips"])
        }
        return list(
            "shapes", "Lengths, sizes, rates", "As stated in the files.",
            ["of the clips", "median or size", "range or number"], rows)
    }

    /// Clips with skipped damaged parts; nil if there are none.
    static func damaged(_ facts: [VideoFacts]) -> ExplorationReport.List? {
        let damaged = facts.filter { $0.decodeErrors > 0 }.sorted { $0.decodeErrors > $1.decodeErrors }
        guard !damaged.isEmpty else { return nil }
        return list(
            "damaged", "Damaged", "Clips with segments that could not be decoded and were skipped.",
            ["clip", "stretches"], damaged.map { [$0.path, "\($0.decodeErrors)"] })
    }

    /// Clips that could not be extracted; nil if there are none.
    static func failures(_ failures: [String: (error: String, at: Date)]) -> ExplorationReport.List? {
        guard !failures.isEmpty else { return nil }
        return list(
            "failures", "Failures", "Clips that could not be extracted.", ["clip", "reason"],
            failures.sorted { $0.key < $1.key }.map { [$0.key, $0.value.error] })
    }

    private static func list(
        _ id: String, _ heading: String, _ text: String, _ columns: [String], _ rows: [[String]]
    ) -> ExplorationReport.List {
        .init(id: id, heading: heading, text: text, columns: columns, rows: rows.map { $0.map { ($0, nil) } })
    }
}
