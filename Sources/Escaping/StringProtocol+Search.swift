// Searches in text from files, lists and the command line. Swift's own `hasPrefix`, `contains`, `split` and `replacing`
// compare grapheme clusters: in "../\u{301}x" they find no slash, though the kernel does. These compare bytes.

extension StringProtocol {
    /// Whether the UTF-8 bytes begin with those of `start`.
    package func hasBytePrefix(_ start: some StringProtocol) -> Bool { utf8.starts(with: start.utf8) }

    /// Whether the UTF-8 bytes end with those of `end`.
    package func hasByteSuffix(_ end: some StringProtocol) -> Bool { utf8.reversed().starts(with: end.utf8.reversed()) }

    /// Whether the UTF-8 bytes of `part`, which must not be empty, occur.
    package func containsBytes(_ part: some StringProtocol) -> Bool { firstByteRange(of: part) != nil }

    /// Where the UTF-8 bytes of `part`, which must not be empty, occur first.
    package func firstByteRange(of part: some StringProtocol) -> Range<Index>? {
        let (text, wanted) = (utf8, Array(part.utf8))
        guard let first = wanted.first else { return nil }
        var start = text.startIndex
        while let place = text[start...].firstIndex(of: first) {
            if let end = text.index(place, offsetBy: wanted.count, limitedBy: text.endIndex) {
                if text[place..<end].elementsEqual(wanted) { return place..<end }
                start = text.index(after: place)
            } else {
                return nil
            }
        }
        return nil
    }

    /// The parts between occurrences of an ASCII character, as `split(separator:)` returns them.
    package func splitBytes(
        _ separator: Unicode.Scalar, maxSplits: Int = .max, omittingEmptySubsequences: Bool = true
    ) -> [SubSequence] {
        splitBytes(maxSplits: maxSplits, omittingEmptySubsequences: omittingEmptySubsequences) {
            $0 == UInt8(truncatingIfNeeded: separator.value)
        }
    }

    /// The parts between ASCII bytes for which `isSeparator` is true.
    package func splitBytes(
        maxSplits: Int = .max, omittingEmptySubsequences: Bool = true, where isSeparator: (UInt8) -> Bool
    ) -> [SubSequence] {
        utf8.split(
            maxSplits: maxSplits, omittingEmptySubsequences: omittingEmptySubsequences,
            whereSeparator: { $0 < 0x80 && isSeparator($0) }
        ).map { self[$0.startIndex..<$0.endIndex] }
    }

    /// The lines of a text, which end with a line feed, a carriage return or both.
    package func byteLines() -> [SubSequence] {
        // A carriage return before a line feed gives an empty part, which is not a line.
        var result: [SubSequence] = []
        var start = utf8.startIndex
        var place = start
        while place < utf8.endIndex {
            let byte = utf8[place]
            let next = utf8.index(after: place)
            if byte == 0x0A || byte == 0x0D {
                result.append(self[start..<place])
                start = byte == 0x0D && next < utf8.endIndex && utf8[next] == 0x0A ? utf8.index(after: next) : next
                place = start
            } else {
                place = next
            }
        }
        if start < utf8.endIndex { result.append(self[start...]) }
        return result
    }

    /// The text with every occurrence of `part` replaced, found by bytes.
    package func replacingBytes(_ part: String, with replacement: String) -> String {
        var (result, rest) = ("", self[...])
        while let range = rest.firstByteRange(of: part) {
            result.append(contentsOf: rest[..<range.lowerBound])
            result += replacement
            rest = rest[range.upperBound...]
        }
        result.append(contentsOf: rest)
        return result
    }

    /// The text after `start` if its UTF-8 bytes begin with those of `start`, else nil.
    package func droppingBytePrefix(_ start: some StringProtocol) -> SubSequence? {
        hasBytePrefix(start) ? self[utf8.index(startIndex, offsetBy: start.utf8.count)...] : nil
    }

    /// The text before `end` if its UTF-8 bytes end with those of `end`, else nil.
    package func droppingByteSuffix(_ end: some StringProtocol) -> SubSequence? {
        hasByteSuffix(end) ? self[..<utf8.index(endIndex, offsetBy: -end.utf8.count)] : nil
    }
}
