import Backbones
import FeatureCache
import Inference
import Video

/// The `extract` part of a pipeline.
public struct ExtractionConfiguration: Sendable {
    /// Where the parameters come from.
    public enum Weights: Sendable, Equatable {
        /// Untrained, the same on every machine; named so wherever the features go.
        case random
        /// - `part`: which of several networks in the file, by its name there; nil takes the one that publishers evaluate.
        case file(String, part: String? = nil)

        /// As the pipeline names it.
        public var name: String {
            switch self {
            case .random: "random"
            case .file(let path, _): path
            }
        }
    }

    /// The network that sees the frames.
    public var backbone: Backbone
    /// Its parameters.
    public var weights: Weights
    /// Whose arithmetic the network follows; nil follows the weights.
    public var numerics: Numerics?
    /// How pixels become the network's input; nil follows the weights.
    public var input: InputConvention?
    /// Whether the network is shown how each frame differs from the one before it, instead of the frame.
    public var showsDifference = false
    /// One of the backbone's taps.
    public var tap: String
    /// Side of the square picture the network sees, in pixels.
    public var imageSize: Int
    /// Which frames are looked at.
    public var sampling: Sampling
    /// Whether non-square pixels are shown as such.
    public var aspect = Aspect.stored
    /// The resize filter that the user asks for; nil follows the backbone.
    public var wantedResize: ResizeFilter?
    /// What the network computes with; `f32` instead where the processor has no instructions for it.
    public var precision: Precision
    /// Whether `precision` is to be the fastest here that keeps features and heads as they are; decided once for a cache.
    public var choosesPrecision = false
    /// How the cache keeps features.
    public var store: StoredType
    /// How many views of each video: the plain one, and others randomly begun, cropped and mirrored.
    public var views: Int

    /// How frames become images of `imageSize`.
    public var resize: ResizeFilter {
        get { wantedResize ?? backbone.resize }
        set { wantedResize = newValue }
    }

    /// A configuration; `imageSize` in pixels, `tap` one of the backbone's.
    public init(
        backbone: Backbone, weights: Weights, tap: String, imageSize: Int, sampling: Sampling,
        numerics: Numerics? = nil, input: InputConvention? = nil, resize: ResizeFilter? = nil,
        precision: Precision = .f32, store: StoredType = .float32, views: Int = 1
    ) {
        self.store = store
        self.precision = precision
        self.input = input
        wantedResize = resize
        self.views = views
        self.backbone = backbone
        self.numerics = numerics
        self.weights = weights
        self.tap = tap
        self.imageSize = imageSize
        self.sampling = sampling
    }

    /// The newest stored recipe with these settings, whatever its weights are: for caches that one process made. Features in
    /// `f32` stand in if none are in the precision wanted, as `extract` makes them on processors without it.
    public func stored(in extractions: [(id: Int64, record: ExtractionRecord)]) -> (
        id: Int64, record: ExtractionRecord
    )? {
        for precision in choosesPrecision ? Precision.allCases : [precision, .f32] {
            var wanted = self
            wanted.precision = precision
            let matching = extractions.filter { wanted.describes($0.record) }
            let newest = matching.max { first, second in
                (first.record.weights == weights.name ? 1 : 0, first.id)
                    < (second.record.weights == weights.name ? 1 : 0, second.id)
            }
            if let newest { return newest }
        }
        return nil
    }

    func describes(_ record: ExtractionRecord) -> Bool {
        guard let recipe = try? ExtractionRecipe(json: record.recipe) else { return false }
        let own = ExtractionRecipe(
            self, weights: recipe.weights, numerics: numerics ?? recipe.numerics, input: input ?? recipe.input)
        if choosesPrecision && recipe.precisionAsked == nil { return false }
        return recipe.undecided == own.with(part: recipe.part, grid: recipe.grid).undecided
            && (recipe.weights == "random") == (weights == .random)
    }
}
