import Datasets
import Extraction
import FeatureCache
import Foundation
import SequenceModels

/// A run as its report shows it, whatever the task: its configuration, epochs, and predictions of one split.
struct ReportedRun {
    let split: Split
    let head: Head
    let configuration: RunDirectory.Configuration
    let recipe: ExtractionRecipe
    let summary: RunSummary?
    let epochs: [EpochRecord]
    /// Of all splits.
    let clips: [UsedClip]
    /// Of `split`.
    let predictions: [PredictionRecord]
    let splits: [String]
    /// 95 % interval of the accuracy, or of the mean average precision.
    let interval: Statistics.Interval
    /// Row ID of the recipe in the cache; nil if its features were removed.
    let extraction: Int64?
    let root: String?

    /// Arguments and errors as those of `RunReport.init`.
    init(_ directory: RunDirectory, role wanted: ClipRole?, _ cache: CacheFile, root: String?) throws {
        let (head, configuration) = try directory.load()
        (self.head, self.configuration) = (head, configuration)
        let run = try cache.run(of: directory, configuration)
        let clips = try cache.clips(run: run)
        let available = [Split.test, .validation, .train].filter { split in
            clips.contains { $0.split == split.rawValue }
        }
        // The cache stores out-of-fold predictions under the validation split.
        let meant = wanted.map { Split(rawValue: $0.rawValue) ?? .validation }
        guard let split = meant ?? available.first, available.contains(split) else {
            throw SequenceError.noSplit(wanted?.rawValue ?? "test", available: available.map(\.rawValue))
        }
        predictions = try cache.predictions(run: run, split: split.rawValue)
        (self.split, self.clips, self.root) = (split, clips, root ?? configuration.root)
        recipe = try ExtractionRecipe(json: configuration.recipe)
        summary = try cache.runs().first { $0.name == configuration.name }
        epochs = try cache.epochs(run: run)
        interval = Comparison.interval(
            predictions, labels: head.labels, task: head.task,
            groups: try cache.groups(dataset: configuration.dataset))
        splits = Split.allCases.map(\.rawValue).filter { split in clips.contains { $0.split == split } }
        let stored = try cache.extractions().first { $0.record.digest == configuration.recipeDigest }
        try stored.map { try configuration.requireShape(of: $0.record, run: directory.path) }
        extraction = stored?.id
    }

    var parameters: Int { head.parameters.values.count }

    /// Whether the predictions are out-of-fold.
    var isHeldOut: Bool { configuration.crossValidation != nil && split == .validation }

    var subtitle: String {
        "\(configuration.training.model.summary) on \(recipe.backbone) features of \(configuration.dataset); "
            + "metrics of the \(isHeldOut ? "held-out" : split.rawValue) clips"
    }

    var footer: String { "Zoetrope \(configuration.version) · \(split.rawValue) clips of \(configuration.dataset)" }

    /// Clips of each class or label by split.
    var counts: [String: [String: Int]] {
        clips.reduce(into: [:]) { counts, clip in
            for name in head.task.names(in: clip.label) { counts[name, default: [:]][clip.split, default: 0] += 1 }
        }
    }

    /// `unknown`: a sentence about classes or labels without training clips.
    func notes(_ metrics: RunMetrics, unknown: String?) -> [String] {
        var notes: [String] = []
        if recipe.weights == "random" {
            notes.append("The features come from an untrained (random) \(recipe.backbone).")
        }
        if let state = summary?.state, state != "finished" { notes.append("The state of this run is \"\(state)\".") }
        if let unknown { notes.append(unknown) }
        if let parts = configuration.missing, parts.total.count > 0 {
            notes.append("When the run was trained, " + parts.text + ".")
        }
        notes += SequenceRun.warnings([split: metrics]).map { "Warning: " + $0 + "." }
        let score = head.task == .classification ? "accuracy" : "metrics"
        if isHeldOut {
            notes.append("Fold models predicted these held-out clips; the model that is kept was trained on them.")
        } else if split == .train {
            notes.append(
                "The run was trained on these clips, so their \(score) \(score == "accuracy" ? "does" : "do") not "
                    + "generalise to other clips.")
        } else if split == .validation {
            notes.append(
                "These clips are used for model selection, so their \(score) \(score == "accuracy" ? "is" : "are") "
                    + "optimistic.")
        }
        return notes
    }

    /// Tiles of the run itself.
    var tiles: [Page.Tile] {
        var tiles: [Page.Tile] = []
        if let folds = configuration.crossValidation {
            let (mean, standardDeviation) = folds.score
            tiles.append(
                Page.Tile(
                    name: "held-out \(head.task.scoreName) of single models", value: percent(mean),
                    detail: (standardDeviation.map { "± \(percent($0)) " } ?? "")
                        + "over \(folds.folds) folds, \(counted(folds.repeats, "repeat"))"))
        }
        return tiles
    }

    var epochTile: Page.Tile? {
        summary.map {
            Page.Tile(
                name: "epochs", value: "\($0.epochs)",
                detail: "best \(configuration.bestEpoch), \(decimal($0.seconds, 1)) s")
        }
    }
}
