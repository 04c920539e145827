extension StringProtocol {
    /// The text after `start` if its UTF-8 bytes begin with those of `start`, else nil.
    package func droppingBytePrefix(_ start: some StringProtocol) -> SubSequence? {
        hasBytePrefix(start) ? self[utf8.index(startIndex, offsetBy: start.utf8.count)...] : nil
    }

    /// The text before `end` if its UTF-8 bytes end with those of `end`, else nil.
    package func droppingByteSuffix(_ end: some StringProtocol) -> SubSequence? {
        hasByteSuffix(end) ? self[..<utf8.index(endIndex, offsetBy: -end.utf8.count)] : nil
    }
}
