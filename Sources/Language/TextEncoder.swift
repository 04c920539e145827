import Backbones
import Extraction
import FeatureCache
import Files
import Foundation
import NeuralNetwork
import Tokenizers
import Training

/// Computes unit vectors of phrases in the space of an image tower's `projected` features. Used by one thread.
package final class TextEncoder {
    private let tower: TextTower
    private let tokenizer: any Tokenizer
    /// Token embeddings, `[vocabulary, width]`, and position embeddings, `[contextLength, width]`.
    private let embeddings, positions: [Float]
    private let parameters: NetworkParameters
    private var plans: [Int: DifferentiablePlan] = [:]

    private static let batch = 32

    /// `weights`: of the tower. `vocabularySize`: number of token embeddings in the weights. Throws
    /// `TextError.otherVocabulary`, or the weights' errors.
    package init(
        _ tower: TextTower, weights: any ParameterSource, vocabularySize: Int, tokenizer: any Tokenizer
    ) throws {
        // A vocabulary may be smaller than the embedding table, which is padded to round sizes.
        guard tokenizer.vocabularySize <= vocabularySize else {
            throw TextError.otherVocabulary(tokens: tokenizer.vocabularySize, rows: vocabularySize)
        }
        (self.tower, self.tokenizer) = (tower, tokenizer)
        embeddings = try weights.tensor(for: tower.embedding(vocabulary: vocabularySize)).values
        positions = try weights.tensor(for: tower.positions).values
        parameters = try NetworkParameters(tower.graph(tokens: tower.contextLength), from: weights) { _ in false }
    }

    /// Returns a unit vector for each phrase. Throws `TextError.empty`, `ArithmeticError`.
    package func encode(_ phrases: [String]) throws -> [[Float]] {
        let tokens = try phrases.map { phrase in
            guard phrase.contains(where: { !$0.isWhitespace }) else { throw TextError.empty }
            return tokenizer.encode(phrase, limit: tower.contextLength)
        }
        var result = [[Float]](repeating: [], count: phrases.count)
        // In a causal tower the last token does not depend on padding, so texts are grouped by length instead of
        // padded.
        let groups = Dictionary(grouping: tokens.indices) { tower.isCausal ? tokens[$0].count : tower.contextLength }
        for (count, places) in groups {
            for own in places.batches(of: Self.batch) {
                for (place, vector) in zip(own, try vectors(own.map { tokens[$0] }, count: count)) {
                    result[place] = vector
                }
            }
        }
        return result
    }

    package func isTooLong(_ phrase: String) -> Bool { tokenizer.isTooLong(phrase, limit: tower.contextLength) }

    /// Vectors of texts that have `count` tokens, or are padded to it.
    private func vectors(_ texts: [[Int]], count: Int) throws -> [[Float]] {
        let width = tower.width
        var rows: [Float] = []
        rows.reserveCapacity(texts.count * count * width)
        for text in texts {
            let padded = text + [Int](repeating: tokenizer.padding, count: count - text.count)
            for (place, token) in padded.enumerated() {
                let (own, there) = (token * width, place * width)
                for index in 0..<width { rows.append(embeddings[own + index] + positions[there + index]) }
            }
        }
        let plan = try plan(tokens: count)
        let input = Tensor(shape: [texts.count, count * width], values: rows)
        let projected = try plan.forward(input, parameters).output.values
        return texts.indices.map { index in
            Self.normalized(Array(projected[index * tower.projection..<(index + 1) * tower.projection]))
        }
    }

    private func plan(tokens count: Int) throws -> DifferentiablePlan {
        if let known = plans[count] { return known }
        let made = try DifferentiablePlan(
            graph: tower.graph(tokens: count), output: "projected", parameters: parameters)
        plans[count] = made
        return made
    }

    static func normalized(_ vector: [Float]) -> [Float] {
        let length = vector.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        return length > 0 ? vector.map { Float(Double($0) / length) } : vector
    }
}

package enum TextError: LocalizedError, Equatable {
    case empty, otherVocabulary(tokens: Int, rows: Int), noTextTower(backbone: String)
    case otherTap(backbone: String, tap: String), untrained(backbone: String)

    package var errorDescription: String? {
        switch self {
        case .empty: "A phrase is empty. Write a description, such as \"a person rides a horse\"."
        case .otherVocabulary(let tokens, let rows):
            "The vocabulary has \(tokens) tokens, but the text tower has \(rows) embeddings, so they belong to "
                + "different models. Name the vocabulary published with the text tower with --vocabulary."
        case .noTextTower(let backbone):
            "\(backbone) has no text tower: text search needs features of CLIP or SigLIP. Extract with "
                + "`backbone: clip_vitb32` (or siglip_b16, …) and `tap: projected`."
        case .untrained(let backbone):
            "The features come from an untrained (random) \(backbone), so text cannot be compared with them. Extract "
                + "with published weights, or name a file with --text."
        case .otherTap(let backbone, let tap):
            "The features are from the tap \(tap) of \(backbone), which text embeddings cannot be compared with. "
                + "Extract with `tap: projected`."
        }
    }
}

/// Computes unit vectors of videos and images in the space of the searched features.
package struct ImageEncoder {
    private let extractor: FeatureExtractor

    /// `record`: the recipe of the features. `path`: of the image tower's weight file; nil uses the recipe's. Throws
    /// `WeightsError`, `RecipeError`.
    package init(_ record: ExtractionRecord, weights path: String?) throws {
        let recipe = try record.checkedRecipe()
        let name = path ?? record.weights
        let weights = try LoadedWeights(of: recipe, file: name)
        try weights.requireDigest(of: recipe, file: name, user: "\(record.name) was extracted")
        extractor = try FeatureExtractor(
            [(recipe, weights.packed)], threads: ProcessInfo.processInfo.activeProcessorCount)
    }

    /// The normalised mean of a video's frame vectors, or an image's vector. Throws `VideoError`.
    package func encode(_ path: String) throws -> [Float] {
        let sequence = try extractor.extract(path: path, digest: extractor.digest(of: path)).sequences[0]
        let size = sequence.features.count / max(1, sequence.length)
        let rows = (0..<sequence.length).map { row in
            TextEncoder.normalized(Array(sequence.features[row * size..<(row + 1) * size]))
        }
        return SearchQuery(wanted: rows).wanted
    }
}

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
