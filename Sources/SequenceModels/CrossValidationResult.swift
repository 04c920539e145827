import FeatureCache
import NeuralNetwork

package struct CrossValidationResult: Sendable {
    /// The summary in `config.json`.
    package struct Summary: Codable, Sendable, Equatable {
        package let folds: Int
        package let repeats: Int
        /// Accuracy on the held-out clips, by repetition and fold; of all labels of a clip together, if there are
        /// several.
        package let accuracies: [[Double]]
        /// Accuracy of the out-of-fold probabilities averaged over repetitions; nil in runs of versions before 1.1.
        /// With one repetition nothing is averaged.
        package var averagedAccuracy: Double?
        /// Mean average precision on the held-out clips, by repetition and fold, and of the averaged probabilities; nil
        /// for one class a clip.
        package var averagePrecisions: [[Double]]?
        package var averagedPrecision: Double?
        /// Number of models whose loss or scores became infinite or NaN after their best epoch; nil in runs of versions
        /// before 1.1.
        package var diverged: Int?
        /// Median of the models' best epochs, for which the final model is trained.
        package let epochs: Int
    }

    package let summary: Summary
    /// In the order of the heads' outputs.
    package let labels: [String]
    /// Out-of-fold predictions of every clip outside the test set, averaged over the repetitions; split `validation`.
    package let predictions: [PredictionRecord]
    /// Of `predictions`.
    package let metrics: RunMetrics
    /// 95 % interval of the score of `predictions`, clustered by source.
    package let interval: Statistics.Interval
    /// The out-of-fold predictions of each model.
    package let records: [FoldRecord]
    /// One model per repetition and fold.
    package let heads: [Head]
    let members: [[MembershipRecord]]
    /// The out-of-fold predictions of single models: one per clip and repetition.
    let singlePredictions: [PredictionRecord]

    /// - `fits`: all of them, in order.
    package init(_ fits: [CrossValidation.Fit], of validation: CrossValidation) {
        let folds = validation.folds
        labels = fits[0].head.labels
        func byFold(_ value: (RunMetrics) -> Double) -> [[Double]] {
            (0..<validation.repeats).map { number in
                fits[number * folds..<(number + 1) * folds].map { $0.heldOut.metrics.map(value) ?? 0 }
            }
        }
        let task = validation.training.labelTask
        let epochs = fits.map(\.bestEpoch).sorted()
        singlePredictions = fits.flatMap(\.heldOut.predictions)
        members = fits.map { fit in
            let parts: [(ClipRole, [Int])] = [
                (.train, fit.partition.train), (.validation, fit.partition.validation), (.heldout, fit.partition.test),
                (.test, validation.test),
            ]
            return parts.flatMap { role, indices in
                indices.map { MembershipRecord(videoID: validation.features.examples[$0].videoID, role: role) }
            }
        }
        records = fits.flatMap { fit in
            fit.heldOut.predictions.map {
                FoldRecord(
                    videoID: $0.videoID, number: fit.index / folds + 1, fold: fit.index % folds + 1,
                    predicted: $0.predicted, probabilities: $0.probabilities)
            }
        }
        heads = fits.map(\.head)
        predictions = Self.averaged(fits, labels)
        metrics = RunMetrics(predictions, labels: labels, task: task)
        interval = Comparison.interval(predictions, labels: labels, task: task, groups: validation.features.groups)
        var summary = Summary(
            folds: folds, repeats: validation.repeats, accuracies: byFold(\.accuracy),
            averagedAccuracy: metrics.accuracy, diverged: fits.count(where: \.isDiverged),
            epochs: max(1, epochs[epochs.count / 2]))
        if task == .multilabel {
            (summary.averagePrecisions, summary.averagedPrecision) = (byFold(\.score), metrics.score)
        }
        self.summary = summary
    }

    /// A clip is predicted with the mean probabilities and the mean thresholds of the models that did not see it.
    private static func averaged(_ fits: [CrossValidation.Fit], _ labels: [String]) -> [PredictionRecord] {
        var sums: [Int64: (label: String, probabilities: [Double], thresholds: [Double], count: Double)] = [:]
        for fit in fits {
            for prediction in fit.heldOut.predictions {
                let old = sums[prediction.videoID]
                sums[prediction.videoID] = (
                    prediction.label,
                    old.map { zip($0.probabilities, prediction.probabilities).map(+) } ?? prediction.probabilities,
                    old.map { zip($0.thresholds, fit.head.thresholds).map(+) } ?? fit.head.thresholds,
                    (old?.count ?? 0) + 1
                )
            }
        }
        return sums.sorted { $0.key < $1.key }.map { video, sum in
            let means = sum.probabilities.map { $0 / sum.count }
            var head = fits[0].head
            head.thresholds = sum.thresholds.map { $0 / sum.count }
            return PredictionRecord(
                videoID: video, split: "validation", label: sum.label, predicted: head.predicted(means),
                probability: means.max() ?? 0, probabilities: means)
        }
    }
}

extension CrossValidationResult.Summary {
    /// Mean and standard deviation of the accuracy, or of the mean average precision, over all folds of all
    /// repetitions.
    package var score: (mean: Double, standardDeviation: Double?) {
        Statistics.meanAndStandardDeviation((averagePrecisions ?? accuracies).flatMap { $0 })
    }
}
