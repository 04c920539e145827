import Datasets
import Escaping
import Extraction
import Files
import FineTuning
import Foundation
import SequenceModels
import Yams

/// A pipeline file as typed, validated values.
package struct Pipeline: Sendable {
    /// The file's `name`, or its file name without the extension.
    package var name: String
    package var dataset: DatasetConfiguration
    /// One for each backbone.
    package var extractions: [ExtractionConfiguration]
    /// The features that `sequence` trains on: one of `extractions`; nil if there are several and `sequence.backbone`
    /// names none.
    package var trainedOn: ExtractionConfiguration?
    /// Backbones whose features are concatenated, in order; empty if one is used alone.
    package var joined: [ExtractionConfiguration]
    /// Nil if the file has no `sequence` section.
    package var training: TrainingConfiguration?
    /// Nil if the file has no `finetune` section.
    package var fineTuning: FineTuningConfiguration?

    /// Reads a file. `overrides`: `key=value` such as `sequence.optimizer.learning_rate=1e-4`, applied before
    /// validation. Throws `PipelineError`.
    package init(file: String, overrides: [String] = []) throws {
        try self.init(Self.parse(file: file, overrides: overrides), file: file)
    }

    /// - `file`: name for errors.
    package init(text: String, file: String, overrides: [String] = []) throws {
        try self.init(Self.parse(text: text, file: file, overrides: overrides), file: file)
    }

    static func parse(file: String, overrides: [String]) throws -> Node {
        let data: Data
        do { data = try RegularFile.contents(file, limit: YAMLLimits.bytes) } catch {
            throw PipelineError(
                file: file,
                error.problem == .missing
                    ? "the pipeline file does not exist. Check its path, or write one: `zoetrope demo` creates a "
                        + "folder with examples"
                    : "the pipeline file cannot be read: \(error.reason). Name a readable YAML file")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw PipelineError(file: file, "the pipeline file is not UTF-8 text. Save it as UTF-8")
        }
        return try parse(text: text, file: file, overrides: overrides)
    }

    private static func parse(text: String, file: String, overrides: [String]) throws -> Node {
        if let problem = YAMLLimits.problem(text) {
            throw PipelineError(file: file, "the pipeline file cannot be read: \(problem)")
        }
        do {
            guard var parsed = try Yams.compose(yaml: text) else {
                throw PipelineError(file: file, "the pipeline file is empty. Write at least `dataset` and `extract`")
            }
            for override in overrides { try parsed.apply(override) }
            return parsed
        } catch let error as YamlError {
            // The error quotes the line, which may be as long as the file.
            let text = "\(error)"
            let short = text.utf8.count <= 2000 ? text : String(text.unicodeScalars.prefix(500)) + " …"
            throw PipelineError(file: file, "this is not YAML: \(short)")
        }
    }

    /// For commands that work on one split. Throws `PipelineError` if the pipeline uses all official splits.
    package func requireOneSplit(file: String) throws {
        guard dataset.allSplits else { return }
        throw PipelineError(
            file: file, "`dataset.split: all` is for `extract` and `sequence`; choose one with --set dataset.split=1")
    }

    init(_ node: Node, file: String) throws {
        let keys = ["name", "dataset", "extract", "finetune", "sequence", "sweep"]
        let reader = try PipelineReader(node, file: file, path: "", keys: keys)
        let fallback = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
        name = try reader.string("name") ?? fallback
        if !Escaping.canNameFile(name) { throw reader.invalid("name", "must be usable as a folder's name") }
        dataset = try Self.dataset(reader)
        extractions = try Self.extractions(reader)
        let views = extractions.map(\.views).max() ?? 1
        let sequence = try reader.section("sequence", keys: TrainingConfiguration.keys)
        trainedOn = try Self.trainedOn(sequence, extractions)
        joined = try Self.joined(sequence, extractions)
        training = try sequence.map {
            try TrainingConfiguration(
                section: $0, validation: dataset.validation, views: views, task: dataset.task)
        }
        fineTuning = try FineTuningConfiguration(reader, extractions, dataset)
    }

    /// The extraction selected by `sequence.backbone`.
    private static func trainedOn(
        _ section: PipelineReader?, _ extractions: [ExtractionConfiguration]
    ) throws -> ExtractionConfiguration? {
        guard let section, section.has("backbone") else { return extractions.count == 1 ? extractions[0] : nil }
        let name = try section.choice("backbone", extractions.map(\.backbone.name))
        return extractions.first { $0.backbone.name == name }
    }

    /// The extractions concatenated by `sequence.join`.
    private static func joined(
        _ section: PipelineReader?, _ extractions: [ExtractionConfiguration]
    ) throws -> [ExtractionConfiguration] {
        guard let section, section.has("join") else { return [] }
        try section.forbid(["backbone"], "cannot be combined with `sequence.join`")
        let names = try section.choices("join", extractions.map(\.backbone.name)) ?? []
        if names.count < 2 || Set(names).count < names.count {
            throw section.invalid("join", "must list at least two different backbones")
        }
        return names.compactMap { name in extractions.first { $0.backbone.name == name } }
    }
}

extension Node {
    /// Sets `a.b.c=value`; missing mappings are created.
    mutating func apply(_ override: String) throws {
        let parts = override.splitBytes("=", maxSplits: 1, omittingEmptySubsequences: false)
        let keys = parts[0].splitBytes(".").map(String.init)
        guard parts.count == 2, !keys.isEmpty else {
            throw PipelineError(
                file: "--set",
                "`\(override)` is not of the form key=value, such as sequence.optimizer.learning_rate=1e-4")
        }
        guard let value = try? Yams.compose(yaml: String(parts[1])) else {
            throw PipelineError(file: "--set", "`\(parts[1])` is not a YAML value")
        }
        self = setting(keys[...], to: value.withoutMark)
    }

    /// Sets the value at a dotted path.
    mutating func set(_ key: String, to value: Node) {
        self = setting(key.splitBytes(".").map(String.init)[...], to: value)
    }

    private func setting(_ keys: ArraySlice<String>, to value: Node) -> Node {
        guard let key = keys.first else { return value }
        var mapping = self.mapping ?? Node.Mapping([])
        mapping[Node(key)] = (mapping[key] ?? .mapping(Mapping([]))).setting(keys.dropFirst(), to: value)
        return .mapping(mapping)
    }

    /// The value without its position in the parsed text, which is not in the file.
    private var withoutMark: Node {
        switch self {
        case .scalar(let scalar): .scalar(Scalar(scalar.string, scalar.tag, scalar.style))
        case .sequence(let sequence): .sequence(Sequence(sequence.map(\.withoutMark)))
        case .mapping(let mapping): .mapping(Mapping(mapping.map { ($0.key.withoutMark, $0.value.withoutMark) }))
        default: self
        }
    }
}
