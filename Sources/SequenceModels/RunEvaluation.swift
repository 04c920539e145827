import Datasets
import Escaping
import FeatureCache
import Foundation
import NeuralNetwork

/// Evaluation of a trained run on its own clips, with the roles that the run recorded.
package struct RunEvaluation: Sendable {
    package let role: ClipRole
    package let metrics: RunMetrics
    package let predictions: [PredictionRecord]
    /// Of two classes, the one that ROC curve, precision and recall are of; nil is the second.
    package let positive: String?
    package var scores: ScoreMetrics { ScoreMetrics(predictions, labels: head.labels, positive: positive) }
    /// 95 % interval of the accuracy, or of the mean average precision, clustered by source.
    package let interval: Statistics.Interval
    /// The final model.
    package let head: Head
    /// The thresholds of the predictions, one for each label; empty for classes, and for held-out clips, whose fold
    /// models each have their own.
    package var thresholds: [Double] {
        head.task == .classification || role == .heldout && configuration.crossValidation != nil ? [] : head.thresholds
    }
    package let configuration: RunDirectory.Configuration
    package let features: FeatureSet
    /// The role's clips as indices into `features.examples`.
    package var indices: [Int] { Array(features.examples.indices) }
    /// What the metrics omit, as sentences.
    package var notes: [String] { [unknownNote].compactMap(\.self) + otherNotes }
    /// How clips of classes that training lacked are counted; nil if there are none. They are never part of
    /// concatenated streams.
    private let unknownNote: String?
    /// The notes that apply to concatenated streams too.
    package let otherNotes: [String]

    /// - `wanted`: nil selects test if the run has such clips, otherwise held-out, otherwise validation clips. In a
    ///   cross-validated run `validation` means held-out.
    /// - `path`: of the cache; nil is the one that the run recorded.
    /// - `positive`: of two classes, the positive one; nil is the one of the training configuration.
    /// - `leavesOutUnknown`: whether clips of classes that training lacked are omitted; otherwise they count as errors.
    /// - Throws: `SequenceError`, `CacheError`, `WeightsError`.
    package init(
        _ directory: RunDirectory, role wanted: ClipRole? = nil, cache path: String? = nil,
        positive: String? = nil, leavesOutUnknown: Bool = false
    ) throws {
        let (head, configuration) = try directory.load()
        try head.configuration.kind.check(positive: positive, among: head.labels, option: "--positive")
        self.positive = positive ?? configuration.training.positive
        let cache = try CacheFile(path: path ?? configuration.cache, create: false)
        guard let extraction = try cache.extractions().first(where: { $0.record.digest == configuration.recipeDigest })
        else {
            throw SequenceError.notExtracted(cache: cache.path, recipe: configuration.recipe, available: [])
        }
        try configuration.requireShape(of: extraction.record, run: directory.path)
        let clips = try RunClips(directory, configuration, in: cache)
        let role = try Self.role(wanted, clips)
        let videos = try cache.videoIDs()
        let own = Set(clips.digests(role).compactMap { videos[$0] })
        let stored = try cache.features(
            dataset: configuration.dataset, extraction: extraction.id, videos: own,
            views: configuration.training.views, overlapping: true)
        // Labels are those recorded by the run, too.
        let labels = clips.labels
        let recorded = Dictionary(
            videos.compactMap { digest, id in labels[digest].map { (id, $0) } }, uniquingKeysWith: { a, _ in a })
        let features = stored.relabelling { recorded[$0.videoID] }
        let relabelled = zip(stored.examples, features.examples).count { $0.label != $1.label }
        let groups = try cache.groups(dataset: configuration.dataset)
        (self.role, self.head, self.configuration, self.features) = (role, head, configuration, features)
        let all: [PredictionRecord]
        var live: RunMetrics?
        if role == .heldout, configuration.crossValidation != nil {
            // Out-of-fold predictions.
            let run = try cache.run(of: directory, configuration)
            all = try cache.predictions(run: run, split: Split.validation.rawValue)
        } else {
            // As after `finetune`, before features of its backbone were extracted.
            guard !features.examples.isEmpty else {
                throw SequenceError.noSamples(dataset: configuration.dataset, available: try cache.datasets())
            }
            let evaluation = try Evaluation(
                head, features, Array(features.examples.indices), split: Split(rawValue: role.rawValue) ?? .validation,
                averagingViews: configuration.training.averagesViews)
            // Verified before non-finite scores are reported, since damaged features would explain them.
            try features.requireVerified()
            guard evaluation.unscored == 0 else { throw SequenceError.noProbabilities }
            all = evaluation.predictions
            live = evaluation.metrics
        }
        try features.requireVerified()
        let task = head.task
        let known = task.known(all, labels: head.labels)
        predictions = leavesOutUnknown ? known : all
        guard !predictions.isEmpty else {
            throw SequenceError.noSplit(role.rawValue, available: clips.roles.map(\.rawValue))
        }
        // Logits give the loss even if probabilities are too small to be stored.
        metrics =
            leavesOutUnknown && task == .multilabel
            ? RunMetrics(predictions, labels: head.labels, task: task)
            : live.map { leavesOutUnknown ? $0.ofKnownClasses : $0 }
                ?? RunMetrics(predictions, labels: head.labels, task: task)
        interval = Comparison.interval(predictions, labels: head.labels, task: task, groups: groups)
        unknownNote = Self.unknownNote(
            RunMetrics(all, labels: head.labels, task: task).unknown, leavesOut: leavesOutUnknown, task)
        // Stored out-of-fold predictions need no features.
        var notes = Self.notes(
            configuration, role, missing: live == nil ? 0 : clips.digests(role).count - features.examples.count)
        if relabelled > 0 {
            notes.append(
                "\(count(relabelled, "clip")) \(relabelled == 1 ? "has" : "have") another label in the data set now; "
                    + "the metrics use the labels that the run was trained with")
        }
        if head.task == .multilabel, role == .heldout, configuration.crossValidation != nil {
            notes.append(
                "held-out clips are predicted with thresholds that each fold model chose on its own validation clips"
                    + (configuration.training.calibrates == true ? ", and without calibration" : ""))
        }
        notes += try Self.plausibilityWarnings(cache, configuration, metrics)
        let added = try Self.added(cache, configuration, clips, videos, extraction.id)
        if added > 0 {
            notes.append(
                "\(count(added, "clip")) of the data set \(added == 1 ? "was" : "were") added after training; the run "
                    + "did not use them, so they are left out")
        }
        otherNotes = notes
    }

    /// Evaluates the run on concatenated clips of its role. Held-out clips are given only to models that were not
    /// trained on them. `path`: of the cache; nil is the one that the run recorded. Throws `SequenceError`,
    /// `CacheError`, `WeightsError`.
    package func continuous(
        _ directory: RunDirectory, cache path: String? = nil, _ options: ContinuousEvaluation.Options
    ) throws -> ContinuousEvaluation {
        if head.task == .multilabel { throw SequenceError.needsClasses("--continuous") }
        guard role == .heldout, configuration.crossValidation != nil else {
            return try ContinuousEvaluation(head, features, indices, options)
        }
        let cache = try CacheFile(path: path ?? configuration.cache, create: false)
        let run = try cache.run(of: directory, configuration)
        let held = Dictionary(grouping: try cache.heldOutClips(run: run)) { "\($0.repeat)-\($0.fold)" }
        let places = Dictionary(
            features.examples.enumerated().map { ($1.videoID, $0) }, uniquingKeysWith: { first, _ in first })
        let parts = try directory.foldHeads(like: head).map { fold, head -> ContinuousEvaluation.Part in
            let own = held[URL(fileURLWithPath: fold.path).lastPathComponent] ?? []
            return (head, own.compactMap { places[$0.videoID] })
        }
        return try ContinuousEvaluation(parts, features, options)
    }

    private static func role(_ wanted: ClipRole?, _ clips: RunClips) throws -> ClipRole {
        let available = clips.roles
        let isCrossValidated = available.contains(.heldout) && !available.contains(.validation)
        let meant = wanted == .validation && isCrossValidated ? .heldout : wanted
        guard let role = meant ?? available.first, available.contains(role) else {
            throw SequenceError.noSplit(wanted?.rawValue ?? "test", available: available.map(\.rawValue))
        }
        return role
    }

    private static func unknownNote(
        _ unknown: (count: Int, labels: [String]), leavesOut: Bool, _ task: DatasetConfiguration.Task
    ) -> String? {
        let clips = unknown.count
        guard clips > 0 else { return nil }
        if task == .multilabel {
            let names = unknown.labels.prefix(8).joined(separator: ", ") + (unknown.labels.count > 8 ? ", …" : "")
            return "\(count(clips, "label")) without training clips (\(names)) "
                + (leavesOut
                    ? "\(clips == 1 ? "is" : "are") left out"
                    : "\(clips == 1 ? "counts" : "count") as missed, with an average precision of 0")
        }
        return "\(count(clips, "clip")) of classes without training clips "
            + (leavesOut ? "\(clips == 1 ? "is" : "are") left out" : "count\(clips == 1 ? "s" : "") as wrong")
    }

    private static func notes(
        _ configuration: RunDirectory.Configuration, _ role: ClipRole, missing: Int
    ) -> [String] {
        var notes: [String] = []
        if missing > 0 {
            notes.append(
                "\(count(missing, "\(role.rawValue) clip")) of the run \(missing == 1 ? "has" : "have") no features "
                    + "in the cache any more and \(missing == 1 ? "is" : "are") left out")
        }
        if let parts = configuration.missing, parts.total.count > 0 {
            notes.append("when the run was trained, " + parts.text)
        }
        return notes
    }

    /// Warnings about divergence or an implausible loss.
    private static func plausibilityWarnings(
        _ cache: CacheFile, _ configuration: RunDirectory.Configuration, _ metrics: RunMetrics
    ) throws -> [String] {
        let state = try cache.runs().first { $0.name == configuration.name }?.state
        var warnings = SequenceRun.warnings([.test: metrics]).map { $0.replacingBytes("test clips", with: "clips") }
        if state == RunState.diverged.rawValue {
            warnings.insert("training diverged: the model is that of the best epoch before it", at: 0)
        }
        return warnings
    }

    /// Number of clips of the data set with features and known classes that have no role in the run.
    private static func added(
        _ cache: CacheFile, _ configuration: RunDirectory.Configuration, _ clips: RunClips, _ videos: [String: Int64],
        _ extraction: Int64
    ) throws -> Int {
        let extracted = Set(
            try cache.extractedClips(dataset: configuration.dataset, extraction: extraction)
                .filter { $0.length > 0 }.compactMap { videos[$0.digest] })
        let used = Set(clips.entries.compactMap { videos[$0.digest] })
        let (labels, excluded) = (Set(configuration.labels), Set(configuration.excluded ?? []))
        let task = configuration.training.labelTask
        return try cache.placedSamples(dataset: configuration.dataset).count {
            !used.contains($0.videoID) && extracted.contains($0.videoID)
                && labels.isSuperset(of: task.names(in: $0.sample.label)) && !excluded.contains($0.path)
        }
    }
}

/// Formats "1 clip" or "2 clips".
func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
