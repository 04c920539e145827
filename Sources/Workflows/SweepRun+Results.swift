import FeatureCache
import Foundation
import Reports
import SequenceModels

extension SweepRun {
    /// Writes the results as CSV beside the runs, one line per run. Returns the path of the table.
    package func writeTable(_ result: Result) throws -> String {
        try FileManager.default.createDirectory(atPath: runs, withIntermediateDirectories: true)
        let path = "\(runs)/\(plan.points[0].pipeline.name)-sweep.csv"
        try csv(result).write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// A warning if points were trained or tested on different clips, as after a change of the data set between two
    /// invocations.
    package func differentClips(_ result: Result) throws -> String? {
        let used = try result.outcomes.filter { $0.failure == nil }.map { outcome -> Set<String> in
            let directory = RunDirectory(path: runs + "/" + outcome.name)
            let clips = try RunClips(directory, directory.load().configuration, in: cache)
            return Set(clips.pool.map { "pool " + $0 } + clips.digests(.test).map { "test " + $0 })
        }
        guard Set(used).count > 1 else { return nil }
        return "the data set changed between the runs, so they were trained or tested on different clips and cannot be "
            + "ranked. Train all of them again under another name: --set name=NAME."
    }

    private func csv(_ result: Result) -> String {
        func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
        let header =
            ["run"] + plan.keys + [
                "best_epoch", "epochs", "validation_loss", "validation_accuracy", "test_accuracy", "state",
            ]
        let lines = result.outcomes.map { outcome in
            [outcome.name] + outcome.values + [
                "\(outcome.bestEpoch)", "\(outcome.epochs)", number(outcome.validationLoss),
                number(outcome.validationAccuracy), number(outcome.testAccuracy),
                outcome.diverged ? "diverged" : outcome.failure == nil ? "finished" : "failed",
            ]
        }
        return CSV.text(header, lines)
    }
}
