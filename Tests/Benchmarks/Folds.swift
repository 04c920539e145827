import Datasets
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels
import Synchronization

/// Seconds of five folds of a small collection, a model a core at a time.
enum FoldsBenchmark {
    static func run(clips: Int, size: Int) throws {
        let features = GeneratedFeatures.make(clips: clips, size: size, classes: 10)
        let training = TrainingConfiguration(
            model: HeadConfiguration(kind: .bilstm, hidden: [64]), standardize: true, epochs: 20)
        let begin = ContinuousClock.now
        let validation = try CrossValidation(
            training, folds: 5, repeats: 1, features: features, input: .init(shape: [size], maximumLength: 20))
        let failures = Mutex<[any Error]>([])
        DispatchQueue.concurrentPerform(iterations: validation.count) { index in
            do { _ = try validation.fit(index) } catch { failures.withLock { $0.append(error) } }
        }
        if let error = failures.withLock({ $0.first }) { throw error }
        print(
            "{\"clips\": \(clips), \"features\": \(size), \"seconds\": \((ContinuousClock.now - begin) / .seconds(1))}")
    }
}
