/// Sequence → vector: the mean over the valid steps.
enum SequenceMeanLayer {
    /// - Returns: `[sequence, feature]` in packed order.
    static func forward(_ input: Tensor, _ packed: PackedSequences) -> Tensor {
        let size = input.shape[1]
        var output = Tensor(shape: [packed.lengths.count, size])
        for step in packed.batchSizes.indices {
            for place in 0..<packed.batchSizes[step] {
                let row = packed.row(place, step) * size
                for column in 0..<size { output.values[place * size + column] += input.values[row + column] }
            }
        }
        for (place, length) in packed.lengths.enumerated() {
            for column in 0..<size { output.values[place * size + column] /= Float(length) }
        }
        return output
    }

    static func backward(_ gradient: Tensor, _ packed: PackedSequences) -> Tensor {
        let size = gradient.shape[1]
        var input = Tensor(shape: [packed.rows.shape[0], size])
        for step in packed.batchSizes.indices {
            for place in 0..<packed.batchSizes[step] {
                let row = packed.row(place, step) * size
                let share = 1 / Float(packed.lengths[place])
                for column in 0..<size { input.values[row + column] = gradient.values[place * size + column] * share }
            }
        }
        return input
    }
}

/// Sequence → vector: the state after everything was read. Forward states are taken at the last valid
/// step, backward states (the second half of the features) at the first.
enum FinalStateLayer {
    static func forward(_ input: Tensor, _ packed: PackedSequences, bidirectional: Bool) -> Tensor {
        var output = Tensor(shape: [packed.lengths.count, input.shape[1]])
        forEachRow(packed, size: input.shape[1], bidirectional) { columns, row, place in
            for column in columns {
                output.values[place * input.shape[1] + column] = input.values[row * input.shape[1] + column]
            }
        }
        return output
    }

    static func backward(_ gradient: Tensor, _ packed: PackedSequences, bidirectional: Bool) -> Tensor {
        let size = gradient.shape[1]
        var input = Tensor(shape: [packed.rows.shape[0], size])
        forEachRow(packed, size: size, bidirectional) { columns, row, place in
            for column in columns { input.values[row * size + column] = gradient.values[place * size + column] }
        }
        return input
    }

    private static func forEachRow(
        _ packed: PackedSequences, size: Int, _ bidirectional: Bool, _ body: (Range<Int>, Int, Int) -> Void
    ) {
        let forward = bidirectional ? size / 2 : size
        for (place, length) in packed.lengths.enumerated() {
            body(0..<forward, packed.row(place, length - 1), place)
            body(forward..<size, packed.row(place, 0), place)
        }
    }
}
