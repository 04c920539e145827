import Datasets
import FeatureCache
import SequenceModels

/// What training commands say about the test set.
extension DatasetConfiguration {
    /// A note about classes without test clips because `dataset.test` is too small. Throws `DatasetError.emptyTest` if
    /// no test clip is selected and nothing else is held out.
    package func testNote(_ cache: CacheFile, isCrossValidated: Bool) throws -> String? {
        guard test > 0 else { return nil }
        let clips = Array(try SequenceRun.places(of: self, in: cache).values)
        guard let problem = testShareProblem(clips) else { return nil }
        if problem.isEmpty && !isCrossValidated { throw DatasetError.emptyTest(problem) }
        return problem.text
    }

    /// The note for a run without a test set, with a fraction and a number of folds that the data set allows.
    package var missingTestNote: String {
        let clips = (try? ownClips()) ?? []
        let share = clips.isEmpty ? 0.2 : smallestTest(clips).map { max(0.2, $0) }
        let folds = clips.isEmpty ? 5 : mostFolds(clips)
        let helps = [
            share.map { "set a part aside with `dataset.test: \($0)`" },
            folds.map { "cross-validate with --folds \($0)" },
        ].compactMap { $0 }.joined(separator: ", or ")
        return "there is no test part; validation is used for model selection, so its accuracy is optimistic. "
            + (helps.isEmpty ? "Add test clips." : helps.prefix(1).uppercased() + helps.dropFirst() + ".")
    }
}
