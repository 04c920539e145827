import FeatureCache
import Files

/// Valid values of `config.json`: those that a pipeline can state or training can store.
extension RunDirectory.Configuration {
    /// Valid numbers of classes.
    private static let classes = 1...1 << 20
    /// Valid sampling rates in frames per second.
    private static let rate = NumberRange.positive(atMost: 1_000_000)

    func validate() throws(InvalidValue) {
        guard Self.classes.contains(labels.count) else {
            throw InvalidValue("labels", "lists \(labels.count) classes, not \(Self.classes.words)")
        }
        guard Set(labels).count == labels.count else { throw InvalidValue("labels", "names a class twice") }
        try training.validate("training")
        try input.validate("input", for: training.model)
        try InvalidValue.check(bestEpoch, "bestEpoch", in: TrainingConfiguration.Ranges.epochs)
        try InvalidValue.check(sampledRate, "sampledRate", in: Self.rate)
        try InvalidValue.check(temperature, "temperature", in: .positive)
        guard thresholds.map({ $0.count == labels.count }) ?? true else {
            throw InvalidValue("thresholds", "are not one for each of \(labels.count) labels")
        }
        for threshold in thresholds ?? [] { try InvalidValue.check(threshold, "thresholds", in: .probability) }
        try calibration?.validate("calibration", count: labels.count)
        try crossValidation?.validate("crossValidation")
        for (place, part) in (missing ?? []).enumerated() { try part.validate("missing.\(place)") }
    }

    /// - `path`: of the run's folder.
    /// - Throws: `SequenceError.runDirectory` if the cache stores features of another shape for the run's recipe.
    package func requireShape(of record: ExtractionRecord, run path: String) throws {
        guard record.featureShape == input.shape else {
            throw SequenceError.runDirectory(
                path: path,
                reason:
                    "its head reads features of shape \(input.shape), but the cache stores shape \(record.featureShape)"
            )
        }
    }
}

extension CrossValidationResult.Summary {
    func validate(_ key: String) throws(InvalidValue) {
        try InvalidValue.check(folds, key + ".folds", in: TrainingConfiguration.Ranges.folds)
        try InvalidValue.check(repeats, key + ".repeats", in: TrainingConfiguration.Ranges.repeats)
        try InvalidValue.check(epochs, key + ".epochs", in: TrainingConfiguration.Ranges.epochs)
        try InvalidValue.check(averagedAccuracy, key + ".averagedAccuracy", in: .probability)
        try InvalidValue.check(diverged, key + ".diverged", in: 0...folds * repeats)
        guard accuracies.count == repeats, accuracies.allSatisfy({ $0.count == folds }) else {
            throw InvalidValue(key + ".accuracies", "is not \(repeats) lists of \(folds) values")
        }
        for accuracy in accuracies.joined() {
            try InvalidValue.check(accuracy, key + ".accuracies", in: .probability)
        }
        try InvalidValue.check(averagedPrecision, key + ".averagedPrecision", in: .probability)
        guard let averagePrecisions else { return }
        guard averagePrecisions.count == repeats, averagePrecisions.allSatisfy({ $0.count == folds }) else {
            throw InvalidValue(key + ".averagePrecisions", "is not \(repeats) lists of \(folds) values")
        }
        for value in averagePrecisions.joined() {
            try InvalidValue.check(value, key + ".averagePrecisions", in: .probability)
        }
    }
}

extension MissingClips {
    private static let counts = 0...1 << 32

    fileprivate func validate(_ key: String) throws(InvalidValue) {
        for (name, value) in [
            ("listed", listed), ("failed", failed), ("without_file", withoutFile), ("not_extracted", notExtracted),
        ] { try InvalidValue.check(value, "\(key).\(name)", in: Self.counts) }
    }
}

extension RunDirectory {
    /// The heads of all folds. Throws `SequenceError.runDirectory`, also if one has other classes or input features
    /// than `head`.
    package func foldHeads(like head: Head) throws -> [(directory: RunDirectory, head: Head)] {
        try foldDirectories().map { fold in
            let own = try fold.load().head
            guard own.labels == head.labels, own.input == head.input else {
                throw SequenceError.runDirectory(
                    path: fold.path, reason: "its classes or the features that it reads are not those of \(path)")
            }
            return (fold, own)
        }
    }
}
