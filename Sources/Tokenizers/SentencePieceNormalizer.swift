/// SentencePiece's normalisation: a table of replacements (a double-array trie of the replaced texts, followed by the
/// replacements), and whitespace as ▁.
struct SentencePieceNormalizer: Sendable {
    private let units: [UInt32]
    private let replacements: [UInt8]
    private let addsPrefix, removesExtraSpaces, escapesSpaces: Bool
    /// User-defined symbols, which are not normalised, by their first byte, longest first.
    private let kept: [UInt8: [[UInt8]]]

    private static let visibleSpace = Array("▁".utf8)
    /// In bytes; Unicode's compatibility forms need 33.
    private static let longestReplacement = 1024
    private static let space = UInt8(ascii: " ")

    init(_ specification: SentencePieceFile.Normalizer, keeping kept: [String], file: String) throws {
        let map = [UInt8](specification.map)
        var units: [UInt32] = [], end = 0
        if map.count >= 4 {
            let size = (0..<4).reduce(0) { $0 | Int(map[$1]) << (8 * $1) }
            guard size % 4 == 0, size + 4 <= map.count else {
                throw TokenizerError.damaged(file: file, reason: "its table of replacements is cut off")
            }
            units = stride(from: 4, to: 4 + size, by: 4).map { place in
                (0..<4).reduce(0) { $0 | UInt32(map[place + $1]) << UInt32(8 * $1) }
            }
            end = 4 + size
        }
        self.units = units
        replacements = Array(map[end...])
        (addsPrefix, removesExtraSpaces) = (specification.addsPrefix, specification.removesExtraSpaces)
        escapesSpaces = specification.escapesSpaces
        self.kept = Dictionary(grouping: kept.map { Array($0.utf8) }.filter { !$0.isEmpty }) { $0[0] }
            .mapValues { $0.sorted { $0.count > $1.count } }
    }

    /// The bytes to be divided into pieces.
    func normalized(_ text: String) -> [UInt8] {
        let input = Array(text.utf8)
        var place = 0
        if removesExtraSpaces {
            while place < input.count {
                let (piece, length) = prefix(input, at: place)
                if piece != [Self.space] { break }
                place += length
            }
        }
        if place == input.count { return [] }
        let shown = escapesSpaces ? Self.visibleSpace : [Self.space]
        var result = addsPrefix ? shown : []
        var wasSpace = removesExtraSpaces
        while place < input.count {
            let (whole, length) = prefix(input, at: place)
            let piece = wasSpace ? Array(whole.drop { $0 == Self.space }) : whole
            if !piece.isEmpty {
                for byte in piece { result += byte == Self.space ? shown : [byte] }
                wasSpace = piece.last == Self.space
            }
            place += length
            if !removesExtraSpaces { wasSpace = false }
        }
        if removesExtraSpaces {
            while result.count >= shown.count, result.suffix(shown.count).elementsEqual(shown) {
                result.removeLast(shown.count)
            }
        }
        return result
    }

    /// The replacement of the longest matching prefix with its length, or one character.
    private func prefix(_ input: [UInt8], at place: Int) -> (piece: [UInt8], length: Int) {
        if let own = kept[input[place]]?.first(where: { input[place...].starts(with: $0) }) { return (own, own.count) }
        if let (value, length) = longestMatch(input, at: place) {
            return (Array(replacements[value...].prefix(Self.longestReplacement).prefix { $0 != 0 }), length)
        }
        let length = min(Self.characterLength(input[place]), input.count - place)
        return (Array(input[place..<place + length]), length)
    }

    private func longestMatch(_ input: [UInt8], at place: Int) -> (value: Int, length: Int)? {
        guard let root = units.first else { return nil }
        var node = Int(Self.offset(root))
        var found: (Int, Int)?
        for (length, byte) in input[place...].enumerated() {
            node ^= Int(byte)
            guard node < units.count else { break }
            let unit = units[node]
            guard unit & 0x8000_00FF == UInt32(byte) else { break }
            node ^= Int(Self.offset(unit))
            guard node < units.count else { break }
            if (unit >> 8) & 1 == 1 {
                let value = Int(units[node] & 0x7FFF_FFFF)
                if value < replacements.count { found = (value, length + 1) }
            }
        }
        return found
    }

    private static func offset(_ unit: UInt32) -> UInt32 { (unit >> 10) << ((unit >> 6) & 8) }

    /// Number of bytes of a UTF-8 character, from its first byte.
    static func characterLength(_ byte: UInt8) -> Int { byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4 }
}
