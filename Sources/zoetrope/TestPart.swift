import Datasets
import FeatureCache
import SequenceModels

/// Messages of training commands about the test set.
enum TestPart {
    /// Warns about classes without test clips because `dataset.test` is too small.
    ///
    /// - Throws: `DatasetError.emptyTest` if no test clip is selected and nothing else is held out.
    static func check(_ dataset: DatasetConfiguration, _ cache: CacheFile, isCrossValidated: Bool) throws {
        guard dataset.test > 0 else { return }
        let clips = Array(try SequenceRun.places(of: dataset, in: cache).values)
        guard let problem = dataset.testShareProblem(clips) else { return }
        if problem.isEmpty && !isCrossValidated { throw DatasetError.emptyTest(problem) }
        Console.message("note: \(problem.text)")
    }

    /// The note for a run without a test set, with a fraction and a number of folds that the data set allows.
    static func missingNote(_ dataset: DatasetConfiguration) -> String {
        let clips = (try? dataset.ownClips()) ?? []
        let share = clips.isEmpty ? 0.2 : dataset.smallestTest(clips).map { max(0.2, $0) }
        let folds = clips.isEmpty ? 5 : DatasetConfiguration.mostFolds(clips)
        let helps = [
            share.map { "set a part aside with `dataset.test: \($0)`" },
            folds.map { "cross-validate with --folds \($0)" },
        ].compactMap { $0 }.joined(separator: ", or ")
        return "note: there is no test part; validation is used for model selection, so its accuracy is optimistic. "
            + (helps.isEmpty ? "Add test clips." : helps.prefix(1).uppercased() + helps.dropFirst() + ".")
    }
}
