import Backbones
import Datasets
import Digests
import FeatureCache
import Files
import Foundation
import Inference
import NeuralNetwork
import Video

/// Everything that changes a feature. Two extractions with equal recipes share their features; a change
/// of anything here never mixes with what was stored before.
public struct ExtractionRecipe: Sendable, Equatable, Codable {
    /// Raised when the program computes other numbers from the same recipe.
    static let currentFeatureVersion = 2

    /// Name of the network.
    public var backbone: String
    /// Whose arithmetic the network follows.
    public var numerics: Numerics
    /// SHA-256 of the weight file, hex, or `random`.
    public var weights: String
    /// Which of several networks in the weight file; nil if it holds one.
    public private(set) var part: String?
    /// Side of the grid that a transformer's positions were learned on; nil if it is the backbone's.
    private(set) var grid: Int?
    /// Where features are taken.
    public var tap: String
    /// Side of the square picture, in pixels.
    public var imageSize: Int
    /// Which frames are looked at.
    public var sampling: Sampling
    /// What is cut out of a frame.
    public var crop = "center_square"
    /// Whether non-square pixels are shown as such; nil for `stored`, which recipes meant before there was a choice.
    var aspect: Aspect?
    /// Filter of the resize.
    public var resize: ResizeFilter
    /// How pixels become the input of the network.
    public var input: InputConvention
    /// Arithmetic of the network.
    public var precision: Precision
    /// `fastest` where the precision was chosen by trying; nil where it was asked for.
    var precisionAsked: String?
    /// What eight bits stand for, where the arithmetic is `int8`.
    public var calibration: Calibration?
    /// How features are stored; nil for `float32`.
    public var store: StoredType?
    /// Of features of several networks side by side, their recipes in order; nil for those of one.
    public var joined: [ExtractionRecipe]?
    /// `currentFeatureVersion` when the features were made.
    var featureVersion = currentFeatureVersion

    enum CodingKeys: String, CodingKey {
        case backbone, numerics, weights, part, grid, tap, sampling, crop, aspect, resize, input, precision,
            calibration, store,
            joined
        case imageSize = "image_size"
        case precisionAsked = "precision_asked"
        case featureVersion = "feature_version"
    }

    /// JSON with sorted keys: what the cache stores and hashes.
    public var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings and finite numbers always encode.
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// SHA-256 of `json`, hex.
    public var digest: String { hexDigest(Data(json.utf8)) }

    /// The recipe stored as JSON.
    ///
    /// - Throws: `RecipeError.invalid` if it is damaged, or states what no pipeline can.
    public init(json: String) throws {
        do {
            let data = Data(json.utf8)
            if let problem = JSONLimits.problem(data) { throw InvalidValue("", "cannot be read: \(problem)") }
            self = try JSONDecoder().decode(Self.self, from: data)
            try validate()
        } catch {
            throw RecipeError.invalid(InvalidValue(error))
        }
    }

    /// The network that the recipe names, with its taps as outputs.
    ///
    /// - Throws: `RecipeError.unknownBackbone`.
    public func graph() throws -> Graph {
        if joined != nil { throw RecipeError.severalNetworks(backbone) }
        if backbone == Backbone.importedName {
            guard let network = ImportedNetworks.network(digest: weights) else {
                throw RecipeError.missingModel(digest: weights)
            }
            let graph = try network.graph(imageSize: imageSize)
            if graph.outputs[tap] == nil { try network.check(output: tap, imageSize: imageSize) }
            return graph
        }
        guard let network = Backbone.named(backbone) else { throw RecipeError.unknownBackbone(backbone) }
        try validate(for: network)
        let graph = network.graph(imageSize: imageSize, numerics: numerics, frames: sampling.windowed?.length)
        return grid.map { graph.learned(onGrid: $0) } ?? graph
    }

    /// The same with weights of another place in their file, or learned on another grid.
    func with(part: String?, grid: Int?) -> ExtractionRecipe {
        var recipe = self
        (recipe.part, recipe.grid) = (part, grid)
        return recipe
    }

    /// What the configuration comes to with these weights.
    ///
    /// - Throws: `RecipeError.otherNumerics` where the weights are for another arithmetic than asked for.
    public init(_ configuration: ExtractionConfiguration, _ weights: LoadedWeights) throws {
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

    /// That a network of windows is given windows that it can see, and no other network is.
    ///
    /// - Throws: `RecipeError`.
    public static func checkWindows(_ backbone: Backbone, _ sampling: Sampling) throws {
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
        backbone = configuration.backbone.name
        self.numerics = numerics
        self.weights = weights
        tap = configuration.tap
        imageSize = configuration.imageSize
        sampling = configuration.sampling
        aspect = configuration.aspect == .stored ? nil : configuration.aspect
        resize = configuration.resize
        self.input = input
        self.input.isDifference = configuration.showsDifference ? true : nil
        precision = configuration.precision
        precisionAsked = configuration.choosesPrecision ? "fastest" : nil
        store = configuration.store == .float32 ? nil : configuration.store
    }

    /// How features are stored.
    public var storedType: StoredType { store ?? .float32 }

    /// What the network computes with on this machine: `f32` where the processor lacks the recipe's precision.
    public var arithmetic: Arithmetic {
        guard precision.isNative else { return .f32 }
        return switch precision {
        case .f32, .f16, .tf32: .f32
        case .bf16: .bf16
        case .int8: .int8(calibration ?? Calibration(ranges: [:]))
        }
    }

    /// The recipe without what was found out from pictures.
    var uncalibrated: ExtractionRecipe {
        var recipe = self
        recipe.calibration = nil
        return recipe
    }

    /// The same, whoever chose the precision.
    var undecided: ExtractionRecipe {
        var recipe = uncalibrated
        recipe.precisionAsked = nil
        return recipe
    }

    /// What the recipe wants of a clip.
    ///
    /// Views after the plain one begin at random, show a square of seven eighths of the shorter side at a random
    /// place (a crop of 224 from a picture whose shorter side is 256), and every other one is mirrored.
    ///
    /// - Parameters:
    ///   - digest: of the clip, hex; with the view it decides what is random.
    ///   - view: 0 is the plain view.
    public func request(digest: String, view: Int = 0) -> SampleRequest {
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

/// Why a recipe cannot be followed.
public enum RecipeError: LocalizedError, Equatable {
    case unknownBackbone(String)
    case invalid(InvalidValue)
    case otherShape(recipe: String, network: [Int], stored: [Int])
    case missingModel(digest: String)
    case otherNumerics(weights: String, own: Numerics, wanted: Numerics)
    case severalNetworks(String)
    case seesOneFrame(String)
    case seesWindows(String, length: Int)
    case shortWindow(String, length: Int, least: Int)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .unknownBackbone(let name): "The backbone \(name) is unknown to this version. Update Zoetrope."
        case .invalid(let value):
            "The recipe of the features cannot be followed: in it, \(value.words). The cache or the run was changed: run `zoetrope extract` "
                + "again into a new cache, and train again."
        case .otherShape(let recipe, let network, let stored):
            "The network of the recipe \(recipe) gives features of shape \(network), but the cache states \(stored): it was changed. Run "
                + "`zoetrope extract` again into a new cache."
        case .missingModel(let digest):
            "The features come from the ONNX model with the digest \(digest.prefix(12))…, which was not read. Name its file "
                + "with --weights."
        case .otherNumerics(let weights, let own, let wanted):
            "\(weights) holds weights for the arithmetic of \(own.rawValue), but `extract.numerics` says "
                + "\(wanted.rawValue). Leave the key out: it follows the weights."
        case .severalNetworks(let backbones):
            "The features are those of several networks side by side (\(backbones)). Training, `evaluate`, reports and `predict` "
                + "know them; what looks into one network, or slides over videos, does not. Use a run on one of them for that."
        case .seesOneFrame(let backbone):
            "\(backbone) sees one frame at a time: `policy: windows` is for networks of several frames, such as r3d_18. Use "
                + "another policy, such as `uniform`."
        case .seesWindows(let backbone, let length):
            "\(backbone) sees several frames at once. Write `sampling: {policy: windows, length: \(length), stride: "
                + "\(max(1, length / 2)), frames_per_second: 15, windows: 20}`."
        case .shortWindow(let backbone, let length, let least):
            "\(backbone) needs windows of at least \(least) frames; `sampling.length` is \(length). Raise it."
        }
    }
}
