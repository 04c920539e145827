/// A matrix of rows for dot products with many other rows.
package struct RowProducts: Sendable {
    /// `[row, size]`.
    private let rows: [Float]
    package let count: Int
    private let size: Int

    /// - Precondition: the number of elements is a multiple of `size`.
    package init(_ rows: [Float], size: Int) {
        precondition(size > 0 && rows.count % size == 0)
        (self.rows, self.size, count) = (rows, size, rows.count / size)
    }

    /// Dot products of some rows with all rows `[row of the range, row]`, computed in the calling thread.
    package func products(of range: Range<Int>) -> [Float] {
        products(of: Array(rows[range.lowerBound * size..<range.upperBound * size]))
    }

    /// Dot products of other rows with all rows `[other, row]`, computed in the calling thread.
    package func products(of others: [Float]) -> [Float] { products(of: others, with: 0..<count) }

    /// Dot products of other rows with some rows `[other, row of the range]`, computed in the calling thread.
    package func products(of others: [Float], with range: Range<Int>) -> [Float] {
        ArithmeticLibrary.setThreadsOfCallingThread(1)
        let queries = others.count / size
        let count = range.count
        return [Float](unsafeUninitializedCapacity: queries * count) { target, written in
            others.withUnsafeBufferPointer { others in
                rows.withUnsafeBufferPointer { rows in
                    guard let others = others.baseAddress, let rows = rows.baseAddress,
                        let target = target.baseAddress
                    else { return }
                    let first = rows + range.lowerBound * size
                    if queries == 1 {
                        // The stored rows need no transposition if the query is a column.
                        multiply(first, by: others, into: target, m: count, n: 1, k: size)
                    } else {
                        multiply(others, by: first, transposingB: true, into: target, m: queries, n: count, k: size)
                    }
                }
            }
            written = queries * count
        }
    }
}
