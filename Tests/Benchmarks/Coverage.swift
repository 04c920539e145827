import Datasets
import FeatureCache
import SequenceModels

/// How often the interval of a cross-validation holds the true accuracy: of the heads trained, on as many new clips as
/// it takes. Data sets are drawn anew each time, clips of a source being alike.
enum CoverageBenchmark {
    private static let size = 8, classes = 3

    static func run(datasets: Int) throws {
        let centres = cloud(seed: 1)
        for (sources, spread) in [(24, Float(0.9)), (60, 0.9), (24, 0.35), (60, 2.5)] {
            var held = 0, widths = 0.0, means = 0.0
            for number in 0..<datasets {
                let features = dataset(centres, sources: sources, spread: spread, seed: UInt64(number * 7919 + sources))
                let (interval, truth) = try validate(features, centres, spread)
                if interval.lower <= truth, truth <= interval.upper { held += 1 }
                widths += interval.upper - interval.lower
                means += truth
            }
            let count = Double(datasets)
            print(
                String(
                    format: "{\"sources\": %d, \"accuracy\": %.3f, \"coverage\": %.3f, \"width\": %.3f}", sources,
                    means / count, Double(held) / count, widths / count))
        }
    }

    private static func cloud(seed: UInt64) -> [[Float]] {
        var generator = SplitMix64(seed: seed)
        return (0..<classes).map { _ in (0..<size).map { _ in Float.random(in: -1...1, using: &generator) } }
    }

    /// Three to five clips of each source, which have most of what is random in common.
    private static func dataset(_ centres: [[Float]], sources: Int, spread: Float, seed: UInt64) -> FeatureSet {
        var generator = SplitMix64(seed: seed)
        func noise() -> Float {
            Float.random(in: -1...1, using: &generator) + Float.random(in: -1...1, using: &generator)
        }
        var rows: [Float] = [], examples: [FeatureSet.Example] = []
        for source in 0..<sources {
            let label = source % classes
            let common = (0..<size).map { _ in spread * noise() }
            for _ in 0..<Int.random(in: 3...5, using: &generator) {
                rows += (0..<size).map { centres[label][$0] + common[$0] + 0.4 * spread * noise() }
                examples.append(
                    .init(
                        videoID: Int64(examples.count), path: "\(examples.count)", label: "c\(label)", split: "train",
                        group: "g\(source)", length: 1, firstRow: examples.count))
            }
        }
        return FeatureSet(examples: examples, featureSize: size, rows: rows)
    }

    private static func validate(
        _ features: FeatureSet, _ centres: [[Float]], _ spread: Float
    ) throws -> (interval: Statistics.Interval, truth: Double) {
        let training = TrainingConfiguration(
            model: HeadConfiguration(kind: .average), standardize: true,
            optimizer: .init(kind: .adam, learningRate: 0.02), epochs: 15, validation: 0)
        let validation = try CrossValidation(
            training, folds: 5, repeats: 1, features: features, input: .init(shape: [size], maximumLength: 1))
        let fits = try (0..<validation.count).compactMap { try validation.fit($0) }
        let result = CrossValidationResult(fits, of: validation)
        let fresh = dataset(centres, sources: 600, spread: spread, seed: 5)
        let accuracies = try fits.map { fit in
            let evaluation = try Evaluation(fit.head, fresh, Array(fresh.examples.indices), split: .test)
            return evaluation.metrics?.accuracy ?? 0
        }
        return (result.interval, accuracies.reduce(0, +) / Double(accuracies.count))
    }
}
