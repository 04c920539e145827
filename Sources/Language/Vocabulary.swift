import Files
import Foundation
import Tokenizers

/// The vocabulary that was published with a weight file.
public enum Vocabulary {
    private static let bytePairs = ["merges.txt", "bpe_simple_vocab_16e6.txt", "tokenizer.json"]
    private static let sentencePieces = ["spiece.model", "tokenizer.model", "sentencepiece.model"]

    /// Opens the file, or the one that lies beside the weights.
    ///
    /// - `file`: its path; nil looks beside `weights`.
    /// - `isCausal`: whether the tower is CLIP's, else it is SigLIP's.
    /// - Throws: `TokenizerError`.
    public static func open(_ file: String?, beside weights: String, isCausal: Bool) throws -> any Tokenizer {
        let names = isCausal ? bytePairs : sentencePieces
        let folder = OutputPath.parent(of: weights)
        // As `weights fetch` names it, so that vocabularies of several models lie in one folder; then as publishers do.
        let stem = weights.fileName.droppingFileExtension
        let candidates = (names.map { stem + "." + $0 } + names).map { folder.isEmpty ? $0 : folder + "/" + $0 }
        guard let path = file ?? candidates.first(where: FileManager.default.fileExists) else {
            throw TokenizerError.notFound(beside: weights, wanted: names)
        }
        return isCausal ? try BytePairTokenizer(file: path) : try SigLIPTokenizer(file: path)
    }
}
