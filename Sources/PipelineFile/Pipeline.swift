import Backbones
import Datasets
import Escaping
import Extraction
import FeatureCache
import Files
import FineTuning
import Foundation
import Inference
import ONNX
import SequenceModels
import Video
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

    /// Reads a file.
    ///
    /// - `overrides`: `key=value` such as `sequence.optimizer.learning_rate=1e-4`, applied before validation.
    /// - Throws: `PipelineError`.
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
            let message =
                error.problem == .missing
                ? "the pipeline file does not exist or cannot be read"
                : "the pipeline file cannot be read: \(error.reason)"
            throw PipelineError(file: file, line: nil, message: message)
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw PipelineError(file: file, line: nil, message: "the pipeline file is not UTF-8 text")
        }
        return try parse(text: text, file: file, overrides: overrides)
    }

    private static func parse(text: String, file: String, overrides: [String]) throws -> Node {
        if let problem = YAMLLimits.problem(text) {
            throw PipelineError(file: file, line: nil, message: "the pipeline file cannot be read: \(problem)")
        }
        do {
            guard var parsed = try Yams.compose(yaml: text) else {
                throw PipelineError(file: file, line: nil, message: "the pipeline file is empty")
            }
            for override in overrides { try parsed.apply(override) }
            return parsed
        } catch let error as YamlError {
            throw PipelineError(file: file, line: nil, message: "this is not YAML: \(Self.short("\(error)"))")
        }
    }

    /// Errors quote the line, which may be as long as the file.
    private static func short(_ text: String) -> String {
        text.utf8.count <= 2000 ? text : String(text.unicodeScalars.prefix(500)) + " …"
    }

    /// For commands that work on one split.
    ///
    /// - Throws: `PipelineError` if the pipeline uses all official splits.
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
        if !Escaping.canNameFile(name) {
            throw reader.invalid("name", "must be usable as a folder's name")
        }
        dataset = try Self.dataset(reader)
        extractions = try Self.extractions(reader)
        let views = extractions.map(\.views).max() ?? 1
        trainedOn = try Self.trainedOn(reader, extractions)
        joined = try Self.joined(reader, extractions)
        training = try TrainingConfiguration(reader, validation: dataset.validation, views: views)
        fineTuning = try FineTuningConfiguration(reader, extractions, validation: dataset.validation)
    }

    // MARK: - dataset

    private static func dataset(_ reader: PipelineReader) throws -> DatasetConfiguration {
        let section = try reader.required("dataset") {
            try reader.section(
                $0,
                keys: [
                    "layout", "root", "splits", "split", "validation", "test", "test_seed", "group", "exclude",
                    "classes",
                    "name",
                ])
        }
        let layout = try section.choice("layout", DatasetConfiguration.Layout.self) ?? .folders
        if !layout.hasLists { try section.forbid(["splits"], "does not apply to the layout `\(layout.rawValue)`") }
        if !layout.hasNumberedSplits {
            try section.forbid(["split"], "does not apply to the layout `\(layout.rawValue)`")
        }
        var classes = DatasetConfiguration.Classes.all
        if let names = try? section.strings("classes") {
            if names.isEmpty { throw section.invalid("classes", "must not be empty") }
            classes = .named(names)
        } else if (try? section.string("classes")) != nil {
            _ = try section.choice("classes", ["all"])
        } else if let top = try section.section("classes", keys: ["top"]) {
            classes = .top(try top.required("top") { try top.integer($0, in: 2...Int.max) })
        }
        if !section.has("test") { try section.forbid(["test_seed"], "needs `dataset.test`") }
        let allSplits = (try? section.string("split")) == "all"
        func share(_ key: String) throws -> Double? {
            try section.number(key, in: TrainingConfiguration.Ranges.validation)
        }
        return DatasetConfiguration(
            layout: layout, root: try section.required("root", section.string), splits: try section.string("splits"),
            split: allSplits ? 1 : try section.integer("split", in: 1...3) ?? 1, allSplits: allSplits,
            validation: try share("validation") ?? 0.2, test: try share("test") ?? 0,
            testSeed: try section.integer("test_seed", in: 0...Int.max) ?? 0, group: try section.string("group"),
            exclude: try section.string("exclude"), classes: classes, name: try section.string("name"))
    }

    // MARK: - extract

    private static func extractions(_ reader: PipelineReader) throws -> [ExtractionConfiguration] {
        let keys = [
            "backbone", "numerics", "weights", "tap", "image_size", "aspect", "resize", "input", "sampling", "views",
            "precision",
            "store",
        ]
        let section = try reader.required("extract") { try reader.section($0, keys: keys) }
        let known = Backbone.all.map(\.name) + [Backbone.importedName]
        let names = try section.required("backbone") { try section.choices($0, known) }
        guard Set(names).count == names.count else { throw section.invalid("backbone", "contains a duplicate") }
        let weights = try section.weights(count: names.count)
        let backbones = try zip(names, weights).map { try backbone($0, weights: $1.name, section) }
        let views = try section.integer("views", in: TrainingConfiguration.Ranges.views) ?? 1
        let precision = try section.choice("precision", Precision.allCases.map(\.rawValue) + ["fastest"])
        let store = try section.choice("store", StoredType.self) ?? .float32
        let minimum = backbones.map(\.minimumImageSize).max() ?? 1
        let sizes = try section.integers("image_size", in: minimum...Backbone.largestImageSize)
        let tap = try tap(section, backbones)
        let (samplings, input) = (try samplings(section, backbones), try input(section))
        let resize = try section.choice("resize", ResizeFilter.self)
        let aspect = try section.choice("aspect", Aspect.self) ?? .stored
        let numerics = try section.choice("numerics", Numerics.self)
        return try backbones.enumerated().map { index, backbone in
            if let numerics, !backbone.numerics.contains(numerics) {
                throw section.invalid(
                    "numerics",
                    "cannot be `\(numerics.rawValue)` for \(backbone.name), which supports "
                        + backbone.numerics.map(\.rawValue).joined(separator: ", "))
            }
            let file = weights[index].name
            let sampling = try section.entry(samplings, of: "sampling", at: index, of: backbones.count)
            do {
                try ExtractionRecipe.checkWindows(backbone, sampling)
            } catch {
                throw section.invalid("sampling", "does not fit: \(error.localizedDescription)")
            }
            let size =
                try sizes.map { try section.entry($0, of: "image_size", at: index, of: backbones.count) }
                ?? backbone.nativeImageSize
            if let fixed = backbone.fixedImageSize, fixed != size {
                throw section.invalid("image_size", "is \(size), but \(file) only takes images of \(fixed) pixels")
            }
            guard size % backbone.patch == 0 else {
                let below = max(size / backbone.patch, 2) * backbone.patch
                throw section.invalid(
                    "image_size",
                    "of \(backbone.name) must be a multiple of the patch size, \(backbone.patch) pixels, such as \(below) or "
                        + "\(below + backbone.patch), not \(size)")
            }
            if let network = backbone.network {
                try checkModel(section, network, of: backbone, tap: tap, imageSize: size, hasInput: input != nil)
            }
            var configuration = ExtractionConfiguration(
                backbone: backbone, weights: weights[index], tap: tap,
                imageSize: size, sampling: sampling, numerics: numerics, input: input,
                resize: resize,
                precision: precision.flatMap(Precision.init) ?? .f32, store: store, views: views)
            configuration.choosesPrecision = precision == "fastest"
            configuration.showsDifference = try showsDifference(section)
            configuration.aspect = aspect
            return configuration
        }
    }

    /// The backbone of a name; for an ONNX file, the weights are the network.
    private static func backbone(_ name: String, weights: String, _ section: PipelineReader) throws -> Backbone {
        if let own = Backbone.named(name) { return own }
        guard weights != "random" else {
            throw section.invalid("weights", "must name an ONNX file if `extract.backbone` is `onnx`")
        }
        do {
            return try Backbone.imported(ImportedNetwork(path: weights))
        } catch {
            throw section.invalid("weights", "cannot be used: \(error.localizedDescription)")
        }
    }

    /// A tap that all backbones have; by default `pooled`, or an ONNX file's first output.
    private static func tap(_ section: PipelineReader, _ backbones: [Backbone]) throws -> String {
        let taps = backbones[0].taps.filter { tap in backbones.allSatisfy { $0.taps.contains(tap) } }
        guard backbones.contains(where: { $0.name == Backbone.importedName }) else {
            return try section.choice("tap", taps) ?? "pooled"
        }
        guard let tap = try section.string("tap") ?? taps.first else {
            throw section.invalid("backbone", "lists backbones without a common tap")
        }
        return tap
    }

    /// Validates an ONNX file for that image size before anything else is done.
    private static func checkModel(
        _ section: PipelineReader, _ network: ImportedNetwork, of backbone: Backbone, tap: String, imageSize: Int,
        hasInput: Bool
    ) throws {
        let file = network.path
        do {
            try network.check(output: tap, imageSize: imageSize)
        } catch {
            let taps = backbone.taps
            let hint = taps.contains(tap) ? nil : nearest(to: tap, among: taps).map { " Did you mean `\($0)`?" }
            throw section.invalid(
                section.has("tap") ? "tap" : "weights",
                "cannot be used: \(error.localizedDescription)\(hint ?? "") `zoetrope describe \(file)` lists all values."
            )
        }
        guard hasInput || network.inputConvention != nil else {
            throw section.invalid(
                "input",
                "is missing: neither \(file) nor a preprocessor_config.json beside it states the input normalisation. Write "
                    + "`input: imagenet`, `symmetric`, or `{mean: [r, g, b], deviation: [r, g, b]}`")
        }
    }

    /// The extraction selected by `sequence.backbone`.
    private static func trainedOn(
        _ reader: PipelineReader, _ extractions: [ExtractionConfiguration]
    ) throws -> ExtractionConfiguration? {
        guard let section = try reader.section("sequence", keys: TrainingConfiguration.keys), section.has("backbone")
        else {
            return extractions.count == 1 ? extractions[0] : nil
        }
        let name = try section.choice("backbone", extractions.map(\.backbone.name))
        return extractions.first { $0.backbone.name == name }
    }

    /// The extractions concatenated by `sequence.join`.
    private static func joined(
        _ reader: PipelineReader, _ extractions: [ExtractionConfiguration]
    ) throws -> [ExtractionConfiguration] {
        guard let section = try reader.section("sequence", keys: TrainingConfiguration.keys), section.has("join") else {
            return []
        }
        try section.forbid(["backbone"], "cannot be combined with `sequence.join`")
        let names = try section.choices("join", extractions.map(\.backbone.name)) ?? []
        if names.count < 2 || Set(names).count < names.count {
            throw section.invalid("join", "must list at least two different backbones")
        }
        return names.compactMap { name in extractions.first { $0.backbone.name == name } }
    }

    /// One for all backbones, or one for each; the default of video encoders is windows.
    private static func samplings(_ section: PipelineReader, _ backbones: [Backbone]) throws -> [Sampling] {
        let keys = ["policy", "frames", "every", "start", "frames_per_second", "length", "stride", "windows"]
        guard section.has("sampling") else {
            return backbones.map { backbone in
                guard let clip = backbone.clip else { return .uniform(frames: 20) }
                return .windows(
                    WindowSampling(length: clip.native, stride: clip.native / 2, framesPerSecond: 15, windows: 20))
            }
        }
        return try section.sections("sampling", keys: keys).map { try sampling($0) }
    }

    private static func sampling(_ reader: PipelineReader) throws -> Sampling {
        let policy = try reader.required("policy") {
            try reader.choice($0, ["first", "stride", "uniform", "rate", "windows"])
        }
        func only(_ own: [String]) throws {
            let all = ["frames", "every", "start", "frames_per_second", "length", "stride", "windows"]
            try reader.forbid(all.filter { !own.contains($0) }, "does not apply to the policy `\(policy)`")
        }
        func rate() throws -> Double? {
            try reader.number("frames_per_second", in: Sampling.Ranges.framesPerSecond)
        }
        if policy == "windows" {
            try only(["length", "stride", "frames_per_second", "windows"])
            let length = try reader.required("length") { try reader.integer($0, in: Sampling.Ranges.length) }
            return .windows(
                WindowSampling(
                    length: length,
                    stride: try reader.integer("stride", in: Sampling.Ranges.stride) ?? max(1, length / 2),
                    framesPerSecond: try rate(),
                    windows: try reader.integer("windows", in: Sampling.Ranges.frames) ?? 20))
        }
        let frames = try reader.integer("frames", in: Sampling.Ranges.frames) ?? 20
        switch policy {
        case "first":
            try only(["frames"])
            return .first(frames: frames)
        case "uniform":
            try only(["frames"])
            return .uniform(frames: frames)
        case "rate":
            try only(["frames", "frames_per_second"])
            return .rate(framesPerSecond: try reader.required("frames_per_second") { _ in try rate() }, frames: frames)
        default:
            try only(["frames", "every", "start"])
            let isRandom = try? reader.string("start") == "random"
            let start = isRandom == true ? nil : try reader.integer("start", in: Sampling.Ranges.start) ?? 0
            return .stride(
                every: try reader.required("every") { try reader.integer($0, in: Sampling.Ranges.stride) },
                start: start.map(Sampling.Start.at) ?? .random, frames: frames)
        }
    }
}
