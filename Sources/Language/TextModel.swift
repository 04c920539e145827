import Backbones
import Extraction
import FeatureCache
import Files
import Foundation
import NeuralNetwork
import Tokenizers

/// The text tower for stored features, with its tokenizer.
package struct TextModel {
    package let encoder: TextEncoder
    package let calibration: ScoreCalibration

    /// `record`: the recipe of the features. `path`: of the file with the text tower; nil uses the recipe's weights.
    /// `vocabulary`: nil searches beside the weights. Throws `TextError`, `TextWeightsError`, `TokenizerError`,
    /// `WeightsError`.
    package init(_ record: ExtractionRecord, weights path: String?, vocabulary: String?) throws {
        let recipe = try ExtractionRecipe(json: record.recipe)
        guard recipe.joined == nil, var tower = TextTower(of: recipe.backbone, recipe.numerics) else {
            throw TextError.noTextTower(backbone: record.backbone)
        }
        _ = try record.checkedRecipe()
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

/// The vocabulary that was published with a weight file.
package enum Vocabulary {
    private static let bytePairs = ["merges.txt", "bpe_simple_vocab_16e6.txt", "tokenizer.json"]
    private static let sentencePieces = ["spiece.model", "tokenizer.model", "sentencepiece.model"]

    /// Opens the vocabulary file. `file`: its path; nil searches beside `weights`. `isCausal`: whether the tower is
    /// CLIP's, otherwise SigLIP's. Throws `TokenizerError`.
    package static func open(_ file: String?, beside weights: String, isCausal: Bool) throws -> any Tokenizer {
        let names = isCausal ? bytePairs : sentencePieces
        let folder = OutputPath.parent(of: weights)
        // First the name that `weights fetch` uses, so that several models share a folder; then the publishers' names.
        let stem = weights.fileName.droppingFileExtension
        let candidates = (names.map { stem + "." + $0 } + names).map { folder.isEmpty ? $0 : folder + "/" + $0 }
        guard let path = file ?? candidates.first(where: FileManager.default.fileExists) else {
            throw TokenizerError.notFound(beside: weights, wanted: names)
        }
        return isCausal ? try BytePairTokenizer(file: path) : try SigLIPTokenizer(file: path)
    }
}
