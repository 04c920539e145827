import Datasets
import FeatureCache
import Foundation
import Testing
@testable import SequenceModels

@Suite struct CrossValidationTests {
    static let features = OrderProblem.features(48)
    static var input: HeadConfiguration.Input { .init(shape: [4], maximumLength: 8) }

    static func fits(_ validation: CrossValidation) throws -> [CrossValidation.Fit] {
        try (0..<validation.count).compactMap { try validation.fit($0) }
    }

    @Test(
        "each clip outside the test split is held out once per repeat, in the fold of its source's other clips"
    )
    func holdsOut() throws {
        let examples = Self.features.examples.enumerated().map { index, example in
            example.with(group: "\(example.label) \(index / 6)", views: example.views)
        }
        let features = FeatureSet(examples: examples, featureSize: 4, rows: Self.features.rows)
        var training = OrderProblem.training(.average, epochs: 1)
        training.validation = 0.25
        let validation = try CrossValidation(training, folds: 3, repeats: 2, features: features, input: Self.input)
        let fits = try Self.fits(validation)
        let pool = Set(examples.filter { $0.split != "test" }.map(\.videoID))
        for number in 0..<2 {
            let held = fits.filter { $0.index / 3 == number }.flatMap(\.heldOut.predictions).map(\.videoID)
            #expect(held.count == pool.count && Set(held) == pool)
        }
        let groups = Dictionary(uniqueKeysWithValues: examples.map { ($0.videoID, $0.group ?? "") })
        for fit in fits {
            let held = Set(fit.heldOut.predictions.compactMap { groups[$0.videoID] })
            let others = fits.filter { $0.index / 3 == fit.index / 3 && $0.index != fit.index }
                .flatMap(\.heldOut.predictions).compactMap { groups[$0.videoID] }
            #expect(held.isDisjoint(with: others))
            #expect(fit.inner != nil && fit.trained + fit.heldOut.predictions.count == pool.count)
        }
        let result = CrossValidationResult(fits, of: validation)
        #expect(Set(result.predictions.map(\.videoID)) == pool && result.predictions.count == pool.count)
        #expect(result.records.count == 2 * pool.count && result.metrics.count == pool.count)
        #expect(result.summary.accuracies.map(\.count) == [3, 3])
    }

    @Test("the same seed gives the same folds and metrics, whatever the number of threads; repeats differ")
    func isDeterministic() throws {
        let training = OrderProblem.training(.average, epochs: 2)
        func result(threads: Int) throws -> CrossValidationResult {
            let validation = try CrossValidation(
                training, folds: 3, repeats: 2, features: Self.features, input: Self.input)
            #expect(validation.assignments[0] != validation.assignments[1])
            return CrossValidationResult(
                try (0..<6).compactMap { try validation.fit($0, threads: threads) }, of: validation)
        }
        #expect(try result(threads: 1).predictions == result(threads: 2).predictions)
    }

    @Test("a class that validation leaves without training clips is an error, instead of models with different classes")
    func lost() throws {
        let examples = (0..<12).map { index in
            FeatureSet.Example(
                videoID: Int64(index), path: "\(index)", label: index < 8 ? "a" : index < 10 ? "b" : "c",
                split: "train", group: nil, length: 1, firstRow: index)
        }
        let features = FeatureSet(examples: examples, featureSize: 4, rows: (0..<48).map(Float.init))
        var training = OrderProblem.training(.average, epochs: 1)
        training.validation = 0.7
        let validation = try CrossValidation(training, folds: 2, repeats: 1, features: features, input: Self.input)
        #expect(throws: FoldError.lost(labels: ["b", "c"])) { try validation.fit(0) }
    }

    @Test("a class with fewer sources than folds is an error that names it") func tooFew() throws {
        let examples = (0..<8).map { (label: $0 < 6 ? "many" : "few", group: String?.none, name: "\($0)") }
        let error = FoldError.tooFew(label: "few", sources: 2, isGrouped: false, folds: 3)
        #expect(throws: error) { try Folds.assign(3, examples: examples, seed: 1) }
        #expect(error.localizedDescription.contains("\"few\" has 2 clips, fewer than the 3 folds"))
        let lone = (0..<8).map { (label: $0 < 4 ? "a" : "b", group: Optional("one"), name: "\($0)") }
        #expect(throws: FoldError.tooFew(label: "a", sources: 1, isGrouped: true, folds: 2)) {
            try Folds.assign(2, examples: lone, seed: 1)
        }
    }

    @Test("the temperature is fitted to single models, not to their average over repeats")
    func temperature() throws {
        let place = try RunPlace()
        var training = OrderProblem.training(.average, epochs: 3)
        (training.folds, training.repeats, training.calibrates) = (3, 4, true)
        let validation = try CrossValidation(
            training, folds: 3, repeats: 4, features: place.features, input: Self.input)
        let result = CrossValidationResult(try Self.fits(validation), of: validation)
        var run = place.run("calibrated", training)
        run.crossValidation = result
        let (_, configuration) = try RunDirectory(path: place.train(run).directory).load()
        let single = TemperatureScaling.fit(result.singlePredictions, labels: result.labels)
        #expect(result.singlePredictions.count == 4 * result.predictions.count)
        #expect(configuration.temperature == single)
        #expect(single != TemperatureScaling.fit(result.predictions, labels: result.labels))
    }

    @Test("a cross-validated run keeps held-out predictions, all fold models, and one model trained on all clips")
    func run() throws {
        let place = try RunPlace()
        var training = OrderProblem.training(.gru, epochs: 8)
        (training.folds, training.calibrates) = (3, true)
        let validation = try CrossValidation(
            training, folds: 3, repeats: 1, features: place.features, input: Self.input)
        var run = place.run("folded", training)
        run.crossValidation = CrossValidationResult(try Self.fits(validation), of: validation)
        let summary = try place.train(run)
        let pool = validation.pool.count
        #expect(summary.metrics[.validation]?.count == pool && summary.metrics[.train]?.count == pool)
        #expect(summary.epochs == run.crossValidation?.summary.epochs)
        let directory = RunDirectory(path: summary.directory)
        let (head, configuration) = try directory.load()
        #expect(configuration.crossValidation == run.crossValidation?.summary)
        #expect((configuration.temperature ?? 0) > 0)
        let folds = try directory.foldDirectories()
        #expect(try folds.map { try $0.load().head.labels } == Array(repeating: head.labels, count: 3))
        let id = try #require(try place.cache.run(named: "folded"))
        let held = try place.cache.predictions(run: id, split: "validation")
        #expect(held == run.crossValidation?.predictions)
        let evaluation = try RunEvaluation(directory, role: .validation, cache: place.cache.path)
        #expect(evaluation.predictions == held && evaluation.metrics == summary.metrics[.validation])
        #expect(throws: SequenceError.self) { try RunDirectory(path: folds[0].path).foldDirectories() }
    }
}

@Suite struct TemperatureScalingTests {
    @Test("the temperature of overconfident probabilities is recovered, and stored in the head's weights")
    func finds() throws {
        var generator = SplitMix64(seed: 5)
        // The accuracy is that of softmax([2, 0]), the confidence that of softmax([6, 0]).
        let predictions = (0..<4000).map { index in
            let isRight = Double.random(in: 0..<1, using: &generator) < 1 / (1 + exp(-2))
            let p = 1 / (1 + exp(-6.0))
            return PredictionRecord(
                videoID: Int64(index), split: "validation", label: isRight ? "a" : "b", predicted: "a", probability: p,
                probabilities: [p, 1 - p])
        }
        #expect(abs(TemperatureScaling.fit(predictions, labels: ["a", "b"]) - 3) < 0.3)
    }

    @Test(
        "a calibrated run has no higher validation loss, and predicts the same classes",
        arguments: [HeadConfiguration.Kind.gru, .frame])
    func run(kind: HeadConfiguration.Kind) throws {
        let place = try RunPlace()
        var training = OrderProblem.training(kind, epochs: 12)
        training.validation = 0.3
        let plain = try place.train(place.run("plain", training))
        training.calibrates = true
        let calibrated = try place.train(place.run("calibrated", training))
        let (before, after) = (
            try #require(plain.metrics[.validation]?.classes), try #require(calibrated.metrics[.validation]?.classes)
        )
        #expect(after.loss <= before.loss + 1e-6)
        if kind == .gru { #expect(after.confusion == before.confusion) }
        training.validation = 0
        #expect(throws: SequenceError.nothingToCalibrateOn) { try place.train(place.run("none", training)) }
    }
}
