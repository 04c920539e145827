import Backbones
import FeatureCache
import Files
import Foundation
import Inference
import NeuralNetwork
import Video

/// Valid values of a stored recipe: those that a pipeline can state or calibration can produce.
extension ExtractionRecipe {
    /// Number of networks whose features may be concatenated.
    private static let networks = 2...16

    /// - Throws: `InvalidValue` with the key.
    func validate() throws(InvalidValue) {
        try InvalidValue.check(imageSize, "image_size", in: 1...Backbone.largestImageSize)
        try InvalidValue.check(grid, "grid", in: Backbone.grids)
        try sampling.validate("sampling")
        guard input.isPossible else {
            throw InvalidValue("input", "is not a mean and a nonzero standard deviation of three channels")
        }
        try calibration?.validate("calibration")
        guard let joined else { return }
        guard Self.networks.contains(joined.count) else {
            throw InvalidValue("joined", "lists \(joined.count) recipes, not \(Self.networks.words)")
        }
        for (place, recipe) in joined.enumerated() {
            guard recipe.joined == nil else {
                throw InvalidValue("joined.\(place)", "is itself a concatenation of recipes")
            }
            do { try recipe.validate() } catch { throw InvalidValue("joined.\(place).\(error.key)", error.problem) }
        }
    }

    /// - Throws: `RecipeError` if the recipe's network cannot be built.
    func validate(for network: Backbone) throws {
        guard network.accepts(imageSize: imageSize) else {
            throw RecipeError.invalid(InvalidValue("image_size", "is \(imageSize), which \(backbone) does not accept"))
        }
        guard network.numerics.contains(numerics) else {
            throw RecipeError.invalid(
                InvalidValue("numerics", "is \(numerics.rawValue), which \(backbone) does not support"))
        }
        try Self.checkWindows(network, sampling)
    }
}

extension ExtractionRecord {
    /// Returns the recipe if its network's output has the stored feature shape. `source`: the weights, which hold the
    /// network if it is from an ONNX file. Throws `RecipeError`.
    package func checkedRecipe(_ source: (any ParameterSource)? = nil) throws -> ExtractionRecipe {
        let recipe = try ExtractionRecipe(json: self.recipe)
        let shapes = try (recipe.joined ?? [recipe]).map { try $0.graph(source).featureShape(of: $0.tap) }
        let shape = shapes.count == 1 ? shapes[0] : [shapes.compactMap { $0.checkedProduct() }.reduce(0, +)]
        guard shape == featureShape else {
            throw RecipeError.otherShape(recipe: name, network: shape, stored: featureShape)
        }
        return recipe
    }
}

extension Calibration {
    private static let range: ClosedRange<Float> = 0...Float.greatestFiniteMagnitude

    fileprivate func validate(_ key: String) throws(InvalidValue) {
        for (name, value) in ranges.sorted(by: { $0.key < $1.key }) where !Self.range.contains(value) {
            throw InvalidValue("\(key).ranges.\(name)", "is \(value), not a finite number of at least 0")
        }
    }
}
