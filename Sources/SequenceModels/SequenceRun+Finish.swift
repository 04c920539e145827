import Datasets
import FeatureCache
import Foundation
import NeuralNetwork

/// The end of a run: metrics, predictions and files.
extension SequenceRun {
    func finish(
        _ result: Trainer.Result, _ features: FeatureSet, _ partition: Partition,
        _ configuration: RunDirectory.Configuration, _ recorder: RunRecorder, seconds: Double
    ) throws -> Summary {
        let (head, temperature, calibration) = try calibrated(result.head, features, partition)
        var metrics: [Split: RunMetrics] = [:]
        var predictions: [PredictionRecord] = []
        for split in [Split.train, .validation, .test] where !partition[split].isEmpty {
            let evaluation = try Evaluation(
                head, features, partition[split], split: split, averagingViews: training.averagesViews)
            metrics[split] = evaluation.metrics
            predictions += evaluation.predictions
        }
        let (directory, cache) = (recorder.directory, recorder.cache)
        if let crossValidation {
            metrics[.validation] = crossValidation.metrics
            predictions += crossValidation.predictions
            try cache.store(crossValidation.records, run: recorder.id)
            try directory.saveFolds(
                crossValidation, configuration, clips: cache.members(run: recorder.id), labels: features.labels)
        }
        var configuration = configuration
        configuration.bestEpoch = result.bestEpoch
        (configuration.temperature, configuration.calibration) = (temperature, calibration)
        if training.labelTask == .multilabel { configuration.thresholds = head.thresholds }
        let ending = try recorder.finish(head, configuration, predictions, metrics, result.ending)
        if leavesOutUnknown, head.task == .multilabel {
            for split in metrics.keys {
                let own = predictions.filter { $0.split == split.rawValue }
                metrics[split] = RunMetrics(
                    head.task.known(own, labels: head.labels), labels: head.labels, task: head.task)
            }
        }
        return Summary(
            directory: directory.path, bestEpoch: result.bestEpoch, epochs: result.epochs, seconds: seconds,
            metrics: metrics, crossValidation: crossValidation, warnings: Self.warnings(metrics), ending: ending)
    }

    /// Reasons to doubt the metrics, as sentences.
    package static func warnings(_ metrics: [Split: RunMetrics]) -> [String] {
        let worst = Split.allCases.compactMap { split in metrics[split].map { (split, $0) } }.filter(\.1.isLossAbsurd)
            .max { $0.1.loss < $1.1.loss }
        return worst.map { split, metrics in
            [
                "the loss of the \(split.rawValue) clips is \(Self.short(metrics.loss)), and that of uniform guessing "
                    + "is \(Self.short(metrics.lossOfGuessing)): try a smaller `optimizer.learning_rate` or "
                    + "`standardize: true`"
            ]
        } ?? []
    }

    private static func short(_ number: Double) -> String {
        number.formatted(.number.precision(.significantDigits(3)).locale(.init(identifier: "en_US_POSIX")))
    }

    /// The head with temperature scaling, if it is requested and there are clips to fit it on; with several labels a
    /// clip, with the calibration and the threshold of each label.
    private func calibrated(
        _ head: Head, _ features: FeatureSet, _ partition: Partition
    ) throws -> (head: Head, temperature: Double?, calibration: PlattScaling?) {
        if training.labelTask == .multilabel {
            let (head, calibration) = try head.calibrated(
                features, partition, crossValidation, training)
            return (head, nil, calibration)
        }
        guard training.calibrates == true else { return (head, nil, nil) }
        if let crossValidation {
            // Fitted on single models, like the final one, because averages over repetitions are less confident.
            let temperature = TemperatureScaling.fit(crossValidation.singlePredictions, labels: crossValidation.labels)
            return (try head.scaled(by: 1 / temperature), temperature, nil)
        }
        let places = head.labels.places
        let known = partition.validation.filter { places[features.examples[$0].label] != nil }
        guard !known.isEmpty else { throw SequenceError.nothingToCalibrateOn }
        let (scaled, temperature) = try TemperatureScaling.fit(
            head, features, known, targets: known.compactMap { places[features.examples[$0].label] },
            averagingViews: training.averagesViews)
        return (scaled, temperature, nil)
    }
}
