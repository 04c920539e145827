import Inference
import NeuralNetwork

/// Mean over the valid steps: sequence → vector.
enum SequenceMeanLayer {
    /// - Returns: `[sequence, feature]` in packed order.
    static func forward(_ input: Matrix, _ packed: PackedSequences) -> Matrix {
        let size = input.columns
        let output = Matrix(packed.lengths.count, size, 0)
        packed.forEachRow { place, row in
            let share = 1 / Float(packed.lengths[place])
            let (target, source) = (output.pointer + place * size, input.pointer + row * size)
            forEachPiece(size) { column, length in
                store(load(target + column, length) + load(source + column, length) * share, target + column, length)
            }
        }
        return output
    }

    static func backward(_ gradient: Matrix, _ packed: PackedSequences) -> Matrix {
        let size = gradient.columns
        let result = Matrix(packed.rowCount, size)
        packed.forEachRow { place, row in
            let share = 1 / Float(packed.lengths[place])
            for column in 0..<size {
                result.pointer[row * size + column] = gradient.pointer[place * size + column] * share
            }
        }
        return result
    }
}

/// Scales each row to length 1.
enum UnitLengthLayer {
    static func forward(_ input: Matrix) -> Matrix {
        let output = Matrix(input.rows, input.columns)
        for row in 0..<input.rows {
            let scale = self.scale(input, row)
            for index in row * input.columns..<(row + 1) * input.columns {
                output.pointer[index] = input.pointer[index] * scale
            }
        }
        return output
    }

    /// The component of the gradient along the row is zero.
    static func backward(_ gradient: Matrix, input: Matrix, output: Matrix) -> Matrix {
        let result = Matrix(input.rows, input.columns)
        for row in 0..<input.rows {
            let (scale, own) = (self.scale(input, row), row * input.columns..<(row + 1) * input.columns)
            var along: Float = 0
            for index in own { along += gradient.pointer[index] * output.pointer[index] }
            for index in own {
                result.pointer[index] = (gradient.pointer[index] - output.pointer[index] * along) * scale
            }
        }
        return result
    }

    /// Reciprocal of the row's length, or 0 for a zero row.
    private static func scale(_ matrix: Matrix, _ row: Int) -> Float {
        var sum = 0.0
        for index in row * matrix.columns..<(row + 1) * matrix.columns {
            sum += Double(matrix.pointer[index]) * Double(matrix.pointer[index])
        }
        return sum > 0 ? Float(1 / sum.squareRoot()) : 0
    }
}

/// Maximum of each feature over the valid steps: sequence → vector.
enum SequenceMaxLayer {
    static func forward(_ input: Matrix, _ packed: PackedSequences) -> Matrix {
        let size = input.columns
        let output = Matrix(packed.lengths.count, size, -.infinity)
        packed.forEachRow { place, row in
            let (target, source) = (output.pointer + place * size, input.pointer + row * size)
            for column in 0..<size { target[column] = max(target[column], source[column]) }
        }
        return output
    }

    /// The gradient goes to the first step with the maximum.
    static func backward(_ gradient: Matrix, input: Matrix, output: Matrix, _ packed: PackedSequences) -> Matrix {
        let size = gradient.columns
        let (result, left) = (Matrix(input.rows, size, 0), gradient.map { $0 })
        packed.forEachRow { place, row in
            for column in 0..<size {
                let (at, from) = (row * size + column, place * size + column)
                guard input.pointer[at] == output.pointer[from] else { continue }
                result.pointer[at] = left.pointer[from]
                left.pointer[from] = 0
            }
        }
        return result
    }
}

/// Final hidden state, sequence → vector. Forward states are taken at the last valid step, backward states (the second
/// half of the features) at the first.
enum FinalStateLayer {
    static func forward(_ input: Matrix, _ packed: PackedSequences, bidirectional: Bool) -> Matrix {
        let size = input.columns
        let output = Matrix(packed.lengths.count, size)
        forEachPart(packed, size: size, bidirectional) { columns, row, place in
            (output.pointer + place * size + columns.lowerBound).update(
                from: input.pointer + row * size + columns.lowerBound, count: columns.count)
        }
        return output
    }

    static func backward(_ gradient: Matrix, _ packed: PackedSequences, bidirectional: Bool) -> Matrix {
        let size = gradient.columns
        let result = Matrix(packed.rowCount, size, 0)
        forEachPart(packed, size: size, bidirectional) { columns, row, place in
            (result.pointer + row * size + columns.lowerBound).update(
                from: gradient.pointer + place * size + columns.lowerBound, count: columns.count)
        }
        return result
    }

    private static func forEachPart(
        _ packed: PackedSequences, size: Int, _ bidirectional: Bool, _ body: (Range<Int>, Int, Int) -> Void
    ) {
        let forward = bidirectional ? size / 2 : size
        for (place, length) in packed.lengths.enumerated() {
            body(0..<forward, packed.row(place, length - 1), place)
            body(forward..<size, packed.row(place, 0), place)
        }
    }
}

/// Adds a learned position embedding to each step, by its index in the sequence `[position, feature]`.
enum PositionLayer {
    static func forward(_ input: Matrix, _ packed: PackedSequences, table: UnsafePointer<Float>) -> Matrix {
        let size = input.columns
        let output = input.map { $0 }
        for (step, count) in packed.batchSizes.enumerated() {
            add(table + step * size, toRows: output.pointer + packed.firstRows[step] * size, count: count, size: size)
        }
        return output
    }

    static func backward(
        _ gradient: Matrix, _ packed: PackedSequences, places: Int, tableGradient: UnsafeMutablePointer<Float>
    ) {
        let size = gradient.columns
        tableGradient.update(repeating: 0, count: places * size)
        for (step, count) in packed.batchSizes.enumerated() {
            sumColumns(
                gradient.pointer + packed.firstRows[step] * size, count: count, size: size,
                into: tableGradient + step * size)
        }
    }
}

/// Mean over a map: vector of a map `[height, width, channel]` → vector `[channel]`.
enum SpatialMeanLayer {
    static func forward(_ input: Matrix, channels: Int) -> Matrix {
        let pixels = input.columns / channels
        let output = Matrix(input.rows, channels)
        for row in 0..<input.rows {
            let target = output.pointer + row * channels
            sumColumns(input.pointer + row * input.columns, count: pixels, size: channels, into: target)
            for channel in 0..<channels { target[channel] /= Float(pixels) }
        }
        return output
    }

    static func backward(_ gradient: Matrix, pixels: Int) -> Matrix {
        let channels = gradient.columns
        let result = Matrix(gradient.rows, pixels * channels)
        for row in 0..<gradient.rows {
            for pixel in 0..<pixels {
                let target = result.pointer + (row * pixels + pixel) * channels
                for channel in 0..<channels {
                    target[channel] = gradient.pointer[row * channels + channel] / Float(pixels)
                }
            }
        }
        return result
    }
}
