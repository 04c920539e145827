import Foundation

package enum SequenceError: LocalizedError, Equatable {
    case notExtracted(cache: String, recipe: String, available: [String])
    case noSamples(dataset: String, available: [String])
    case noTraining(dataset: String)
    case oneClass(String)
    case noLabels
    case testOnly(labels: [String], isFineTuning: Bool = false)
    case otherTask(dataset: String)
    case otherTasks
    case needsClasses(String)
    case cannotJoin(split: String)
    case notVectors(shape: [Int], head: String)
    case notMaps(shape: [Int], head: String)
    case otherConfiguration(run: String, differences: [String])
    /// `share` is `dataset.validation`, `smallest` the smallest sufficient fraction.
    case noValidation(monitor: String, share: Double = 0, smallest: Double? = nil)
    case nothingToCalibrateOn
    case diverged(epoch: Int)
    case divergedFolds(Int, of: Int)
    case partial(String)
    case noCommonClips(String)
    case noClips(run: String, cache: String)
    case otherClips(run: String, count: Int)
    case clipsGone(run: String, count: Int)
    case notFinite(video: String)
    case noProbabilities
    case runDirectory(path: String, reason: String, remedy: String = "Train it again with `zoetrope sequence`")
    case noSplit(String, available: [String])
    case unknownRun(String, cache: String)
    case unknownClass(String, key: String = "class_weights", available: [String])
    case unknownPositive(String, option: String, available: [String])
    case noText(label: String)
    case otherFeatures(size: Int, head: Int)
    case tooLong(frames: Int, most: Int)

    package var errorDescription: String? {
        switch self {
        case .notExtracted(let cache, let recipe, let available):
            "\(cache) holds no features for this pipeline's recipe (\(recipe)). "
                + (available.isEmpty ? "It holds none at all. " : "It holds \(available.joined(separator: "; ")). ")
                + "Run `zoetrope extract` with this pipeline first."
        case .noSamples(let dataset, let available):
            "The cache has no features of the dataset \"\(dataset)\" under this recipe. It has "
                + (available.isEmpty ? "no dataset." : available.joined(separator: ", ") + ".")
                + " Run `zoetrope extract` with this pipeline first."
        case .otherFeatures(let size, let head):
            "The head reads \(head) values per frame, but the features have \(size). Name the cache that the run was "
                + "trained from with --cache, or train it again with `zoetrope sequence`."
        case .tooLong(let frames, let most):
            "A sequence has \(frames) frames, but the head has positions for \(most). Check the cache with `zoetrope "
                + "cache verify`, or train the run again with `zoetrope sequence`."
        case .noText(let label):
            "There is no text for the class \"\(label)\". Train heads that use class names with `zoetrope sequence`."
        case .noTraining(let dataset):
            "The dataset \"\(dataset)\" has no training clips in the cache. Run `zoetrope extract` with this pipeline."
        case .oneClass(let label):
            "All training clips have the label \"\(label)\"; a classifier needs two classes. Add clips of another "
                + "class."
        case .noLabels:
            "No training clip has a label, so there is nothing to learn. Check what `zoetrope dataset` prints for this "
                + "pipeline, and `dataset.classes`."
        case .testOnly(let labels, let isFineTuning):
            (labels.count == 1 ? "The label \"\(labels[0])\" occurs" : "\(labels.count) labels occur")
                + " in the validation or test part only, so \(labels.count == 1 ? "it" : "they") cannot be learned"
                + (labels.count == 1
                    ? ". " : ": " + labels.prefix(8).joined(separator: ", ") + (labels.count > 8 ? ", …. " : ". "))
                + "Leave \(labels.count == 1 ? "it" : "them") out with `dataset.classes`"
                + (isFineTuning
                    ? "." : ", or pass --known-classes to train without \(labels.count == 1 ? "it" : "them").")
        case .otherTask(let dataset):
            "The labels of the dataset \"\(dataset)\" in the cache were stored with another `dataset.task`, and its "
                + "folder or lists are gone. Run `zoetrope extract` with this pipeline, which decodes no video again."
        case .otherTasks:
            "The runs have different tasks: one class a clip, and several labels a clip. Compare runs of one task with "
                + "`zoetrope compare`."
        case .needsClasses(let what):
            "\(what) needs one class a clip, but the run was trained with `dataset.task: multilabel`. Leave it out."
        case .cannotJoin(let split):
            "--continuous needs clips of at least two classes, which the split \"\(split)\" lacks. Choose another "
                + "with --split."
        case .notVectors(let shape, let head):
            "The head \(head) needs one vector per frame, but these features have the shape \(shape). Use `tap: "
                + "pooled`."
        case .notMaps(let shape, let head):
            "The head \(head) needs feature maps, but these features have the shape \(shape). Use `tap: spatial`."
        case .otherConfiguration(let run, let differences):
            "The run \(run) was started with another configuration, so it cannot be resumed with this one: "
                + differences.joined(separator: "; ") + ". Train under another --name."
        case .noValidation(let monitor, 0, _):
            "Early stopping monitors \(monitor), but there is no validation part. Set `dataset.validation` above 0."
        case .noValidation(let monitor, let share, let smallest):
            "Early stopping monitors \(monitor), but `dataset.validation: \(share)` selects no clip: it is less than "
                + "half a clip of every class. "
                + (smallest.map { "Set it to \($0) or more, or remove" } ?? "Remove") + " `sequence.early_stopping`."
        case .nothingToCalibrateOn:
            "`sequence.calibrate` needs clips that were not trained on, but there is no validation part. Set "
                + "`dataset.validation` to a share of at least one clip of a class, or `sequence.folds`."
        case .diverged(let epoch):
            "Training diverged: the loss or a score became infinite or NaN in epoch \(epoch). Try a smaller "
                + "`optimizer.learning_rate` or `standardize: true`."
        case .divergedFolds(let count, let total):
            "\(count) of \(total) fold models diverged: their scores became infinite or NaN, so there is no held-out "
                + "accuracy. Try a smaller `optimizer.learning_rate` or `standardize: true`."
        case .noCommonClips(let split):
            "The runs have no clip of the split \"\(split)\" in common, so they cannot be compared. Choose another "
                + "with --split, or train them on one data set."
        case .partial(let text):
            "\(text). That is more than a tenth, so metrics would describe another data set. Run `zoetrope extract` "
                + "with this pipeline first, or pass --partial to train on the clips that have features."
        case .noClips(let run, let cache):
            "Neither \(run) nor \(cache) records which clips the run was trained on, so its accuracy cannot be "
                + "computed. Name the cache that it "
                + "was trained from with --cache, or train it again with `zoetrope sequence`."
        case .otherClips(let run, let count):
            "\(count) clip\(count == 1 ? "" : "s") of the run \(run) \(count == 1 ? "has" : "have") another split or "
                + "another label in the data set than "
                + "when it was started, so it cannot be resumed. Train under another --name."
        case .clipsGone(let run, let count):
            "The run \(run) was started with \(count) clip\(count == 1 ? "" : "s") that the cache no longer holds, so "
                + "it cannot be resumed. Run `zoetrope extract` with this pipeline, or train under another --name."
        case .notFinite(let video):
            "The features of \(video) hold NaN or infinity, or values too large to compute with: the weights may be "
                + "damaged. Check them with `zoetrope weights inspect`, and extract again."
        case .noProbabilities:
            "The head computes NaN probabilities: its weights or the features are damaged. Train the run again; "
                + "`zoetrope cache verify` checks the features."
        case .runDirectory(let path, let reason, let remedy):
            "The run \(path) cannot be used: \(reason). \(remedy). `zoetrope runs` lists the runs of a cache."
        case .unknownClass(let label, let key, let available):
            "`sequence.\(key)` names \"\(label)\", which is not a class of the training part. It has "
                + available.prefix(8).joined(separator: ", ") + (available.count > 8 ? ", …" : "") + "."
        case .unknownPositive(let label, let option, let available):
            available.count == 2
                ? "\(option) names \"\(label)\", which is not a class of the run. Choose \(available[0]) or "
                    + "\(available[1])."
                : "\(option) needs two classes, but there are \(available.count). Leave it out: every class has "
                    + "its own precision, recall and F1."
        case .unknownRun(let name, let cache):
            "\(cache) has no run called \"\(name)\". Name its cache with --cache."
        case .noSplit(let split, let available):
            "The run has no clips in the split \"\(split)\"; it has \(available.joined(separator: ", ")). Choose one "
                + "with --split."
        }
    }
}

extension SequenceError {
    /// Whether training ended because values became infinite or NaN.
    package static func isDivergence(_ error: any Error) -> Bool {
        switch error as? SequenceError {
        case .diverged, .divergedFolds: true
        default: false
        }
    }
}
