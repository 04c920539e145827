import FeatureCache
import Foundation

/// The models of a cross-validated run: `folds/2-1` is the first fold of the second repetition.
extension RunDirectory {
    /// One per model, in the order of repetitions and folds. Throws `SequenceError.runDirectory` if there are none.
    package func foldDirectories() throws -> [RunDirectory] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path + "/folds")) ?? []
        let numbered = names.compactMap { name -> (name: String, repeat: Int, fold: Int)? in
            let parts = name.split(separator: "-").map { Int($0) }
            guard parts.count == 2, let number = parts[0], let fold = parts[1] else { return nil }
            return (name, number, fold)
        }
        guard !numbered.isEmpty else {
            throw SequenceError.runDirectory(
                path: path, reason: "it was not cross-validated",
                remedy: "Train one with `zoetrope sequence --folds 5`")
        }
        return numbered.sorted { ($0.repeat, $0.fold) < ($1.repeat, $1.fold) }
            .map { RunDirectory(path: "\(path)/folds/\($0.name)") }
    }

    /// Writes the models of a cross-validation below the final one, each with the clips that it used. `clips`: all that
    /// the run used. `labels`: their classes, by row ID of the videos. Throws `SequenceError.runDirectory`.
    func saveFolds(
        _ result: CrossValidationResult, _ configuration: Configuration, clips: [MemberClip], labels: [Int64: String]
    ) throws {
        var configuration = configuration
        configuration.crossValidation = nil
        let name = configuration.name
        let known = Dictionary(clips.map { ($0.videoID, $0) }, uniquingKeysWith: { first, _ in first })
        for (index, (head, members)) in zip(result.heads, result.members).enumerated() {
            let number = "\(index / result.summary.folds + 1)-\(index % result.summary.folds + 1)"
            let directory = RunDirectory(path: "\(path)/folds/\(number)")
            // The cache has no run of this name, so the whole run's metrics are not attributed to one model.
            configuration.name = "\(name)/folds/\(number)"
            if head.task == .multilabel { configuration.thresholds = head.thresholds }
            let own = members.compactMap { member in
                known[member.videoID].map {
                    RunClips.Entry(path: $0.path, digest: $0.digest, label: labels[member.videoID], role: member.role)
                }
            }
            try directory.save(RunClips(own))
            try directory.save(head, configuration)
        }
    }
}
