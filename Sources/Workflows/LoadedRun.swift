import Extraction
import Files
import Foundation
import Inference
import NeuralNetwork
import SequenceModels

struct LoadedNetwork: Sendable {
    let recipe: ExtractionRecipe
    let weights: LoadedWeights
    private let name: String

    /// `name`: of the weight file, unless weights are random. `run`: the run that uses its features. Throws
    /// `RecipeError`, `WeightsError`.
    init(_ recipe: ExtractionRecipe, weights name: String, run: String) throws {
        (self.recipe, self.name) = (recipe, name)
        weights = try LoadedWeights(of: recipe, file: name)
        try weights.validate(for: graph().parameters(for: recipe.tap))
        try weights.requireDigest(of: recipe, file: name, user: "\(run) was trained")
    }

    /// - Throws: `RecipeError`.
    func graph() throws -> Graph { try recipe.graph(weights.source) }

    /// Problems with the backbone's weights, once they were read, and deviations of this machine.
    var warnings: [String] {
        var warnings = [weights.warning(name: name)].compactMap { $0 }
        if !recipe.precision.isNative {
            warnings.append(
                "this processor (\(ArithmeticLibrary.instructionSet)) has no instructions for "
                    + "\(recipe.precision.rawValue); \(recipe.backbone) computes in f32")
        }
        return warnings
    }
}

/// A run with its backbones, ready for new videos.
struct LoadedRun: Sendable {
    let head: Head
    let configuration: RunDirectory.Configuration
    let recipe: ExtractionRecipe
    /// One, or several if the run uses concatenated features.
    let networks: [LoadedNetwork]

    /// `path`: the backbone's weight file, if it is not at the run's path; of several networks, their files separated
    /// by ` + `. `allowsSeveral`: whether the run may use concatenated features. Throws `SequenceError`, `RecipeError`,
    /// `WeightsError`; `PredictorError` if the head's input differs from the features.
    init(_ directory: RunDirectory, weights path: String?, allowsSeveral: Bool = false) throws {
        (head, configuration) = try directory.load()
        recipe = try ExtractionRecipe(json: configuration.recipe)
        if recipe.joined != nil, !allowsSeveral { throw RecipeError.severalNetworks(recipe.backbone) }
        let recipes = recipe.joined ?? [recipe]
        let all = path ?? configuration.weights
        let names = recipe.joined == nil ? [all] : all.components(separatedBy: FeatureJoin.separator)
        guard names.count == recipes.count else {
            throw RecipeError.otherWeights(file: all, user: "\(directory.path) was trained")
        }
        networks = try zip(recipes, names).map { try LoadedNetwork($0, weights: $1, run: directory.path) }
        let shapes = try networks.map { try $0.graph().featureShape(of: $0.recipe.tap) }
        let shape = shapes.count == 1 ? shapes[0] : [shapes.compactMap { $0.checkedProduct() }.reduce(0, +)]
        guard shape == head.input.shape else {
            throw PredictorError.otherShape(run: directory.path, network: shape, head: head.input.shape)
        }
    }

    func graph() throws -> Graph { try networks[0].graph() }
    var weights: LoadedWeights { networks[0].weights }
    var warnings: [String] { RunDirectory.warnings(configuration) + networks.flatMap(\.warnings) }
}
