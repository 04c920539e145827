import Backbones
import Extraction
import FeatureCache
import Inference
import ONNX
import SequenceModels
import Video
import Yams

/// The `extract` section of a pipeline file.
extension Pipeline {
    static func extractions(_ reader: PipelineReader) throws -> [ExtractionConfiguration] {
        let keys = [
            "backbone", "numerics", "weights", "tap", "image_size", "aspect", "resize", "input", "sampling", "views",
            "precision", "store",
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
                    "of \(backbone.name) must be a multiple of the patch size, \(backbone.patch) pixels, such as "
                        + "\(below) or \(below + backbone.patch), not \(size)")
            }
            if let network = backbone.network {
                try checkModel(section, network, of: backbone, tap: tap, imageSize: size, hasInput: input != nil)
            }
            var configuration = ExtractionConfiguration(
                backbone: backbone, weights: weights[index], tap: tap, imageSize: size, sampling: sampling,
                numerics: numerics, input: input, resize: resize, precision: precision.flatMap(Precision.init) ?? .f32,
                store: store, views: views)
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
                "cannot be used: \(error.localizedDescription)\(hint ?? "") `zoetrope describe \(file)` lists all "
                    + "values.")
        }
        guard hasInput || network.inputConvention != nil else {
            throw section.invalid(
                "input",
                "is missing: neither \(file) nor a preprocessor_config.json beside it states the input normalisation. "
                    + "Write `input: imagenet`, `symmetric`, or `{mean: [r, g, b], deviation: [r, g, b]}`")
        }
    }
}

extension PipelineReader {
    /// The weights of each of `count` backbones: `random`, a file, or `{file: …, part: …}`; one for all, or a list.
    func weights(count: Int) throws -> [ExtractionConfiguration.Weights] {
        let entries = try required("weights") { key in
            guard let node = node(key) else { return nil as [ExtractionConfiguration.Weights]? }
            return try (node.sequence.map(Array.init) ?? [node]).map { item in
                if let name = item.scalar?.string, item.null == nil { return name == "random" ? .random : .file(name) }
                guard item.mapping != nil else {
                    throw wrong(key, item, "`random`, a file, `{file: …, part: …}`, or a list of these")
                }
                let section = try PipelineReader(item, file: file, path: full(key), keys: ["file", "part"])
                return .file(try section.required("file", section.string), part: try section.string("part"))
            }
        }
        if entries.isEmpty { throw invalid("weights", "must not be empty") }
        return try (0..<count).map { try entry(entries, of: "weights", at: $0, of: count) }
    }
}

/// The key `input` of `extract`, and the equivalent option of `classify`.
extension Pipeline {
    /// A named convention, or mean and standard deviation of red, green and blue.
    static func input(_ section: PipelineReader) throws -> InputConvention? {
        guard section.has("input") else { return nil }
        let known = InputConvention.named
        if (try? section.string("input")) != nil {
            return known[try section.choice("input", known.keys.sorted() + ["difference"]) ?? ""]
        }
        guard let reader = try section.section("input", keys: inputKeys), reader.names != ["difference"] else {
            return nil
        }
        return InputConvention(
            mean: try reader.required("mean") { try reader.numbers($0, count: 3) { _ in true } },
            standardDeviation: try reader.required("deviation") { try reader.numbers($0, count: 3) { $0 > 0 } },
            isBlueFirst: try reader.boolean("blue_first") ?? false)
    }

    /// Parses `extract.input`: a name, or a mapping with mean and standard deviation. `option`: name for errors, such
    /// as `--input`. Throws `PipelineError`.
    package static func inputConvention(_ text: String, option: String) throws -> InputConvention? {
        guard let node = try Yams.compose(yaml: "input: " + text) else { return nil }
        return try input(PipelineReader(node, file: option, path: "", keys: ["input"]))
    }

    private static let inputKeys = ["mean", "deviation", "blue_first", "difference"]

    static func showsDifference(_ section: PipelineReader) throws -> Bool {
        if let name = try? section.string("input") { return name == "difference" }
        return try section.section("input", keys: inputKeys)?.boolean("difference") ?? false
    }
}

/// The key `extract.sampling` of a pipeline file.
extension Pipeline {
    private static let samplingKeys = ["frames", "every", "start", "frames_per_second", "length", "stride", "windows"]

    /// One for all backbones, or one for each; the default of video encoders is windows.
    static func samplings(_ section: PipelineReader, _ backbones: [Backbone]) throws -> [Sampling] {
        guard section.has("sampling") else {
            return backbones.map { backbone in
                guard let clip = backbone.clip else { return .uniform(frames: 20) }
                return .windows(
                    WindowSampling(length: clip.native, stride: clip.native / 2, framesPerSecond: 15, windows: 20))
            }
        }
        return try section.sections("sampling", keys: ["policy"] + samplingKeys).map { try sampling($0) }
    }

    private static func sampling(_ reader: PipelineReader) throws -> Sampling {
        let policies = ["first", "stride", "uniform", "rate", "windows"]
        let policy = try reader.required("policy") { try reader.choice($0, policies) }
        func only(_ own: [String]) throws {
            try reader.forbid(samplingKeys.filter { !own.contains($0) }, "does not apply to the policy `\(policy)`")
        }
        func rate() throws -> Double? { try reader.number("frames_per_second", in: Sampling.Ranges.framesPerSecond) }
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
