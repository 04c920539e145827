import Backbones
import Datasets
import Digests
import FeatureCache
import Files
import Foundation
import Inference
import NeuralNetwork
import ONNX
import Video

/// Everything that determines a feature. Extractions with equal recipes share features; any difference gives a separate
/// set of features.
package struct ExtractionRecipe: Sendable, Equatable, Codable {
    /// Incremented when the program computes different features from the same recipe.
    static let currentFeatureVersion = 2

    package var backbone: String
    /// The implementation that the network follows.
    package var numerics: Numerics
    /// SHA-256 of the weight file, hex, or `random`.
    package var weights: String
    /// Which of several networks in the weight file; nil if it contains one.
    package private(set) var part: String?
    /// Side of the grid of a transformer's position embeddings; nil if it is the backbone's.
    private(set) var grid: Int?
    package var tap: String
    /// Side of the square input image, in pixels.
    package var imageSize: Int
    package var sampling: Sampling
    package var crop = "center_square"
    /// Whether the pixel aspect ratio is corrected; nil means `stored`, as in recipes from before this option existed.
    var aspect: Aspect?
    package var resize: ResizeFilter
    package var input: InputConvention
    package var precision: Precision
    /// `fastest` if the precision was selected automatically; nil if the user chose it.
    var precisionAsked: String?
    /// Activation ranges, if the precision is `int8`.
    package var calibration: Calibration?
    /// Element type of the stored features; nil means `float32`.
    package var store: StoredType?
    /// For concatenated features of several networks, their recipes in order; otherwise nil.
    package var joined: [ExtractionRecipe]?
    /// `currentFeatureVersion` at extraction.
    var featureVersion = currentFeatureVersion

    enum CodingKeys: String, CodingKey {
        case backbone, numerics, weights, part, grid, tap, sampling, crop, aspect, resize, input, precision,
            calibration, store, joined
        case imageSize = "image_size"
        case precisionAsked = "precision_asked"
        case featureVersion = "feature_version"
    }

    /// JSON with sorted keys, which is stored and hashed.
    package var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings and finite numbers can always be encoded.
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// SHA-256 of `json`, hex.
    package var digest: String { hexDigest(Data(json.utf8)) }

    /// Parses a stored recipe. Throws `RecipeError.invalid` if it is damaged, or has values that no pipeline can state.
    package init(json: String) throws {
        do {
            let data = Data(json.utf8)
            if let problem = JSONLimits.problem(data) { throw InvalidValue("", "cannot be read: \(problem)") }
            self = try JSONDecoder().decode(Self.self, from: data)
            try validate()
        } catch {
            throw RecipeError.invalid(InvalidValue(error))
        }
    }

    /// The recipe's network, with its taps as outputs. `source`: the weights, which hold the network if it is from an
    /// ONNX file. Throws `RecipeError.unknownBackbone`, `.missingModel`.
    package func graph(_ source: (any ParameterSource)? = nil) throws -> Graph {
        if joined != nil { throw RecipeError.severalNetworks(backbone) }
        if backbone == Backbone.importedName {
            guard let network = source as? ImportedNetwork else { throw RecipeError.missingModel(digest: weights) }
            let graph = try network.graph(imageSize: imageSize)
            if graph.outputs[tap] == nil { try network.check(output: tap, imageSize: imageSize) }
            return graph
        }
        guard let network = Backbone.named(backbone) else { throw RecipeError.unknownBackbone(backbone) }
        try validate(for: network)
        let graph = network.graph(imageSize: imageSize, numerics: numerics, frames: sampling.windowed?.length)
        return grid.map { graph.learned(onGrid: $0) } ?? graph
    }

    /// The recipe with weights of another part of their file, or with another position grid.
    func with(part: String?, grid: Int?) -> ExtractionRecipe {
        var recipe = self
        (recipe.part, recipe.grid) = (part, grid)
        return recipe
    }

    /// The recipe of a configuration with these weights. Throws `RecipeError.otherNumerics` if the weights are for
    /// another implementation than the configured one.
    package init(_ configuration: ExtractionConfiguration, _ weights: LoadedWeights) throws {
        let backbone = configuration.backbone
        try Self.checkWindows(backbone, configuration.sampling)
        let possible = weights.traits.numerics
        if let own = possible.first, let wanted = configuration.numerics, !possible.contains(wanted) {
            throw RecipeError.otherNumerics(weights: configuration.weights.name, own: own, wanted: wanted)
        }
        let convention = WeightsConvention(
            backbone, weights.traits, numerics: configuration.numerics, input: configuration.input)
        self.init(
            configuration, weights: weights.digest ?? "random", numerics: convention.numerics, input: convention.input)
        (part, grid) = (weights.part, weights.grid)
    }

    /// Checks that a video encoder has windows of a supported length, and that an image encoder has none. Throws
    /// `RecipeError`.
    package static func checkWindows(_ backbone: Backbone, _ sampling: Sampling) throws {
        switch (backbone.clip, sampling.windowed) {
        case (nil, nil): return
        case (nil, _?): throw RecipeError.seesOneFrame(backbone.name)
        case (let clip?, nil): throw RecipeError.seesWindows(backbone.name, length: clip.native)
        case (let clip?, let windows?):
            if windows.length < clip.minimum {
                throw RecipeError.shortWindow(backbone.name, length: windows.length, least: clip.minimum)
            }
        }
    }

    init(_ configuration: ExtractionConfiguration, weights: String, numerics: Numerics, input: InputConvention) {
        (backbone, tap) = (configuration.backbone.name, configuration.tap)
        (self.weights, self.numerics) = (weights, numerics)
        (imageSize, sampling) = (configuration.imageSize, configuration.sampling)
        aspect = configuration.aspect == .stored ? nil : configuration.aspect
        resize = configuration.resize
        self.input = input
        self.input.isDifference = configuration.showsDifference ? true : nil
        precision = configuration.precision
        precisionAsked = configuration.choosesPrecision ? "fastest" : nil
        store = configuration.store == .float32 ? nil : configuration.store
    }

    package var storedType: StoredType { store ?? .float32 }

    /// The arithmetic on this machine: `f32` if the processor lacks the recipe's precision.
    package var arithmetic: Arithmetic {
        guard precision.isNative else { return .f32 }
        return switch precision {
        case .f32, .f16, .tf32: .f32
        case .bf16: .bf16
        case .int8: .int8(calibration ?? Calibration(ranges: [:]))
        }
    }

    /// The recipe without calibration, and without the note that the precision was selected automatically.
    var undecided: ExtractionRecipe {
        var recipe = self
        (recipe.calibration, recipe.precisionAsked) = (nil, nil)
        return recipe
    }

    /// The frames that the recipe samples from a clip. Views after the first start at a random offset and take a random
    /// square crop of seven eighths of the shorter side (as a crop of 224 from 256 pixels); every other one is flipped
    /// horizontally. `digest`: of the clip, hex; with the view it seeds the random choices. `view`: 0 is the
    /// unaugmented view.
    package func request(digest: String, view: Int = 0) -> SampleRequest {
        let own = UInt64(digest.prefix(16), radix: 16) ?? 0
        if view == 0 {
            return SampleRequest(sampling, seed: own, framing: preprocessing.framing, aspect: preprocessing.aspect)
        }
        var generator = SplitMix64(seed: own &+ UInt64(view))
        let placement = Framing.Placement(
            scale: 0.875, x: Double.random(in: 0...1, using: &generator),
            y: Double.random(in: 0...1, using: &generator), isMirrored: Bool.random(using: &generator))
        return SampleRequest(
            sampling, seed: generator.next(), framing: .square(size: imageSize, filter: resize, placement: placement),
            jitters: true, aspect: preprocessing.aspect)
    }
}

package enum RecipeError: LocalizedError, Equatable {
    case unknownBackbone(String)
    case invalid(InvalidValue)
    case otherShape(recipe: String, network: [Int], stored: [Int])
    case missingModel(digest: String)
    /// `user`: what was computed with the recipe's weights, such as `runs/a was trained`.
    case otherWeights(file: String, user: String)
    case otherNumerics(weights: String, own: Numerics, wanted: Numerics)
    case severalNetworks(String)
    case seesOneFrame(String)
    case seesWindows(String, length: Int)
    case shortWindow(String, length: Int, least: Int)

    package var errorDescription: String? {
        switch self {
        case .unknownBackbone(let name): "The backbone \(name) is unknown to this version. Update Zoetrope."
        case .invalid(let value):
            "The recipe of the features is invalid: \(value.words). The cache or the run was changed: run `zoetrope "
                + "extract` again into a new cache, and train again."
        case .otherShape(let recipe, let network, let stored):
            "The backbone of the recipe \(recipe) computes features of shape \(network), but the cache states "
                + "\(stored), so it was changed. Run `zoetrope extract` again into a new cache."
        case .missingModel(let digest):
            "The features come from the ONNX model with the digest \(digest.prefix(12))…, which is not loaded. Name "
                + "its file with --weights."
        case .otherWeights(let file, let user):
            "\(file) does not hold the weights that \(user) with. Name the right file with --weights."
        case .otherNumerics(let weights, let own, let wanted):
            "\(weights) has weights for the numerics \(own.rawValue), but `extract.numerics` is "
                + "\(wanted.rawValue). Leave the key out: it follows the weights."
        case .severalNetworks(let backbones):
            "The features are the concatenation of several backbones (\(backbones)). Only training, `evaluate`, "
                + "reports and `predict` support them. Use a run on one backbone instead."
        case .seesOneFrame(let backbone):
            "\(backbone) is an image encoder: `policy: windows` is for video encoders such as r3d_18. Use "
                + "another policy, such as `uniform`."
        case .seesWindows(let backbone, let length):
            "\(backbone) is a video encoder. Write `sampling: {policy: windows, length: \(length), stride: "
                + "\(max(1, length / 2)), frames_per_second: 15, windows: 20}`."
        case .shortWindow(let backbone, let length, let least):
            "\(backbone) needs windows of at least \(least) frames; `sampling.length` is \(length). Raise it."
        }
    }
}
