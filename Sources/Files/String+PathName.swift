/// Components of a path, found by bytes: `NSString.pathExtension` and similar properties trap for some names, such as
/// those with a combining character after a slash.
extension String {
    /// The part after the last slash, ignoring trailing slashes: `b.mp4` of `a/b.mp4`.
    package var fileName: String { String(utf8Part(lastPart.range)) }

    /// The part after the last dot of the file name: `mp4` of `a/b.mp4`; empty without one, or for `.hidden`.
    package var fileExtension: String {
        guard let dot = lastPart.dot else { return "" }
        return String(utf8Part(utf8.index(after: dot)..<lastPart.range.upperBound))
    }

    /// The path without its extension: `a/b` of `a/b.mp4`.
    package var droppingFileExtension: String {
        guard let dot = lastPart.dot else { return self }
        return String(utf8Part(startIndex..<dot))
    }

    private func utf8Part(_ range: Range<Index>) -> Substring { Substring(utf8[range]) }

    /// The range of the file name, and its last dot if there is an extension.
    private var lastPart: (range: Range<Index>, dot: Index?) {
        let (slash, point) = (UInt8(ascii: "/"), UInt8(ascii: "."))
        let end = utf8.lastIndex { $0 != slash }.map(utf8.index(after:)) ?? startIndex
        let start = utf8[..<end].lastIndex(of: slash).map(utf8.index(after:)) ?? startIndex
        let dot = utf8[start..<end].lastIndex(of: point)
        let isExtension = dot.map { $0 > start && utf8.index(after: $0) < end } ?? false
        return (start..<end, isExtension ? dot : nil)
    }
}
