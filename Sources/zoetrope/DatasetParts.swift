import Datasets
import Extraction
import PipelineFile
import Reports
import SequenceModels

/// The splits that `sequence` or `finetune` would make of a data set, and their options.
struct DatasetParts {
    /// The splits as a table; nil if the pipeline trains nothing.
    private(set) var text: TerminalText?
    /// Problems with the splits, with remedies.
    private(set) var problems: [String] = []

    private let dataset: DatasetConfiguration
    private let training: TrainingConfiguration

    /// `check`: the inventory of the pipeline's data set. Throws `DatasetError`.
    init(_ pipeline: Pipeline, _ check: DatasetCheck) throws {
        dataset = pipeline.dataset
        guard let training = pipeline.training ?? pipeline.fineTuning?.training else {
            self.training = TrainingConfiguration(model: HeadConfiguration(kind: .average))
            return
        }
        self.training = training
        let command = pipeline.training == nil ? "finetune" : "sequence"
        let usable = Set(check.usable.map { Array($0.path.utf8) })
        var texts: [TerminalText] = []
        for part in dataset.parts {
            let clips =
                dataset.allSplits ? try part.ownClips().filter { usable.contains(Array($0.path.utf8)) } : check.usable
            let place = dataset.allSplits ? " of official split \(part.split)" : ""
            texts.append("Splits that `\(command)` uses\(place):\n\(lines: table(clips).text)")
            addProblems(clips)
        }
        text = TerminalText(joining: texts, separator: "\n\n")
    }

    private func table(_ clips: [Clip]) -> TextTable {
        let isGrouped = clips.contains { $0.group != nil }
        var table = TextTable(
            [("part", .left), ("clips", .right)] + (isGrouped ? [("sources", .right)] : []) + [("set by", .left)])
        func add(_ part: String, _ indices: [Int], _ decision: String) {
            let sources = Set(indices.map { clips[$0].group ?? "clip " + clips[$0].path }).count
            table.append([part, grouped(indices.count)] + (isGrouped ? [grouped(sources)] : []) + [decision])
        }
        let partition = Partition(clips, validation: training.validation, seed: training.seed)
        let own = dataset.layout.hasLists ? "the lists" : "the folders"
        if let folds = training.folds {
            let repeats = training.repeats ?? 1
            add(
                "cross-validation", partition.train + partition.validation,
                "`folds: \(folds)`" + (repeats > 1 ? ", `repeats: \(repeats)`" : "")
                    + (isGrouped ? ", grouped by source" : ""))
        } else {
            add("train", partition.train, own)
            let isGiven = clips.contains { $0.split == .validation }
            add("validation", partition.validation, isGiven ? own : validationDecision(partition, isGrouped))
        }
        let noTest = training.folds == nil ? "no test part: set `dataset.test` or `sequence.folds`" : "no test part"
        let isSetAside = clips.contains(where: \.isSetAside)
        add(
            "test", partition.test,
            isSetAside || dataset.test > 0
                ? "`dataset.test: \(dataset.test)`, `test_seed: \(dataset.testSeed)`"
                    + (isGrouped ? ", grouped by source" : "")
                : partition.test.isEmpty ? noTest : own)
        return table
    }

    private func validationDecision(_ partition: Partition, _ isGrouped: Bool) -> String {
        let share = "`dataset.validation: \(training.validation)`"
        if training.validation == 0 { return share }
        if partition.validation.isEmpty {
            return share + " of train, which is less than half a \(isGrouped ? "source" : "clip") of every class"
        }
        return share + " of train, `seed: \(training.seed)`" + (isGrouped ? ", grouped by source" : "")
    }

    private mutating func addProblems(_ clips: [Clip]) {
        if let problem = dataset.testShareProblem(clips) { problems.append(problem.text) }
        guard let folds = training.folds else { return }
        let pool = clips.filter { $0.split != .test }
        do {
            _ = try Folds.assign(folds, examples: pool.map { ($0.label, $0.group, $0.path) }, seed: 0)
        } catch {
            problems.append(error.localizedDescription)
        }
    }
}
