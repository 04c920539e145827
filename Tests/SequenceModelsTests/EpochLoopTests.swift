import FeatureCache
import NeuralNetwork
import Testing

@testable import SequenceModels

@Suite struct EpochLoopTests {
    /// Trains without any computation: epoch n has the loss at index n − 1.
    private struct Course {
        var losses: [Double]
        var patience: Int?
        var cancelled: Int?
        var reported: [Int] = []
        var saved: [Int] = []

        mutating func run(
            resuming earlier: ((Trainer.State) throws -> Trainer.State)? = nil
        ) throws -> (state: Trainer.State, ending: TrainingOutcome) {
            let model = HeadConfiguration(kind: .average, hidden: [])
            let head = try Head(
                model, labels: ["a", "b"], input: .init(shape: [2], maximumLength: 4), standardization: nil,
                from: RandomParameters())
            var configuration = TrainingConfiguration(model: model, epochs: losses.count)
            configuration.checkpoint = 2
            configuration.earlyStopping = patience.map { .init(monitor: .trainLoss, patience: $0) }
            var (reported, saved) = (reported, saved)
            defer { (self.reported, self.saved) = (reported, saved) }
            var hooks = Trainer.Hooks()
            hooks.report = { reported.append($0.epoch) }
            hooks.checkpoint = { state, _ in saved.append(state.epoch) }
            let (losses, cancelled) = (losses, cancelled)
            return try EpochLoop(configuration, .trainLoss, head, hooks).run(
                from: Trainer.State(head.parameters, seed: 1), resuming: earlier
            ) { state, _ in
                if state.epoch + 1 == cancelled { return nil }
                state.weights.values = state.weights.values.map { _ in Float(state.epoch + 1) }
                state.optimizers[0].step += 1
                return (losses[state.epoch], 0.5)
            } validate: { _ in
                nil
            }
        }
    }

    @Test(
        "the best epoch's weights are kept, and checkpoints are written at the start, at each interval and at the end")
    func finished() throws {
        var course = Course(losses: [3, 1, 2])
        let (state, ending) = try course.run()
        #expect(ending == .finished && state.epoch == 3 && state.best.epoch == 2)
        #expect(state.best.weights.values.allSatisfy { $0 == 2 } && state.weights.values.allSatisfy { $0 == 3 })
        #expect(course.reported == [1, 2, 3] && course.saved == [0, 2, 3])
    }

    @Test("an epoch that is cancelled midway changes nothing")
    func cancelled() throws {
        var course = Course(losses: [3, 1, 2], cancelled: 3)
        let (state, ending) = try course.run()
        #expect(ending == .cancelled && state.epoch == 2 && state.best.epoch == 2 && state.optimizers[0].step == 2)
        #expect(course.reported == [1, 2] && course.saved == [0, 2, 2])
    }

    @Test("early stopping counts epochs since the best one")
    func stopsEarly() throws {
        var course = Course(losses: [3, 1, 2, 2, 2, 2], patience: 2)
        let (state, ending) = try course.run()
        #expect(ending == .stoppedEarly && state.epoch == 4 && state.best.epoch == 2)
    }

    @Test("a diverged epoch is neither reported nor saved; without an epoch before, it is an error")
    func diverged() throws {
        var course = Course(losses: [3, 1, .nan, 1])
        let (state, ending) = try course.run()
        #expect(ending == .diverged && state.epoch == 2 && state.best.epoch == 2)
        #expect(course.reported == [1, 2] && course.saved == [0, 2])
        var first = Course(losses: [.infinity])
        #expect(throws: SequenceError.diverged(epoch: 1)) { try first.run() }
    }

    @Test("resumed training continues after its last epoch, without a checkpoint at the start")
    func resumes() throws {
        var course = Course(losses: [3, 1, 2])
        let (state, _) = try course.run { start in
            var earlier = start
            earlier.epoch = 2
            earlier.best = .init(weights: start.weights, value: 1, epoch: 2)
            return earlier
        }
        #expect(state.epoch == 3 && state.best.epoch == 2)
        #expect(course.reported == [3] && course.saved == [3])
    }
}
