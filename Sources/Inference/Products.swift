import COneDNN

/// Row-major C[m,n] = op(A)·op(B) + beta·C through oneDNN, in the calling thread.
///
/// - `rowStrideA`: elements from one stored row of A to the next; nil if rows are contiguous.
/// - `rowStrideB`: the same of B.
/// - `rowStrideC`: the same of C.
package func multiply(
    _ a: UnsafePointer<Float>, transposingA transposeA: Bool = false, rowStrideA: Int? = nil,
    by b: UnsafePointer<Float>, transposingB transposeB: Bool = false, rowStrideB: Int? = nil,
    into c: UnsafeMutablePointer<Float>, rowStrideC: Int? = nil, m: Int, n: Int, k: Int, beta: Float = 0
) {
    guard m > 0, n > 0, k > 0 else { return }
    let status = onednn_matrix_multiply(
        transposeA, transposeB, Int64(m), Int64(n), Int64(k), 1, a, Int64(rowStrideA ?? (transposeA ? m : k)), b,
        Int64(rowStrideB ?? (transposeB ? k : n)), beta, c, Int64(rowStrideC ?? n))
    precondition(status == 0, "oneDNN rejected a \(m)×\(k) by \(k)×\(n) product")
}

/// Sums the rows into one row of `size` elements.
package func sumColumns(_ rows: UnsafePointer<Float>, count: Int, size: Int, into sums: UnsafeMutablePointer<Float>) {
    sums.update(repeating: 0, count: size)
    for row in 0..<count {
        let start = rows + row * size
        for column in 0..<size { sums[column] += start[column] }
    }
}
