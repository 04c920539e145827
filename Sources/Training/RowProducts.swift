import Inference
import NeuralNetwork

/// Rows of numbers that many others are multiplied with.
public struct RowProducts: Sendable {
    /// `[row, size]`.
    private let rows: [Float]
    /// Rows.
    public let count: Int
    private let size: Int

    /// - Precondition: as many numbers as rows of `size` need.
    public init(_ rows: [Float], size: Int) {
        precondition(size > 0 && rows.count % size == 0)
        (self.rows, self.size, count) = (rows, size, rows.count / size)
    }

    /// Dot products of some of the rows with all of them `[row of the range, row]`, in the calling thread.
    public func products(of range: Range<Int>) -> [Float] {
        products(of: Array(rows[range.lowerBound * size..<range.upperBound * size]))
    }

    /// Dot products of other rows with all of them `[other, row]`, in the calling thread.
    public func products(of others: [Float]) -> [Float] { products(of: others, with: 0..<count) }

    /// Dot products of other rows with some of the rows `[other, row of the range]`, in the calling thread.
    public func products(of others: [Float], with range: Range<Int>) -> [Float] {
        Parallel.none.run(1) { _ in }
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
                        // Rows as they lie: the query is the column.
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
