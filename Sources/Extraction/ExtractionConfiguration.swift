import Backbones
import FeatureCache
import Inference
import Video

/// The `extract` section of a pipeline.
package struct ExtractionConfiguration: Sendable {
    package enum Weights: Sendable, Equatable {
        /// Untrained weights, identical on every machine; `random` is recorded with the features.
        case random
        /// - `part`: selects one of several networks in the file by its name there; nil selects the one that publishers
        ///   evaluate.
        case file(String, part: String? = nil)

        /// As written in the pipeline.
        package var name: String {
            switch self {
            case .random: "random"
            case .file(let path, _): path
            }
        }
    }

    package var backbone: Backbone
    package var weights: Weights
    /// The implementation that the network follows; nil follows the weights.
    package var numerics: Numerics?
    /// The input normalisation; nil follows the weights.
    package var input: InputConvention?
    /// Whether the network's input is the difference of each frame from the previous one.
    package var showsDifference = false
    package var tap: String
    /// Side of the square input image, in pixels.
    package var imageSize: Int
    package var sampling: Sampling
    /// Whether the pixel aspect ratio is corrected.
    package var aspect = Aspect.stored
    /// The user's resize filter; nil follows the backbone.
    package var wantedResize: ResizeFilter?
    /// Precision of the network; `f32` instead if the processor lacks instructions for it.
    package var precision: Precision
    /// Whether `precision` is replaced with the fastest one on this machine that preserves features and accuracy;
    /// decided once per cache.
    package var choosesPrecision = false
    /// Element type of the stored features.
    package var store: StoredType
    /// Number of augmented views of each video: the original, and others with random start, crop and horizontal flip.
    package var views: Int

    package var resize: ResizeFilter {
        get { wantedResize ?? backbone.resize }
        set { wantedResize = newValue }
    }

    package init(
        backbone: Backbone, weights: Weights, tap: String, imageSize: Int, sampling: Sampling,
        numerics: Numerics? = nil, input: InputConvention? = nil, resize: ResizeFilter? = nil,
        precision: Precision = .f32, store: StoredType = .float32, views: Int = 1
    ) {
        (self.backbone, self.weights, self.tap) = (backbone, weights, tap)
        (self.imageSize, self.sampling, self.numerics) = (imageSize, sampling, numerics)
        (self.input, wantedResize) = (input, resize)
        (self.precision, self.store, self.views) = (precision, store, views)
    }

    /// The most recent stored recipe with these settings, with any weights: for caches that one process created.
    /// Features in `f32` are accepted if there are none in the requested precision, as `extract` creates them on
    /// processors without it.
    package func stored(in extractions: [StoredExtraction]) -> StoredExtraction? {
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
