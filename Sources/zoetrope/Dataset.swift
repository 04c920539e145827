import ArgumentParser
import Datasets
import Exploration
import Extraction
import FeatureCache
import Files
import PipelineFile
import Reports
import SequenceModels

struct Dataset: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a data set: classes, clips per split, missing files, classes in one split only, duplicates.")

    @OptionGroup var pipeline: PipelineOptions
    @OptionGroup var workers: WorkerOption

    @Option(
        help: """
            Also write the clips' digests to this file, for `extract --shard`; unchanged clips listed in it are not \
            hashed again.
            """) var digests: String?

    @Flag(
        name: [.customLong("near-duplicates"), .customLong("twins")],
        help: """
            Also search for near-duplicates: clips with the same content in different files, by cached features and \
            images.
            """) var nearDuplicates = false

    @OptionGroup var cache: CacheOption

    func run() throws {
        try Console.perform {
            try OutputPath.requireFile(digests, "--digests")
            let pipeline = try pipeline.read()
            let dataset = pipeline.dataset
            let line = ProgressLine()
            let known = try digests.map { try DigestList(path: $0) } ?? DigestList()
            let check = try DatasetCheck(dataset, workers: workers.count, known: known) { done, total in
                line.step("reading", done, of: total)
            }
            line.clear()
            let parts = try DatasetParts(pipeline, check)
            Console.print(Self.text(check, parts, name: dataset.name))
            if nearDuplicates { Console.print("\n" + (try findNearDuplicates(pipeline))) }
            if let digests { try check.digests.write(to: digests) }
            if !check.unreadable.isEmpty { throw Console.someFailed }
        }
    }

    private func findNearDuplicates(_ pipeline: Pipeline) throws -> TerminalText {
        let cache = try CacheFile(path: cache.path, create: false)
        let stored = try cache.extractions()
        guard let extraction = try pipeline.extractions.compactMap({ try $0.stored(in: cache) }).first else {
            throw SequenceError.notExtracted(
                cache: cache.path, recipe: pipeline.extractions[0].backbone.name,
                available: Set(stored.map(\.record.backbone)).sorted())
        }
        let features = try SequenceRun.load(
            cache, pipeline.dataset, extraction: extraction, views: 1, memory: MemoryOption.defaultBytes)
        let vectors = try ClipVectors(features)
        let line = ProgressLine()
        let search = try NearDuplicateSearch(
            vectors, nearest: NearestNeighbors.all(vectors, count: NearDuplicateSearch.neighbors),
            root: pipeline.dataset.root, workers: workers.count
        ) { done, total in line.step("looking", done, of: total) }
        line.clear()
        try cache.store(
            search.pairs.map { $0.record(features.examples) }, dataset: pipeline.dataset.name, extraction: extraction.id
        )
        return Self.text(search, features.examples)
    }

    private static func text(_ search: NearDuplicateSearch, _ examples: [FeatureSet.Example]) -> TerminalText {
        for (path, reason) in search.unreadable { Console.message("failed: \(path): \(reason)") }
        guard !search.pairs.isEmpty else {
            return """
                No near-duplicates among \(grouped(examples.count)) clips (\(grouped(search.candidates)) pairs \
                compared).
                \(NearDuplicateSearch.limits)
                """
        }
        var table = TextTable([
            ("clip", .left), ("near-duplicate", .left), ("splits", .left), ("likeness", .right), ("cosine", .right),
            ("differs by", .left),
        ])
        for pair in search.pairs.prefix(50) {
            let (one, two) = (examples[pair.first], examples[pair.second])
            table.append([
                one.path, two.path, one.split == two.split ? one.split : "\(one.split), \(two.split)",
                decimal(pair.similarity, 3), decimal(pair.cosine, 3), pair.change,
            ])
        }
        let across = search.pairs.count { examples[$0.first].split != examples[$0.second].split }
        return """
            \(counted(search.pairs.count, "near-duplicate pair")), \(grouped(across)) across splits:
            \(lines: table.text)
            \(search.pairs.count > 50 ? "  … and \(grouped(search.pairs.count - 50)) more. " : "")\
            All are in the cache: SELECT * FROM twin
            \(NearDuplicateSearch.limits)
            """
    }

    private static func text(_ check: DatasetCheck, _ use: DatasetParts, name: String) -> TerminalText {
        let (one, several) = check.labels == nil ? ("class", "classes") : ("label", "labels")
        var table = TextTable([(one, .left)] + Split.allCases.map { (heading: $0.rawValue, alignment: .right) })
        func append(_ name: String, _ counts: [Split: Int]) {
            table.append([name] + Split.allCases.map { counts[$0].map(grouped) ?? "–" })
        }
        for (label, counts) in check.counts.sorted(by: { $0.key < $1.key }) { append(label, counts) }
        if check.labels != nil { append("clips without a label", check.unlabelled) }
        let total = "\(check.counts.count) \(check.counts.count == 1 ? one : several)"
        table.append(
            ["\(check.labels == nil ? "total" : "all clips"), \(total)"]
                + Split.allCases.map { grouped(check.clips[$0] ?? 0) })
        var parts: [TerminalText] = ["\(name)\n\(lines: table.text)"]
        if let labels = check.labels { parts.append(text(labels)) }
        if let table = use.text { parts.append(table) }
        let tested = "both trained on and tested (same bytes in different splits)"
        let leaks = Set(check.leaks.map { $0.map(\.path) })
        let copies = check.duplicates.filter { !leaks.contains($0.map(\.path)) }
        parts += list("note", "notes", check.notes)
        parts += list("cannot be read", "cannot be read", check.unreadable.map(\.reason))
        parts += list("file left out", "files left out", check.leftOut.map { "\($0.path): \($0.reason.description)" })
        parts += list("class folder without a clip", "class folders without a clip", check.emptyClasses.map(\.path))
        parts += list(
            "\(one) in one split only", "\(several) in one split only",
            check.onlyInOneSplit.map { "\($0.label): not in \($0.missing.rawValue)" })
        parts += list("problem of a split", "problems of splits", use.problems)
        parts += list("clip \(tested)", "clips \(tested)", check.leaks.map(paths))
        parts += list("duplicate within a split", "duplicates within a split", copies.map(paths))
        if check.isClean && use.problems.isEmpty {
            parts.append(check.notes.isEmpty ? "No problems found." : "No problems found besides the notes.")
        }
        return TerminalText(joining: parts, separator: "\n\n")
    }

    private static func text(_ labels: LabelStatistics) -> TerminalText {
        let pairs = labels.pairs.prefix(5).map { "\($0.one) + \($0.other) (\(grouped($0.clips)))" }
        let more = labels.pairs.count > 5 ? " and \(counted(labels.pairs.count - 5, "other pair"))" : ""
        return """
            A clip has \(decimal(labels.mean, 2)) labels on average, and at most \(labels.most); \
            \(grouped(labels.unlabelled)) of \(counted(labels.clips, "clip")) \
            \(labels.unlabelled == 1 ? "has" : "have") none.
            Labels that occur together (clips): \(pairs.isEmpty ? "none" : pairs.joined(separator: ", ") + more).
            """
    }

    private static func paths(_ clips: [Clip]) -> String {
        clips.map { "\($0.path) (\($0.split.rawValue))" }.joined(separator: " = ")
    }

    /// A heading with the count, for one line or several, and the first 20 lines; empty if there are none.
    private static func list(_ one: String, _ several: String, _ lines: [String]) -> [TerminalText] {
        guard !lines.isEmpty else { return [] }
        var parts: [TerminalText] = ["\(counted(lines.count, one, several)):"]
        parts += lines.prefix(20).map { "  \($0)" }
        if lines.count > 20 { parts.append("  … and \(grouped(lines.count - 20)) more") }
        return [TerminalText(joining: parts, separator: "\n")]
    }
}

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
        let partition = Partition(clips, validation: training.validation, seed: training.seed, task: dataset.task)
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
            return share + " of train, which is less than half a \(isGrouped ? "source" : "clip") of every "
                + (dataset.task == .multilabel ? "label" : "class")
        }
        return share + " of train, `seed: \(training.seed)`" + (isGrouped ? ", grouped by source" : "")
    }

    private mutating func addProblems(_ clips: [Clip]) {
        if let problem = dataset.testShareProblem(clips) { problems.append(problem.text) }
        guard let folds = training.folds else { return }
        let pool = clips.filter { $0.split != .test }
        do {
            _ = try Folds.assign(
                folds, examples: pool.map { ($0.label, $0.group, $0.path) }, seed: 0, task: dataset.task)
        } catch {
            problems.append(error.localizedDescription)
        }
    }
}
