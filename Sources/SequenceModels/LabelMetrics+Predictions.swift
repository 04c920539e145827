import Datasets
import FeatureCache

extension LabelMetrics {
    /// From stored predictions; a clip is predicted to have the labels that were stored, whatever the thresholds were.
    /// `head`: the head's labels, in the order of the probabilities.
    package init(_ predictions: [PredictionRecord], labels head: [String]) {
        let places = head.places
        let decided = predictions.map { prediction in
            Set(DatasetConfiguration.Task.multilabel.names(in: prediction.predicted).compactMap { places[$0] })
        }
        self.init(LabelScores(predictions, labels: head), decided: decided)
    }

    /// `decided`: indices of the labels that each clip is predicted to have.
    init(_ scores: LabelScores, decided: [Set<Int>]) {
        self.init(scores, loss: scores.crossEntropy) { decided[$0].contains($1) }
    }

    /// Labels of the clips that the head lacks.
    package var unknownLabels: [String] { Array(labels.dropFirst(knownClasses)) }
}
