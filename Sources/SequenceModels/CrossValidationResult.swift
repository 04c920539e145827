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
        /// Share of the clips that are classified correctly by the average over the repeats of their held-out probabilities; nil in
        /// runs of versions before 1.1. With one repeat nothing is averaged.
        public var averagedAccuracy: Double?
        /// Models whose loss or scores became infinite or NaN after their best epoch; nil in runs of versions before 1.1.
        public var diverged: Int?
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
    /// The clips of each model.
    let members: [[MembershipRecord]]
    /// What single models say of the clips that were held out from them: as many for each clip as there are repeats.
    public let singlePredictions: [PredictionRecord]

    /// - `fits`: all of them, in order.
    public init(_ fits: [CrossValidation.Fit], of validation: CrossValidation) {
        let folds = validation.folds
        labels = fits[0].head.labels
        let accuracies = (0..<validation.repeats).map { number in
            fits[number * folds..<(number + 1) * folds].map { $0.heldOut.metrics?.accuracy ?? 0 }
        }
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
        metrics = Metrics(predictions, labels: labels)
        interval = Comparison.interval(predictions, groups: validation.features.groups)
        summary = Summary(
            folds: folds, repeats: validation.repeats, accuracies: accuracies, averagedAccuracy: metrics.accuracy,
            diverged: fits.count(where: \.isDiverged), epochs: max(1, epochs[epochs.count / 2]))
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
