import Files
import Foundation
import Tokenizers

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
