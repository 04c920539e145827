import Datasets
import FeatureCache
import SequenceModels

/// What commands that train say of the test part.
enum TestPart {
    /// Says which classes have no test clips because `dataset.test` is too small.
    ///
    /// - Throws: `DatasetError.emptyTest` if no clip is set aside at all, and nothing else is held out.
    static func check(_ dataset: DatasetConfiguration, _ cache: CacheFile, isCrossValidated: Bool) throws {
        guard dataset.test > 0 else { return }
        let clips = Array(try SequenceRun.places(of: dataset, in: cache).values)
        guard let problem = dataset.testShareProblem(clips) else { return }
        if problem.isEmpty && !isCrossValidated { throw DatasetError.emptyTest(problem) }
        Console.message("note: \(problem.text)")
    }

    /// What is said of a run without a test part, with a share and a number of folds that the data set allows.
    static func missingNote(_ dataset: DatasetConfiguration) -> String {
        let clips = (try? dataset.ownClips()) ?? []
        let share = clips.isEmpty ? 0.2 : dataset.smallestTest(clips).map { max(0.2, $0) }
        let folds = clips.isEmpty ? 5 : DatasetConfiguration.mostFolds(clips)
        let helps = [
            share.map { "set a part aside with `dataset.test: \($0)`" },
            folds.map { "hold out every clip in turn with --folds \($0)" },
        ].compactMap { $0 }.joined(separator: ", or ")
        return "note: there is no test part, and validation chose the epoch, so its accuracy is optimistic. "
            + (helps.isEmpty ? "Add clips to test on." : helps.prefix(1).uppercased() + helps.dropFirst() + ".")
    }
}
