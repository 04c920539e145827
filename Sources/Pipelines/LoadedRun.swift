import Extraction
import Foundation
import NeuralNetwork
import SequenceModels

/// A run with the network in front of it, ready for new videos.
struct LoadedRun: Sendable {
    let head: Head
    let configuration: RunDirectory.Configuration
    let recipe: ExtractionRecipe
    let weights: LoadedWeights
    private let weightsName: String

    /// - Parameter path: the backbone's weight file, where it is not where the run left it.
    /// - Throws: `SequenceError`, `WeightsError`; `PredictorError` where the weights are not those of the run.
    init(_ directory: RunDirectory, weights path: String?) throws {
        (head, configuration) = try directory.load()
        recipe = try ExtractionRecipe(json: configuration.recipe)
        weightsName = path ?? configuration.weights
        let isRandom = recipe.weights == "random"
        weights = try LoadedWeights(isRandom ? .random : .file(weightsName))
        try weights.validate(for: recipe.graph().parameters(for: recipe.tap))
        guard isRandom || weights.digest == recipe.weights else {
            throw PredictorError.otherWeights(file: weightsName, run: directory.path)
        }
    }

    /// What is wrong with the backbone's weights, once they were read, and what this processor does otherwise.
    var warnings: [String] {
        var warnings = [weights.warning(name: weightsName)].compactMap { $0 }
        if !recipe.precision.isNative {
            warnings.append(
                "this processor (\(ArithmeticLibrary.instructionSet)) has no instructions for "
                    + "\(recipe.precision.rawValue); \(recipe.backbone) computes in f32")
        }
        return warnings
    }
}
