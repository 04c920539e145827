import Datasets
import Exploration
import FeatureCache
import Foundation
import Reports
import SequenceModels

/// Lists whose rows link to clips of the map.
extension CollectionLists {
    static func nearDuplicates(
        _ search: NearDuplicateSearch, _ examples: [FeatureSet.Example], _ task: DatasetConfiguration.Task
    ) -> ExplorationReport.List {
        .init(
            id: "near-duplicates", heading: "Near-duplicates",
            text:
                "Clips with the same content in different files. If one is a training clip and the other a test clip, "
                + "the test \(task.scoreName) is too high. " + NearDuplicateSearch.limits,
            columns: ["clip", "near-duplicate", "splits", "likeness", "differs by"],
            rows: search.pairs.map { pair in
                let (one, two) = (examples[pair.first], examples[pair.second])
                return [
                    (one.path, pair.first), (two.path, pair.second),
                    (one.split == two.split ? one.split : "\(one.split), \(two.split)", nil),
                    (String(format: "%.3f", pair.similarity), nil), (pair.change, nil),
                ]
            })
    }

    static func labelErrors(
        _ labelErrors: [SuspectedLabelError], _ examples: [FeatureSet.Example]
    ) -> ExplorationReport.List {
        .init(
            id: "label-errors", heading: "Suspected label errors",
            text: "Held-out models give the label a low probability, and most neighbours have another label.",
            columns: ["clip", "label", "suggested label", "probability of the label", "neighbours with the label"],
            rows: labelErrors.map { entry in
                let example = examples[entry.index]
                return [
                    (example.path, entry.index), (example.label, nil), (entry.suggested, nil),
                    (String(format: "%.3f", entry.probability), nil), (share(entry.neighborShare), nil),
                ]
            })
    }

    /// `meanAveragePrecision`: of the held-out predictions; nil if there are none.
    static func suspectedLabels(
        _ suspected: [SuspectedLabel], _ examples: [FeatureSet.Example], meanAveragePrecision: Double?
    ) -> ExplorationReport.List {
        .init(
            id: "label-errors", heading: "Suspected label errors",
            text:
                "Held-out models give a clip that lacks the label a probability as if it had it (missing), or one that "
                + "has it a probability as if it lacked it (wrong), and its neighbours agree with them."
                + (meanAveragePrecision.map { " Their mean average precision is \(percent($0))." } ?? ""),
            columns: [
                "clip", "label", "suspected", "probability of the label", "neighbours with the label", "all labels",
            ],
            rows: suspected.map { entry in
                let example = examples[entry.index]
                return [
                    (example.path, entry.index), (entry.label, nil), (entry.isMissing ? "missing" : "wrong", nil),
                    (String(format: "%.3f", entry.probability), nil), (share(entry.neighborShare), nil),
                    (DatasetConfiguration.Task.multilabel.shown(example.label), nil),
                ]
            })
    }

    static func outliers(
        _ outliers: [Outlier], _ examples: [FeatureSet.Example], _ task: DatasetConfiguration.Task
    ) -> ExplorationReport.List {
        .init(
            id: "outliers", heading: "Outliers",
            text: "Clips far from all others, black, with a single frame, or without motion.",
            columns: ["clip", task == .classification ? "label" : "labels", "reason"],
            rows: outliers.map {
                let example = examples[$0.index]
                return [(example.path, $0.index), (task.shown(example.label), nil), ($0.reason, nil)]
            })
    }

    private static func share(_ value: Double) -> String { String(format: "%.0f %%", 100 * value) }
}
