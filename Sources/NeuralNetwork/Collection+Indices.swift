extension Collection where Index == Int {
    /// Consecutive parts of `size` elements; the last may have fewer.
    package func batches(of size: Int) -> [[Element]] {
        stride(from: startIndex, to: endIndex, by: size).map { Array(self[$0..<Swift.min($0 + size, endIndex)]) }
    }
}

extension Collection where Element: Comparable, Index == Int {
    /// Index of the largest element, the first of equal ones; nil if there are none.
    package var argmax: Int? { indices.max { (self[$0], -$0) < (self[$1], -$1) } }
}

extension Sequence where Element: Hashable {
    /// Index of each element, the first of equal ones.
    package var places: [Element: Int] {
        Dictionary(enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    }
}
