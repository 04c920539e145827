import Escaping
import Foundation

/// CLIP's tokenizer: byte-level byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) of lower-case words, with
/// the published merges. Text is normalised as in `transformers`: NFC, whitespace collapsed, lower case. open_clip
/// additionally repairs mis-decoded text, which typed sentences do not need, and lowers a final sigma differently.
package struct BytePairTokenizer: Tokenizer {
    private struct Pair: Hashable { let first, second: Int }

    /// Rank of a merge, which is also the offset of its token.
    private let ranks: [Pair: Int]
    private let start, end: Int

    /// Number of byte tokens, alone and at the end of a word.
    private static let letters = 512
    /// Number of merges in the published networks' vocabulary; their file has more.
    private static let published = 48_894
    /// Maximum tokens of a text in the published networks, with the start and end tokens.
    package static let contextLength = 77

    /// `merges`: pairs by rank, as in `merges.txt` or `bpe_simple_vocab_16e6.txt`. Throws `TokenizerError.damaged`.
    package init(merges: [(String, String)], file: String) throws {
        var places: [String: Int] = [:]
        for (place, byte) in Self.order.enumerated() {
            let letter = String(Self.letter(byte))
            places[letter] = place
            places[letter + Self.wordEnd] = place + 256
        }
        var ranks: [Pair: Int] = [:]
        for (rank, (first, second)) in merges.enumerated() {
            guard let one = places[first], let two = places[second] else {
                throw TokenizerError.damaged(
                    file: file, reason: "pair \(rank + 1) merges symbols that no earlier pair creates")
            }
            ranks[Pair(first: one, second: two)] = rank
            places[first + second] = Self.letters + rank
        }
        self.ranks = ranks
        (start, end) = (Self.letters + merges.count, Self.letters + merges.count + 1)
    }

    /// Reads `merges.txt`, `bpe_simple_vocab_16e6.txt` or `tokenizer.json`. Throws `TokenizerError`.
    package init(file: String) throws {
        let isJSON = file.hasByteSuffix(".json")
        let data = try VocabularyFile.contents(file, isJSON: isJSON)
        if isJSON {
            try self.init(merges: Self.merges(json: data, file: file), file: file)
            return
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw TokenizerError.damaged(file: file, reason: "it is not text; unpack a .gz file with gunzip first")
        }
        let lines = text.byteLines().filter { !$0.isEmpty }
        let pairs = lines.drop { $0.containsBytes("#version") }.prefix(Self.published).map { line in
            line.splitBytes(" ", omittingEmptySubsequences: false).map(String.init)
        }
        guard !pairs.isEmpty, pairs.allSatisfy({ $0.count == 2 }) else {
            throw TokenizerError.damaged(file: file, reason: "its lines are not pairs")
        }
        try self.init(merges: pairs.map { ($0[0], $0[1]) }, file: file)
    }

    private static func merges(json data: Data, file: String) throws -> [(String, String)] {
        let model = (try? JSONSerialization.jsonObject(with: data) as? [String: Any])?["model"] as? [String: Any]
        let pairs: [[String]]? =
            (model?["merges"] as? [[String]])
            ?? (model?["merges"] as? [String])?.map { $0.splitBytes(" ").map(String.init) }
        guard let pairs, !pairs.isEmpty, pairs.allSatisfy({ $0.count == 2 }) else {
            throw TokenizerError.damaged(file: file, reason: "it holds no list of merges")
        }
        return pairs.map { ($0[0], $0[1]) }
    }

    package var vocabularySize: Int { end + 1 }
    /// The end token, after which tokens are ignored.
    package var padding: Int { end }

    /// Start token, the text's tokens, end token; a text that is too long is truncated before the end token.
    package func encode(_ text: String, limit: Int = contextLength) -> [Int] {
        let own = Self.words(Self.normalized(text)).flatMap(tokens)
        return [start] + own.prefix(limit - 2) + [end]
    }

    package func isTooLong(_ text: String, limit: Int = contextLength) -> Bool {
        Self.words(Self.normalized(text)).reduce(0) { $0 + tokens($1).count } > limit - 2
    }

    // MARK: - Words

    static func normalized(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var isSpace = false
        for scalar in text.precomposedStringWithCanonicalMapping.unicodeScalars {
            if scalar.properties.isWhitespace {
                if !isSpace { result.append(" ") }
                isSpace = true
                continue
            }
            isSpace = false
            result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
        }
        return String(result)
    }

    private enum Kind { case space, letter, number, other }

    private static func kind(_ scalar: Unicode.Scalar) -> Kind {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
        case .decimalNumber, .letterNumber, .otherNumber: .number
        default: scalar.properties.isWhitespace ? .space : .other
        }
    }

    private static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map { Array($0.unicodeScalars) }

    /// Splits into contraction suffixes, runs of letters, single digits, and runs of other characters.
    static func words(_ text: String) -> [String] {
        let scalars = Array(text.unicodeScalars)
        let kinds = scalars.map(kind)
        var (words, place) = ([String](), 0)
        func take(_ count: Int) {
            words.append(String(String.UnicodeScalarView(scalars[place..<place + count])))
            place += count
        }
        while place < scalars.count {
            if let ending = contractions.first(where: { scalars[place...].starts(with: $0) }) {
                take(ending.count)
                continue
            }
            switch kinds[place] {
            case .space: place += 1
            case .number: take(1)
            case let own:
                // Contractions are only recognised at the start of a word.
                take(kinds[place...].prefix { $0 == own }.count)
            }
        }
        return words
    }

    // MARK: - Merges

    private func tokens(_ word: String) -> [Int] {
        var symbols = word.utf8.map { Self.places[Int($0)] }
        guard let last = symbols.indices.last else { return [] }
        symbols[last] += 256
        while symbols.count > 1 {
            var best: (rank: Int, pair: Pair)?
            for (first, second) in zip(symbols, symbols.dropFirst()) {
                let pair = Pair(first: first, second: second)
                if let rank = ranks[pair], rank < best?.rank ?? .max { best = (rank, pair) }
            }
            guard let best else { break }
            var joined: [Int] = [], place = 0
            while place < symbols.count {
                if place + 1 < symbols.count, symbols[place] == best.pair.first, symbols[place + 1] == best.pair.second
                {
                    joined.append(Self.letters + best.rank)
                    place += 2
                } else {
                    joined.append(symbols[place])
                    place += 1
                }
            }
            symbols = joined
        }
        return symbols
    }

    private static let wordEnd = "</w>"

    /// Bytes in token order: those that are printable characters first.
    private static let order: [UInt8] = {
        let own = Array(UInt8(33)...126) + Array(UInt8(161)...172) + Array(UInt8(174)...255)
        return own + (UInt8(0)...255).filter { !own.contains($0) }
    }()

    private static let places: [Int] = {
        var places = [Int](repeating: 0, count: 256)
        for (place, byte) in order.enumerated() { places[Int(byte)] = place }
        return places
    }()

    /// The printable character of a byte.
    private static func letter(_ byte: UInt8) -> Character {
        let place = places[Int(byte)]
        let code = place < 188 ? UInt32(byte) : UInt32(256 + place - 188)
        return Unicode.Scalar(code).map(Character.init) ?? " "
    }
}
