import Foundation

/// SentencePiece (Kudo and Richardson 2018, arXiv:1808.06226) with published model files, unigram (Kudo 2018,
/// arXiv:1804.10959) or byte-pair encoding.
package struct SentencePieceTokenizer: Tokenizer {
    private let pieces: [SentencePieceFile.Piece]
    private let places: [[UInt8]: Int]
    private let normalizer: SentencePieceNormalizer
    private let isUnigram: Bool
    private let unknown: Int
    private let unknownScore, largestScore: Float
    private let longest: Int
    /// Tokens of single bytes, if the model has byte fallback.
    private let bytes: [Int]?
    private let userDefined: [[UInt8]]
    /// The end-of-text token.
    package let end: Int

    package init(file: String) throws {
        let data = try VocabularyFile.contents(file)
        let model: SentencePieceFile
        do { model = try SentencePieceFile(serializedBytes: data) } catch {
            throw TokenizerError.damaged(file: file, reason: "it is not a SentencePiece model")
        }
        guard model.pieces.count > 2, (1...2).contains(model.trainer.modelType),
            model.pieces.indices.contains(Int(model.trainer.unknown)),
            model.pieces.indices.contains(Int(model.trainer.end))
        else { throw TokenizerError.damaged(file: file, reason: "it is neither a unigram nor a byte-pair model") }
        pieces = model.pieces
        isUnigram = model.trainer.modelType == 1
        (unknown, end) = (Int(model.trainer.unknown), Int(model.trainer.end))
        var places: [[UInt8]: Int] = [:]
        for (place, piece) in model.pieces.enumerated() where [.normal, .userDefined, .unused].contains(piece.kind) {
            places[Array(piece.text.utf8)] = place
        }
        self.places = places
        longest = max(1, places.keys.map(\.count).max() ?? 1)
        let scores = model.pieces.filter { $0.kind == .normal }.map(\.score)
        unknownScore = (scores.min() ?? 0) - 10
        largestScore = scores.max() ?? 0
        let named = Dictionary(
            model.pieces.enumerated().filter { $1.kind == .byte }.map { ($1.text, $0) }, uniquingKeysWith: { $1 })
        let all = (0..<256).compactMap { named[String(format: "<0x%02X>", $0)] }
        bytes = model.trainer.byteFallback && all.count == 256 ? all : nil
        // An empty piece would match everywhere.
        let kept = model.pieces.filter { $0.kind == .userDefined && !$0.text.isEmpty }.map(\.text)
        userDefined = kept.map { Array($0.utf8) }.sorted { $0.count > $1.count }
        normalizer = try SentencePieceNormalizer(model.normalizer, keeping: kept, file: file)
    }

    package var vocabularySize: Int { pieces.count }
    package var padding: Int { end }
    /// Whether unknown characters are encoded as bytes.
    var fallsBackToBytes: Bool { bytes != nil }

    package func pieces(of text: String) -> [Int] {
        let input = normalizer.normalized(text)
        let found = isUnigram ? likeliest(input) : paired(input)
        var tokens: [Int] = [], wasUnknown = false
        for (range, token) in found {
            if token == unknown, let bytes {
                tokens += input[range].map { bytes[Int($0)] }
            } else if token != unknown || !wasUnknown {
                tokens.append(token)
            }
            wasUnknown = token == unknown
        }
        return tokens
    }

    /// The text's tokens and the end token; a text that is too long is truncated before it.
    package func encode(_ text: String, limit: Int) -> [Int] { pieces(of: text).prefix(limit - 1) + [end] }

    package func isTooLong(_ text: String, limit: Int) -> Bool { pieces(of: text).count > limit - 1 }

    // MARK: - Unigram

    /// Viterbi: the pieces with the largest sum of scores.
    private func likeliest(_ input: [UInt8]) -> [(Range<Int>, Int)] {
        var best = [(score: Float, begin: Int, token: Int)](repeating: (0, -1, unknown), count: input.count + 1)
        var begin = 0
        while begin < input.count {
            let character = min(SentencePieceNormalizer.characterLength(input[begin]), input.count - begin)
            var hasSingle = false
            for length in 1...min(longest, input.count - begin) {
                guard let token = places[Array(input[begin..<begin + length])], pieces[token].kind != .unused else {
                    continue
                }
                let score =
                    pieces[token].kind == .userDefined ? Float(length) * largestScore - 0.1 : pieces[token].score
                keep(best[begin].score + score, begin, begin + length, token, &best)
                if length == character { hasSingle = true }
            }
            if !hasSingle { keep(best[begin].score + unknownScore, begin, begin + character, unknown, &best) }
            begin += character
        }
        var found: [(Range<Int>, Int)] = []
        var end = input.count
        while end > 0 {
            let step = best[end]
            found.append((step.begin..<end, step.token))
            end = step.begin
        }
        return found.reversed()
    }

    private func keep(
        _ score: Float, _ begin: Int, _ end: Int, _ token: Int, _ best: inout [(score: Float, begin: Int, token: Int)]
    ) { if best[end].begin < 0 || score > best[end].score { best[end] = (score, begin, token) } }

    // MARK: - Byte-pair encoding

    /// Merges neighbours while they form a piece, the best score first, the leftmost in case of a tie.
    private func paired(_ input: [UInt8]) -> [(Range<Int>, Int)] {
        var symbols: [(range: Range<Int>, isFixed: Bool)] = []
        var place = 0
        while place < input.count {
            let own = userDefined.first { input[place...].starts(with: $0) }?.count
            let length = own ?? min(SentencePieceNormalizer.characterLength(input[place]), input.count - place)
            symbols.append((place..<place + length, own != nil))
            place += length
        }
        while true {
            var best: (score: Float, place: Int)?
            for place in symbols.indices.dropLast() where !symbols[place].isFixed && !symbols[place + 1].isFixed {
                let range = symbols[place].range.lowerBound..<symbols[place + 1].range.upperBound
                guard range.count <= longest, let token = places[Array(input[range])] else { continue }
                if best == nil || pieces[token].score > best!.score { best = (pieces[token].score, place) }
            }
            guard let best else { break }
            symbols[best.place].range = symbols[best.place].range.lowerBound..<symbols[best.place + 1].range.upperBound
            symbols.remove(at: best.place + 1)
        }
        return symbols.map { ($0.range, places[Array(input[$0.range])] ?? unknown) }
    }
}

/// SigLIP's tokenizer: SentencePiece on lower-case text without punctuation, with an end token. SigLIP 2 keeps
/// punctuation, and its model has byte fallback. Both are tested against `transformers` with specially trained models;
/// SigLIP 2's published model, whose own symbols are whole markup tags, has not been tested.
package struct SigLIPTokenizer: Tokenizer {
    private let model: SentencePieceTokenizer

    package init(file: String) throws { model = try SentencePieceTokenizer(file: file) }

    package var vocabularySize: Int { model.vocabularySize }
    /// The end token; token 0 for SigLIP 2.
    package var padding: Int { model.fallsBackToBytes ? 0 : model.end }

    package func encode(_ text: String, limit: Int) -> [Int] { model.encode(prepared(text), limit: limit) }

    package func isTooLong(_ text: String, limit: Int) -> Bool { model.isTooLong(prepared(text), limit: limit) }

    private static let punctuation = Set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".unicodeScalars)

    private func prepared(_ text: String) -> String {
        if model.fallsBackToBytes { return text.lowercasedByCharacter }
        let kept = String(
            String.UnicodeScalarView(text.fullyLowercased.unicodeScalars.filter { !Self.punctuation.contains($0) }))
        return kept.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

extension String {
    /// Context-free lower case of each character, as in the `tokenizers` library.
    var lowercasedByCharacter: String { unicodeScalars.reduce(into: "") { $0 += $1.properties.lowercaseMapping } }

    /// Lower case with Unicode's full mapping, including a final sigma, as Python's `str.lower`.
    var fullyLowercased: String {
        let scalars = Array(unicodeScalars)
        var result = String.UnicodeScalarView()
        for (place, scalar) in scalars.enumerated() {
            if scalar == "\u{03A3}" {
                let before = scalars[..<place].last { !$0.properties.isCaseIgnorable }
                let after = scalars[(place + 1)...].first { !$0.properties.isCaseIgnorable }
                let isFinal = before?.properties.isCased == true && after?.properties.isCased != true
                result.append(isFinal ? "\u{03C2}" : "\u{03C3}")
            } else {
                result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            }
        }
        return String(result)
    }
}
