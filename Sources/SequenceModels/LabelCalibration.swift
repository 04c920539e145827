import Datasets
import FeatureCache
import Files
import Foundation
import NeuralNetwork
import Training

/// Thresholds and calibration of a head with several labels a clip, fitted on clips that it was not trained on.
extension Head {
    /// The head with the threshold of each label that gives the highest F1 on these clips, and their metrics with it;
    /// without clips the thresholds stay. Heads for classes are unchanged.
    func choosingThresholds(
        _ features: FeatureSet, _ indices: [Int], averagingViews: Bool
    ) throws -> (head: Head, metrics: RunMetrics?) {
        if indices.isEmpty { return (self, nil) }
        let logits = try logits(features, indices, averagingViews: averagingViews)
        let truths = indices.map { features.examples[$0].label }
        let head = task == .classification ? self : choosingThresholds(probabilityRows(logits), truths)
        return (head, head.metrics(logits, truths: truths))
    }

    /// The same from predictions of clips that the head was not trained on.
    package func choosingThresholds(_ predictions: [PredictionRecord]) -> Head {
        let usable = predictions.filter { $0.probabilities.count == labels.count }
        guard task == .multilabel, !usable.isEmpty else { return self }
        return choosingThresholds(usable.map(\.probabilities), usable.map(\.label))
    }

    private func choosingThresholds(_ probabilities: [[Double]], _ truths: [String]) -> Head {
        var head = self
        head.thresholds = LabelThresholds(LabelScores(probabilities, truths: truths, labels: labels)).values
        return head
    }

    /// The calibrated head, if calibration is requested, with thresholds. Both are fitted on validation clips, or on
    /// the out-of-fold predictions of a cross-validation.
    func calibrated(
        _ features: FeatureSet, _ partition: Partition, _ crossValidation: CrossValidationResult?,
        _ training: TrainingConfiguration
    ) throws -> (head: Head, calibration: PlattScaling?) {
        let isCalibrated = training.calibrates == true
        guard let crossValidation else {
            if isCalibrated, partition.validation.isEmpty { throw SequenceError.nothingToCalibrateOn }
            var (head, calibration) = (self, PlattScaling?.none)
            if isCalibrated {
                let fitted = try PlattScaling.fit(self, features, partition.validation, training.averagesViews)
                (head, calibration) = (try scaled(fitted), fitted)
            }
            return (
                try head.choosingThresholds(
                    features, partition.validation, averagingViews: training.averagesViews
                ).head, calibration
            )
        }
        // Fitted on single models, like the final one, because averages over repetitions are less confident.
        let predictions = crossValidation.singlePredictions
        guard isCalibrated else { return (choosingThresholds(predictions), nil) }
        let logits = Tensor(
            shape: [predictions.count, labels.count],
            values: predictions.flatMap { $0.probabilities.map(Self.logOdds) })
        let truths = predictions.map(\.label)
        let calibration = PlattScaling.fit(logits: logits, truth: truth(truths))
        let calibrated = probabilityRows(calibration(logits))
        return (try scaled(calibration).choosingThresholds(calibrated, truths), calibration)
    }

    /// Whether each clip has each of the head's labels.
    func truth(_ texts: [String]) -> [[Bool]] {
        texts.map { text in
            let names = Set(task.names(in: text))
            return labels.map(names.contains)
        }
    }

    private static func logOdds(_ probability: Double) -> Float {
        Float(log(max(probability, 1e-30) / max(1 - probability, 1e-16)))
    }

    /// The head with the scores of each label scaled and shifted, which is folded into its last layer.
    func scaled(_ calibration: PlattScaling) throws -> Head {
        var tensors = parameters.tensors
        for parameter in plan.outputParameters {
            guard var tensor = tensors[parameter.name] else { continue }
            let size = tensor.count / labels.count
            for (row, (scale, offset)) in zip(calibration.scale, calibration.offset).enumerated() {
                for index in row * size..<(row + 1) * size { tensor.values[index] *= Float(scale) }
                if tensor.shape.count == 1 { tensor.values[row] += Float(offset) }
            }
            tensors[parameter.name] = tensor
        }
        var head = self
        head.parameters = try ParameterVector(plan.graph, from: NamedTensors(tensors))
        return head
    }
}

extension PlattScaling {
    /// Fitted on clips that the head was not trained on; on single frames or views if probabilities are averaged.
    static func fit(
        _ head: Head, _ features: FeatureSet, _ indices: [Int], _ averagesViews: Bool
    ) throws -> PlattScaling {
        let isFramewise = head.configuration.kind == .frame
        let spans = indices.flatMap { index -> [(FeatureSet.Span, String)] in
            let example = features.examples[index]
            let views = averagesViews ? example.views : [example.views[0]]
            return views.flatMap { isFramewise ? $0.frames : [$0] }.map { ($0, example.label) }
        }
        let packed = try head.batchLogits(features, spans.map(\.0))
        return fit(logits: packed, truth: head.truth(spans.map(\.1)))
    }

    func validate(_ key: String, count: Int) throws(InvalidValue) {
        guard scale.count == count, offset.count == count else {
            throw InvalidValue(key, "is not one scale and offset for each of \(count) labels")
        }
        for value in scale { try InvalidValue.check(value, key + ".scale", in: .positive) }
        guard offset.allSatisfy(\.isFinite) else { throw InvalidValue(key + ".offset", "is not finite") }
    }
}
