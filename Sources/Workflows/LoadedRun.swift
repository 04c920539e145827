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

    /// - `name`: of the weight file, unless weights are random.
    /// - `run`: the run that uses its features.
    /// - Throws: `RecipeError`, `WeightsError`; `PredictorError` if the weights differ from the run's.
    init(_ recipe: ExtractionRecipe, weights name: String, run: String) throws {
        (self.recipe, self.name) = (recipe, name)
        let isRandom = recipe.weights == "random"
        weights = try LoadedWeights(of: recipe, file: name)
        try weights.validate(for: graph().parameters(for: recipe.tap))
        guard isRandom || weights.digest == recipe.weights else {
            throw PredictorError.otherWeights(file: name, run: run)
        }
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

/// A run with its backbone, ready for new videos.
struct LoadedRun: Sendable {
    let head: Head
    let configuration: RunDirectory.Configuration
    private let network: LoadedNetwork

    /// - `path`: the backbone's weight file, if it is not at the run's path.
    /// - Throws: `SequenceError`, `RecipeError`, `WeightsError`; `PredictorError` if the weights differ from the run's.
    init(_ directory: RunDirectory, weights path: String?) throws {
        (head, configuration) = try directory.load()
        network = try LoadedNetwork(
            ExtractionRecipe(json: configuration.recipe), weights: path ?? configuration.weights, run: directory.path)
        try Self.checkShape([network], head, directory)
    }

    /// - Throws: `PredictorError.otherShape` if the head's input differs from the networks' features.
    private static func checkShape(_ networks: [LoadedNetwork], _ head: Head, _ directory: RunDirectory) throws {
        let shapes = try networks.map { try $0.graph().featureShape(of: $0.recipe.tap) }
        let shape = shapes.count == 1 ? shapes[0] : [shapes.compactMap { $0.checkedProduct() }.reduce(0, +)]
        guard shape == head.input.shape else {
            throw PredictorError.otherShape(run: directory.path, network: shape, head: head.input.shape)
        }
    }

    func graph() throws -> Graph { try network.graph() }
    var recipe: ExtractionRecipe { network.recipe }
    var weights: LoadedWeights { network.weights }
    var warnings: [String] { RunDirectory.warnings(configuration) + network.warnings }

    /// The networks of a run, which may use concatenated features of several.
    ///
    /// - `path`: of several networks, their files separated by ` + `.
    /// - Throws: as `init`.
    static func networks(
        of directory: RunDirectory, weights path: String?
    ) throws -> (
        head: Head, configuration: RunDirectory.Configuration, recipe: ExtractionRecipe, parts: [LoadedNetwork]
    ) {
        let (head, configuration) = try directory.load()
        let recipe = try ExtractionRecipe(json: configuration.recipe)
        let recipes = recipe.joined ?? [recipe]
        let all = path ?? configuration.weights
        let names = recipe.joined == nil ? [all] : all.components(separatedBy: FeatureJoin.separator)
        guard names.count == recipes.count else { throw PredictorError.otherWeights(file: all, run: directory.path) }
        let parts = try zip(recipes, names).map { try LoadedNetwork($0, weights: $1, run: directory.path) }
        try checkShape(parts, head, directory)
        return (head, configuration, recipe, parts)
    }
}
