import NeuralNetwork

/// A batch of sequences of different lengths without padding.
///
/// Sequences are sorted by length, longest first, and stored step by step: all first steps, then all second steps of
/// those that have one, and so on (PyTorch's `PackedSequence`). Only valid steps are computed.
///
/// `@unchecked Sendable`: the rows are written before the value leaves its initialiser and are only read afterwards.
package struct PackedSequences: @unchecked Sendable {
    /// For each packed sequence, its index in the original batch.
    package let order: [Int]
    /// Number of sequences that have step t, descending.
    let batchSizes: [Int]
    /// The row at which step t begins.
    package let firstRows: [Int]
    /// `[row, feature]`.
    let rows: Matrix
    /// Valid steps of each packed sequence, descending.
    package let lengths: [Int]

    /// `lengths`: of each sequence, at least 1. `copyRow`: writes row `step` of sequence `index` into a buffer of
    /// `featureSize` elements.
    init(
        lengths: [Int], featureSize: Int, parallel: Parallel = .none,
        copyRow: (_ index: Int, _ step: Int, _ row: UnsafeMutableBufferPointer<Float>) -> Void
    ) {
        precondition(lengths.allSatisfy { $0 > 0 }, "an empty sequence")
        // The sort is stable, so that the same batch is always packed in the same way.
        order = lengths.indices.sorted { (-lengths[$0], $0) < (-lengths[$1], $1) }
        self.lengths = order.map { lengths[$0] }
        let steps = self.lengths.first ?? 0
        let sorted = self.lengths
        batchSizes = (0..<steps).map { step in sorted.prefix { $0 > step }.count }
        firstRows = batchSizes.reduce(into: [0]) { $0.append($0.last! + $1) }.dropLast()
        let count = batchSizes.reduce(0, +)
        rows = Matrix(count, featureSize)
        parallel.run(steps) { step in
            for place in 0..<batchSizes[step] {
                let start = rows.pointer + (firstRows[step] + place) * featureSize
                copyRow(order[place], step, UnsafeMutableBufferPointer(start: start, count: featureSize))
            }
        }
    }

    /// Packs sequences that are concatenated in an array, each row as (row − shift) · scale.
    ///
    /// - `rows`: `[row, feature]`.
    /// - `firstRows`: the row at which each sequence begins.
    /// - `lengths`: rows of each sequence, at least 1.
    /// - `scaling`: `shift` and `scale`, one element per feature; nil copies.
    package init(
        rows: [Float], featureSize: Int, firstRows: [Int], lengths: [Int],
        scaling: (shift: [Float], scale: [Float])? = nil, parallel: Parallel = .none
    ) {
        precondition(zip(firstRows, lengths).allSatisfy { $0 >= 0 && ($0 + $1) * featureSize <= rows.count })
        precondition(scaling.map { $0.shift.count == featureSize && $0.scale.count == featureSize } ?? true)
        // An empty shift means no scaling; the buffers then have no elements and are not read.
        self = rows.withUnsafeBufferPointer { rows in
            (scaling?.shift ?? []).withUnsafeBufferPointer { shift in
                (scaling?.scale ?? []).withUnsafeBufferPointer { scale in
                    PackedSequences(lengths: lengths, featureSize: featureSize, parallel: parallel) {
                        index, step, row in
                        let start = (firstRows[index] + step) * featureSize
                        if shift.isEmpty {
                            _ = row.update(from: rows[start..<start + featureSize])
                        } else {
                            for column in 0..<featureSize {
                                row[column] = (rows[start + column] - shift[column]) * scale[column]
                            }
                        }
                    }
                }
            }
        }
    }

    /// Packs a padded batch; padding is not read. `padded`: `[batch, time, feature]`.
    package init(padded: Tensor, lengths: [Int]) {
        let (steps, size) = (padded.shape[1], padded.shape[2])
        self.init(lengths: lengths, featureSize: size) { index, step, row in
            for column in 0..<size { row[column] = padded.values[(index * steps + step) * size + column] }
        }
    }

    /// Valid steps of all sequences.
    var rowCount: Int { lengths.reduce(0, +) }

    /// Calls `body` for every valid step, in the order of the rows.
    func forEachRow(_ body: (_ place: Int, _ row: Int) -> Void) {
        for (step, count) in batchSizes.enumerated() {
            for place in 0..<count { body(place, firstRows[step] + place) }
        }
    }

    /// The row of step `step` of packed sequence `place`.
    func row(_ place: Int, _ step: Int) -> Int { firstRows[step] + place }
}
