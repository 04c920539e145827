import Datasets
import FeatureCache
import NeuralNetwork
import Training

/// Metrics of a run's predictions, by the task of its data set.
package enum RunMetrics: Sendable, Equatable {
    case classes(Metrics)
    case labels(LabelMetrics)

    /// From stored predictions. `head`: the head's classes or labels, in the order of the probabilities.
    package init(_ predictions: [PredictionRecord], labels head: [String], task: DatasetConfiguration.Task) {
        self =
            task == .classification
            ? .classes(Metrics(predictions, labels: head)) : .labels(LabelMetrics(predictions, labels: head))
    }

    package var classes: Metrics? { if case .classes(let metrics) = self { metrics } else { nil } }
    package var labels: LabelMetrics? { if case .labels(let metrics) = self { metrics } else { nil } }

    package var count: Int {
        switch self {
        case .classes(let metrics): metrics.count
        case .labels(let metrics): metrics.count
        }
    }

    package var loss: Double {
        switch self {
        case .classes(let metrics): metrics.loss
        case .labels(let metrics): metrics.loss
        }
    }

    package var finiteLoss: Double? { loss.isFinite ? loss : nil }

    /// Whether every score is finite. Otherwise no metric may be used for ranking or model selection.
    package var isFinite: Bool {
        switch self {
        case .classes(let metrics): metrics.isFinite
        case .labels(let metrics): metrics.isFinite
        }
    }

    /// Share of the correctly classified clips; of those whose labels are all right, with several labels a clip.
    package var accuracy: Double {
        switch self {
        case .classes(let metrics): metrics.accuracy
        case .labels(let metrics): metrics.atThresholds.subsetAccuracy
        }
    }

    /// What runs are ranked by: the accuracy, or the mean average precision.
    package var score: Double { labels?.meanAveragePrecision ?? accuracy }

    /// Number of examples of classes that the head does not know, or the number of labels that it does not know; and
    /// their names.
    package var unknown: (count: Int, labels: [String]) {
        switch self {
        case .classes(let metrics): metrics.unknown
        case .labels(let metrics): (metrics.unknownLabels.count, metrics.unknownLabels)
        }
    }

    /// Without the examples of classes that the head does not know.
    package var ofKnownClasses: RunMetrics {
        switch self {
        case .classes(let metrics): .classes(metrics.ofKnownClasses)
        case .labels: self
        }
    }

    /// The loss of a guess that is the same for all clips.
    var lossOfGuessing: Double {
        switch self {
        case .classes(let metrics): metrics.lossOfGuessing
        case .labels: .log2
        }
    }

    /// Whether the loss is so far above that of guessing that training must have failed.
    var isLossAbsurd: Bool { loss > 10 * lossOfGuessing }

    /// Names and values for the table `metric` of the cache.
    var stored: [(name: String, value: Double)] {
        switch self {
        case .classes(let metrics):
            [
                ("accuracy", metrics.accuracy), ("balanced_accuracy", metrics.balancedAccuracy),
                ("macro_f1", metrics.macroF1), ("loss", metrics.loss),
            ]
        case .labels(let metrics):
            [
                ("mean_average_precision", metrics.meanAveragePrecision),
                ("micro_average_precision", metrics.microAveragePrecision),
                ("macro_f1", metrics.atThresholds.macro.f1), ("micro_f1", metrics.atThresholds.micro.f1),
                ("subset_accuracy", metrics.atThresholds.subsetAccuracy),
                ("hamming_loss", metrics.atThresholds.hammingLoss),
                ("loss", metrics.loss),
            ]
        }
    }
}

extension Double {
    /// The loss of the probability one half.
    fileprivate static let log2 = 0.693_147_180_559_945_3
}

extension DatasetConfiguration.Task {
    /// The metric that runs are ranked by.
    package var scoreName: String { self == .classification ? "accuracy" : "mean average precision" }
    /// Its name in the heading of a column.
    package var shortScoreName: String { self == .classification ? "accuracy" : "mAP" }
}

extension DatasetConfiguration.Task {
    /// Predictions without those of classes that the head does not know; with several labels a clip, without the
    /// unknown labels.
    func known(_ predictions: [PredictionRecord], labels: [String]) -> [PredictionRecord] {
        let known = Set(labels)
        switch self {
        case .classification: return predictions.filter { known.contains($0.label) }
        case .multilabel:
            return predictions.map { prediction in
                PredictionRecord(
                    videoID: prediction.videoID, split: prediction.split,
                    label: LabelSet.text(names(in: prediction.label).filter(known.contains)),
                    predicted: prediction.predicted, probability: prediction.probability,
                    probabilities: prediction.probabilities)
            }
        }
    }
}
