import ArgumentParser
import FeatureCache
import Foundation
import Reports
import SequenceModels

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Evaluate a run on cached features: accuracy, top-k, recall, precision and F1 per class, confusion; as "
            + "text, JSON or a report.",
        discussion: """
            The report is one self-contained HTML file with curves, confusion, calibration and the most confident \
            errors \
            with their frames. Charts need gnuplot, frames need the videos; without them, the report omits these parts.
            """)

    @OptionGroup var trained: RunArgument

    @OptionGroup var part: SplitOption
    @OptionGroup var unknown: UnknownClassesOption

    @Option(help: "Also report top-k accuracy for this k.") var top = 5

    @Option(
        help: ArgumentHelp(
            "Of two classes, the positive one (default: `sequence.positive` of the pipeline, otherwise the second).",
            valueName: "class"))
    var positive: String?

    @Option(name: .customLong("cache"), help: "The cache, if it is not at the path stored with the run.")
    var cachePath: String?

    @OptionGroup var format: JSONOption

    @OptionGroup var report: ReportOptions

    @Option(help: "The data set's folder, for the report's frames (default: where training found it).")
    var root: String?

    @Flag(help: "Concatenate clips of different classes and measure the accuracy of sliding windows over them.")
    var continuous = false

    @Option(help: "With --continuous: number of concatenated sequences.") var sequences = 100

    @Option(help: "With --continuous: clips per sequence.") var clips = 16

    @Option(help: "With --continuous: seed of the choice of clips.") var seed = 42

    func validate() throws {
        if top < 1 { throw ValidationError("--top must be at least 1.") }
        if sequences < 1 || clips < 2 {
            throw ValidationError("--continuous needs at least 1 sequence (--sequences) of 2 clips (--clips).")
        }
    }

    func run() throws {
        try Console.perform {
            try report.requireWritable()
            let evaluated = try RunEvaluation(
                trained.directory, role: part.role, cache: cachePath, positive: positive,
                leavesOutUnknown: unknown.leavesOut)
            let joined = try continuous ? join(evaluated) : nil
            let folds = evaluated.role == .heldout ? evaluated.configuration.crossValidation : nil
            if format.json {
                Console.print(
                    json: try joined?.json(role: evaluated.role.rawValue)
                        ?? json(evaluated, folds: folds))
            } else {
                Console.print("\(trained.path), split \(evaluated.role.rawValue): \(evaluated.role.explanation)\n")
                if let folds {
                    Console.print(
                        lines: folds.text(averaged: evaluated.metrics.score, interval: evaluated.interval) + "\n")
                }
                if let joined { Console.print(lines: joined.text) } else { show(evaluated) }
                for note in joined == nil ? evaluated.notes : evaluated.otherNotes { Console.print("note: \(note)") }
                if joined != nil, evaluated.metrics.unknown.count > 0 {
                    Console.print("note: clips of classes without training clips are not concatenated")
                }
            }
            try report.write {
                if evaluated.head.task == .multilabel {
                    return try LabelReport(trained.directory, role: evaluated.role, cache: cachePath, root: root)
                }
                return try RunReport(
                    trained.directory, role: evaluated.role, cache: cachePath, root: root,
                    positive: evaluated.positive, continuous: joined)
            }
        }
    }

    private func show(_ evaluated: RunEvaluation) {
        switch evaluated.metrics {
        case .classes(let metrics):
            Console.print(
                lines: metrics.summary(
                    top: Set([3, top]).sorted(), scores: evaluated.scores, interval: evaluated.interval))
            Console.print(lines: "\n" + metrics.perClassTable)
            Console.print(lines: "\n" + metrics.confusionTable)
        case .labels(let metrics):
            Console.print(lines: metrics.summary(interval: evaluated.interval))
            Console.print(lines: "\n" + metrics.perLabelTable(thresholds: evaluated.thresholds))
        }
    }

    private func json(_ evaluated: RunEvaluation, folds: CrossValidationResult.Summary?) throws -> String {
        switch evaluated.metrics {
        case .classes(let metrics):
            try metrics.json(
                run: trained.path, split: evaluated.role.rawValue, top: top, scores: evaluated.scores,
                interval: evaluated.interval, folds: folds, notes: evaluated.notes)
        case .labels(let metrics):
            try metrics.json(
                run: trained.path, split: evaluated.role.rawValue, thresholds: evaluated.thresholds,
                interval: evaluated.interval, folds: folds, notes: evaluated.notes)
        }
    }

    private func join(_ evaluated: RunEvaluation) throws -> ContinuousEvaluation {
        var options = ContinuousEvaluation.Options()
        (options.sequences, options.clips, options.seed) = (sequences, clips, seed)
        return try evaluated.continuous(trained.directory, cache: cachePath, options)
    }
}

extension ClipRole {
    /// The meaning of the metrics on such clips.
    var explanation: TerminalText {
        switch self {
        case .train: "clips that the run was trained on, so the metrics do not generalise to other clips"
        case .validation: "clips that are used for model selection, so the metrics are optimistic"
        case .test: "clips used neither for training nor for model selection"
        case .heldout: "held-out clips, each predicted by fold models that were not trained on it"
        }
    }
}
