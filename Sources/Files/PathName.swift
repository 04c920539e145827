/// Parts of a path, by bytes: `NSString.pathExtension` and its relatives end the program for some names, such as those in
/// which a combining character follows a slash.
extension String {
    /// What follows the last slash, without slashes at the end: `b.mp4` of `a/b.mp4`.
    public var fileName: String { String(utf8Part(lastPart.range)) }

    /// What follows the last dot of the file's name: `mp4` of `a/b.mp4`; empty without one, or for names such as `.hidden`.
    public var fileExtension: String {
        guard let dot = lastPart.dot else { return "" }
        return String(utf8Part(utf8.index(after: dot)..<lastPart.range.upperBound))
    }

    /// The path without the dot and what follows it: `a/b` of `a/b.mp4`.
    public var droppingFileExtension: String {
        guard let dot = lastPart.dot else { return self }
        return String(utf8Part(startIndex..<dot))
    }

    private func utf8Part(_ range: Range<Index>) -> Substring { Substring(utf8[range]) }

    /// Where the file's name is, and its last dot if an extension follows it.
    private var lastPart: (range: Range<Index>, dot: Index?) {
        let (slash, point) = (UInt8(ascii: "/"), UInt8(ascii: "."))
        let end = utf8.lastIndex { $0 != slash }.map(utf8.index(after:)) ?? startIndex
        let start = utf8[..<end].lastIndex(of: slash).map(utf8.index(after:)) ?? startIndex
        let dot = utf8[start..<end].lastIndex(of: point)
        let isExtension = dot.map { $0 > start && utf8.index(after: $0) < end } ?? false
        return (start..<end, isExtension ? dot : nil)
    }
}
