import Datasets
import Extraction
import FeatureCache
import Reports
import SequenceModels

/// Predictions of a collection's clips by models that were not trained on them.
struct HeldOutPredictions {
    var byVideo: [Int64: PredictionRecord] = [:]
    /// In the order of the probabilities.
    var labels: [String] = []
    /// Nil for one class a clip, and without predictions.
    var meanAveragePrecision: Double?
    /// The mean average precision of a random order: the mean share of the clips that have a label.
    private var guess = 0.0

    init() {}

    /// `predictions`: whose labels are those that the models know.
    init(_ predictions: [PredictionRecord], labels: [String], _ task: DatasetConfiguration.Task) {
        byVideo = Dictionary(predictions.map { ($0.videoID, $0) }, uniquingKeysWith: { $1 })
        self.labels = labels
        if task == .multilabel, !predictions.isEmpty {
            let metrics = LabelMetrics(Array(byVideo.values), labels: labels)
            meanAveragePrecision = metrics.meanAveragePrecision
            let present = metrics.positives.filter { $0 > 0 }
            guess = Double(present.reduce(0, +)) / Double(max(1, present.count * metrics.count))
        }
    }

    /// What is said of predictions that are too poor to judge labels by; nil otherwise.
    func warning(_ task: DatasetConfiguration.Task) -> String? {
        if byVideo.isEmpty { return nil }
        let right = byVideo.values.count { $0.label == $0.predicted }
        let quality = meanAveragePrecision ?? Double(right) / Double(byVideo.count)
        // Half of the way from a guess to certainty; 50 % for classes.
        guard quality < (1 + guess) / 2 else { return nil }
        return task == .classification
            ? "The held-out accuracy of the linear head is only \(percent(quality)), so suspected label errors are "
                + "unreliable. Use a better head with --run."
            : "The held-out mean average precision is only \(percent(quality)), and that of a random order "
                + "\(percent(guess)), so suspected labels are unreliable. Use a better head with --run."
    }

    /// The predictions of a clip that a page shows: its predicted class, or the labels that it has or is predicted to
    /// have, the most probable first.
    func shown(
        _ example: FeatureSet.Example, _ task: DatasetConfiguration.Task
    ) -> [ExplorationReport.Prediction]? {
        guard let prediction = byVideo[example.videoID] else { return nil }
        if task == .classification {
            return [ExplorationReport.Prediction(label: prediction.predicted, probability: prediction.probability)]
        }
        let (own, chosen) = (Set(task.names(in: example.label)), Set(task.names(in: prediction.predicted)))
        return zip(labels, prediction.probabilities).filter { own.contains($0.0) || chosen.contains($0.0) }
            .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
            .map { ExplorationReport.Prediction(label: $0, probability: $1, isChosen: chosen.contains($0)) }
    }
}

extension CollectionReportBuilder {
    private static let folds = 5

    /// Predictions by models that were not trained on the clip: the run's, or those of a cross-validated linear head on
    /// mean features.
    func predictions(
        _ run: RunDirectory?, _ features: FeatureSet, _ notes: inout [String], _ report: (Int, Int) -> Void
    ) throws -> HeldOutPredictions {
        if let run {
            let configuration = try run.load().configuration
            let id = try cache.run(of: run, configuration)
            let held = try cache.predictions(run: id, split: "validation") + cache.predictions(run: id, split: "test")
            return HeldOutPredictions(held.filter(\.isScored), labels: configuration.labels, task)
        }
        let usable = task == .classification ? features : withoutRareLabels(features, &notes)
        let names = Set(usable.examples.flatMap { task.names(in: $0.label) })
        let shape = selection.extraction.record.featureShape
        guard names.count > (task == .classification ? 1 : 0), shape.count == 1 else {
            notes.append(
                task == .classification
                    ? "Labels were not checked: this needs at least two classes and one feature vector per frame."
                    : "Labels were not checked: this needs a label of at least \(Self.folds) clips and one feature "
                        + "vector per frame.")
            return HeldOutPredictions()
        }
        // Every clip is held out once, test clips included.
        let pooled = usable.placing { _ in Split.train.rawValue }
        var training = TrainingConfiguration(
            model: HeadConfiguration(kind: .average), standardize: true, epochs: 30, validation: 0)
        training.optimizer.weightDecay = 1e-2
        training.task = task == .multilabel ? .multilabel : nil
        do {
            let validation = try CrossValidation(
                training, folds: Self.folds, repeats: 1, features: pooled,
                input: .init(shape: shape, maximumLength: selection.extraction.record.maxFrames))
            var fits: [CrossValidation.Fit] = []
            try validation.fitAll(workers: workers, isCancelled: { false }) { outcome in
                guard case .fit(let fit) = outcome else { return }
                fits.append(fit)
                report(fits.count, validation.count)
            }
            guard fits.count == validation.count else {
                notes.append("Labels were not checked: the linear head diverged on these features.")
                return HeldOutPredictions()
            }
            let result = CrossValidationResult(fits.sorted { $0.index < $1.index }, of: validation)
            return HeldOutPredictions(decided(result.predictions, result.labels), labels: result.labels, task)
        } catch let error as FoldError {
            notes.append("Labels were not checked. " + error.localizedDescription)
            return HeldOutPredictions()
        }
    }

    /// The same clips without labels that are too rare for a positive in each fold.
    private func withoutRareLabels(_ features: FeatureSet, _ notes: inout [String]) -> FeatureSet {
        var sources: [String: Set<String>] = [:]
        for example in features.examples {
            for name in task.names(in: example.label) {
                sources[name, default: []].insert(example.group.map { "group " + $0 } ?? "clip " + example.path)
            }
        }
        let rare = sources.filter { $0.value.count < Self.folds }.keys.sorted()
        if rare.isEmpty { return features }
        let listed = rare.prefix(10).joined(separator: ", ") + (rare.count > 10 ? " …" : "")
        notes.append(
            "\(counted(rare.count, "label")) with fewer than \(Self.folds) clips (or groups) "
                + "\(rare.count == 1 ? "was" : "were") not checked: \(listed).")
        let dropped = Set(rare)
        return features.replacing(
            examples: features.examples.map { example in
                var example = example
                example.label = LabelSet.text(task.names(in: example.label).filter { !dropped.contains($0) })
                return example
            })
    }

    /// With several labels a clip, predictions at the thresholds that have the highest F1 on them.
    private func decided(_ predictions: [PredictionRecord], _ labels: [String]) -> [PredictionRecord] {
        if task == .classification { return predictions }
        let thresholds = LabelThresholds(LabelScores(predictions, labels: labels)).values
        return predictions.map { prediction in
            let chosen = zip(labels, zip(prediction.probabilities, thresholds)).filter { $0.1.0 >= $0.1.1 }.map(\.0)
            return PredictionRecord(
                videoID: prediction.videoID, split: prediction.split, label: prediction.label,
                predicted: LabelSet.text(chosen), probability: prediction.probability,
                probabilities: prediction.probabilities)
        }
    }
}
