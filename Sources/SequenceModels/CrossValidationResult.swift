import FeatureCache
import NeuralNetwork

/// What the models of a cross-validation say together.
public struct CrossValidationResult: Sendable {
    /// What `config.json` keeps of it.
    public struct Summary: Codable, Sendable, Equatable {
        /// Parts of each cut.
        public let folds: Int
        /// Cuts.
        public let repeats: Int
        /// Share of the held-out clips that were named rightly, by repeat and fold.
        public let accuracies: [[Double]]
        /// Median of the models' best epochs: how long the model that is kept was trained.
        public let epochs: Int
    }

    /// Cuts, accuracies and epochs.
    public let summary: Summary
    /// In the order of the heads' outputs.
    public let labels: [String]
    /// Of every clip that is not in the test part, its probabilities averaged over the repeats; split `validation`.
    public let predictions: [PredictionRecord]
    /// Over `predictions`.
    public let metrics: Metrics
    /// 95 %, of the accuracy over `predictions`; clips of one source count together.
    public let interval: Statistics.Interval
    /// What each model says of the clips that were held out.
    public let records: [FoldRecord]
    /// All repeats' folds, one model each.
    public let heads: [Head]

    /// - `fits`: all of them, in order.
    public init(_ fits: [CrossValidation.Fit], of validation: CrossValidation) {
        let folds = validation.folds
        labels = fits[0].head.labels
        let accuracies = (0..<validation.repeats).map { number in
            fits[number * folds..<(number + 1) * folds].map { fit in
                let right = fit.heldOut.predictions.count { $0.label == $0.predicted }
                return Double(right) / Double(max(1, fit.heldOut.predictions.count))
            }
        }
        let epochs = fits.map(\.bestEpoch).sorted()
        summary = Summary(
            folds: folds, repeats: validation.repeats, accuracies: accuracies, epochs: max(1, epochs[epochs.count / 2]))
        records = fits.flatMap { fit in
            fit.heldOut.predictions.map {
                FoldRecord(
                    videoID: $0.videoID, number: fit.index / folds + 1, fold: fit.index % folds + 1,
                    predicted: $0.predicted, probabilities: $0.probabilities)
            }
        }
        heads = fits.map(\.head)
        predictions = Self.averaged(fits, labels)
        metrics = Metrics(predictions, labels: labels)
        interval = Comparison.interval(predictions, groups: validation.features.groups)
    }

    private static func averaged(_ fits: [CrossValidation.Fit], _ labels: [String]) -> [PredictionRecord] {
        var sums: [Int64: (label: String, probabilities: [Double], count: Double)] = [:]
        for prediction in fits.flatMap(\.heldOut.predictions) {
            let old = sums[prediction.videoID]
            let sum = old.map { zip($0.probabilities, prediction.probabilities).map(+) } ?? prediction.probabilities
            sums[prediction.videoID] = (prediction.label, sum, (old?.count ?? 0) + 1)
        }
        return sums.sorted { $0.key < $1.key }.map { video, sum in
            let means = sum.probabilities.map { $0 / sum.count }
            let best = means.indices.max { (means[$0], -$0) < (means[$1], -$1) } ?? 0
            return PredictionRecord(
                videoID: video, split: "validation", label: sum.label, predicted: labels[best],
                probability: means[best],
                probabilities: means)
        }
    }
}

extension CrossValidationResult.Summary {
    /// Over all folds of all repeats.
    public var accuracy: (mean: Double, deviation: Double?) {
        Statistics.meanAndDeviation(accuracies.flatMap { $0 })
    }
}
