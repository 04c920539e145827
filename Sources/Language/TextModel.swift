import Backbones
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork

/// The text tower for stored features, with its tokenizer.
package struct TextModel {
    package let encoder: TextEncoder
    package let calibration: ScoreCalibration

    /// - Parameters:
    ///   - record: the recipe of the features.
    ///   - path: of the file with the text tower; nil uses the recipe's weights.
    ///   - vocabulary: nil searches beside the weights.
    /// - Throws: `TextError`, `TextWeightsError`, `TokenizerError`, `WeightsError`.
    package init(_ record: ExtractionRecord, weights path: String?, vocabulary: String?) throws {
        let recipe = try record.checkedRecipe()
        guard recipe.joined == nil, var tower = TextTower(of: recipe.backbone, recipe.numerics) else {
            throw TextError.noTextTower(backbone: record.backbone)
        }
        guard recipe.tap == "projected" else { throw TextError.otherTap(backbone: record.backbone, tap: recipe.tap) }
        let name = path ?? record.weights
        guard name != "random" else { throw TextError.untrained(backbone: record.backbone) }
        let tokenizer = try Vocabulary.open(vocabulary, beside: name, isCausal: tower.isCausal)
        let file = try openWeights(path: name)
        let weights = try TextWeights(file)
        // A separate file may be from a publisher whose activation differs from the image tower's.
        if path != nil,
            let own = Self.numerics(of: file, isTransformers: weights.isTransformers, backbone: recipe.backbone)
        {
            tower = TextTower(of: recipe.backbone, own) ?? tower
        }
        encoder = try TextEncoder(tower, weights: weights, vocabularySize: weights.vocabularySize, tokenizer: tokenizer)
        calibration = ScoreCalibration(scale: weights.scale, bias: weights.bias, isSigmoid: !tower.isCausal)
    }

    /// The implementation that a text tower's file is for; nil if unknown.
    static func numerics(of file: any Checkpoint, isTransformers: Bool, backbone: String) -> Numerics? {
        let known = Backbone.named(backbone)?.numerics ?? []
        // SigLIP: transformers computes the tanh approximation of GELU, open_clip the exact one.
        if known.contains(.transformers) { return isTransformers ? .transformers : .timm }
        let traits = WeightsTraits(of: file)
        return traits.statesNumerics ? traits.numerics.first(where: known.contains) : nil
    }
}
