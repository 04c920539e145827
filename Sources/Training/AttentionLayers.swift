import Foundation
import Inference

/// Attention pooling of a sequence with one score per step: the mean weighted by the softmax of the scores over the
/// valid steps (Bahdanau et al. 2015, arXiv:1409.0473; as pooling: Lin et al. 2017, arXiv:1703.03130).
enum AttentionPoolingLayer {
    /// `scores`: `[row, 1]`. Returns `[sequence, feature]` in packed order, and the weight of each row.
    static func forward(
        _ input: Matrix, scores: Matrix, _ packed: PackedSequences
    ) -> (output: Matrix, weights: [Float]) {
        let size = input.columns
        var weights = Array(scores.values)
        for (place, length) in packed.lengths.enumerated() {
            let rows = (0..<length).map { packed.row(place, $0) }
            let largest = rows.map { weights[$0] }.max() ?? 0
            for row in rows { weights[row] = exp(weights[row] - largest) }
            let sum = rows.reduce(0) { $0 + weights[$1] }
            for row in rows { weights[row] /= sum }
        }
        let output = Matrix(packed.lengths.count, size, 0)
        packed.forEachRow { place, row in
            let (target, source, weight) = (output.pointer + place * size, input.pointer + row * size, weights[row])
            for column in 0..<size { target[column] += weight * source[column] }
        }
        return (output, weights)
    }

    /// - Returns: gradients of the input and of the scores.
    static func backward(
        _ gradient: Matrix, input: Matrix, weights: [Float], _ packed: PackedSequences
    ) -> (input: Matrix, scores: Matrix) {
        let size = input.columns
        var products = [Float](repeating: 0, count: weights.count)
        let inputGradient = Matrix(input.rows, size)
        packed.forEachRow { place, row in
            var product: Float = 0
            for column in 0..<size {
                let slope = gradient.pointer[place * size + column]
                product += slope * input.pointer[row * size + column]
                inputGradient.pointer[row * size + column] = slope * weights[row]
            }
            products[row] = product
        }
        var means = [Float](repeating: 0, count: packed.lengths.count)
        packed.forEachRow { place, row in means[place] += weights[row] * products[row] }
        let scores = Matrix(weights.count, 1)
        packed.forEachRow { place, row in scores.pointer[row] = weights[row] * (products[row] - means[place]) }
        return (inputGradient, scores)
    }
}

/// Scaled dot-product attention between the steps of each sequence (Vaswani et al. 2017, arXiv:1706.03762). Rows are
/// query, key and value concatenated.
struct SelfAttentionLayer {
    let heads: Int
    let parallel: Parallel

    /// Attention weights `[head, length, length]` of each packed sequence.
    typealias Weights = [[Float]]

    /// `input`: `[row, 3 · feature]`. Returns `[row, feature]`.
    func forward(_ input: Matrix, _ packed: PackedSequences) -> (output: Matrix, Weights) {
        let size = input.columns / 3
        let width = size / heads
        let factor = 1 / Float(width).squareRoot()
        let weights = packed.lengths.map { FloatBuffer(heads * $0 * $0) }
        let output = Matrix(input.rows, size)
        parallel.run(packed.lengths.count) { place in
            let length = packed.lengths[place]
            let parts = (0..<3).map { _ in FloatBuffer(length * width) }
            let result = FloatBuffer(length * width)
            for head in 0..<heads {
                for (part, buffer) in parts.enumerated() {
                    gather(input, packed, place, from: part * size + head * width, buffer)
                }
                let scores = weights[place].pointer + head * length * length
                multiply(
                    parts[0].pointer, by: parts[1].pointer, transposingB: true, into: scores, m: length, n: length,
                    k: width)
                for row in 0..<length { softmaxRow(scores + row * length, count: length, factor: factor) }
                multiply(scores, by: parts[2].pointer, into: result.pointer, m: length, n: width, k: length)
                scatter(result, packed, place, to: output, at: head * width)
            }
        }
        return (output, weights.map { Array(UnsafeBufferPointer(start: $0.pointer, count: $0.count)) })
    }

    /// - Returns: the gradient of the input `[row, 3 · feature]`.
    func backward(_ gradient: Matrix, input: Matrix, _ weights: Weights, _ packed: PackedSequences) -> Matrix {
        let size = input.columns / 3
        let width = size / heads
        let result = Matrix(input.rows, input.columns)
        parallel.run(packed.lengths.count) { place in
            let length = packed.lengths[place]
            let parts = (0..<3).map { _ in FloatBuffer(length * width) }
            let slopes = (0..<3).map { _ in FloatBuffer(length * width) }
            let (own, scores) = (FloatBuffer(length * width), FloatBuffer(length * length))
            for head in 0..<heads {
                for (part, buffer) in parts.enumerated() {
                    gather(input, packed, place, from: part * size + head * width, buffer)
                }
                gather(gradient, packed, place, from: head * width, own)
                weights[place].withUnsafeBufferPointer { all in
                    backward(own, parts, all.baseAddress! + head * length * length, scores, slopes, length, width)
                }
                for (part, slope) in slopes.enumerated() {
                    scatter(slope, packed, place, to: result, at: part * size + head * width)
                }
            }
        }
        return result
    }

    /// Gradients of query, key and value of one head of one sequence.
    private func backward(
        _ gradient: FloatBuffer, _ parts: [FloatBuffer], _ weights: UnsafePointer<Float>, _ scores: FloatBuffer,
        _ slopes: [FloatBuffer], _ length: Int, _ width: Int
    ) {
        multiply(
            weights, transposingA: true, by: gradient.pointer, into: slopes[2].pointer, m: length, n: width, k: length)
        multiply(
            gradient.pointer, by: parts[2].pointer, transposingB: true, into: scores.pointer, m: length, n: length,
            k: width)
        let factor = 1 / Float(width).squareRoot()
        for row in 0..<length {
            softmaxBackward(scores.pointer + row * length, weights + row * length, count: length, factor: factor)
        }
        multiply(scores.pointer, by: parts[1].pointer, into: slopes[0].pointer, m: length, n: width, k: length)
        multiply(
            scores.pointer, transposingA: true, by: parts[0].pointer, into: slopes[1].pointer, m: length, n: width,
            k: length)
    }

    /// Copies some columns of a sequence's rows into contiguous rows, one per step.
    private func gather(
        _ matrix: Matrix, _ packed: PackedSequences, _ place: Int, from column: Int, _ target: FloatBuffer
    ) {
        let length = packed.lengths[place]
        let width = target.count / length
        for step in 0..<length {
            (target.pointer + step * width).update(
                from: matrix.pointer + packed.row(place, step) * matrix.columns + column, count: width)
        }
    }

    private func scatter(
        _ source: FloatBuffer, _ packed: PackedSequences, _ place: Int, to matrix: Matrix, at column: Int
    ) {
        let length = packed.lengths[place]
        let width = source.count / length
        for step in 0..<length {
            (matrix.pointer + packed.row(place, step) * matrix.columns + column).update(
                from: source.pointer + step * width, count: width)
        }
    }

    /// softmax(factor · x), in place.
    private func softmaxRow(_ row: UnsafeMutablePointer<Float>, count: Int, factor: Float) {
        var largest = -Float.infinity
        for index in 0..<count { largest = max(largest, row[index]) }
        var sum: Float = 0
        for index in 0..<count {
            row[index] = exponential(factor * (row[index] - largest))
            sum += row[index]
        }
        for index in 0..<count { row[index] /= sum }
    }
}

/// Layer normalisation of each row (Ba et al. 2016, arXiv:1607.06450).
enum LayerNormalizationLayer {
    /// - Returns: the result, and for `backward` the normalised rows and 1/σ of each.
    static func forward(
        _ input: Matrix, epsilon: Float, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>
    ) -> (output: Matrix, normalized: Matrix, scales: [Float]) {
        let (rows, size) = (input.rows, input.columns)
        let (output, normalized) = (Matrix(rows, size), Matrix(rows, size))
        let scales = (0..<rows).map { row in
            let (source, own) = (input.pointer + row * size, normalized.pointer + row * size)
            var (mean, variance) = (0.0, 0.0)
            for column in 0..<size { mean += Double(source[column]) }
            mean /= Double(size)
            for column in 0..<size { variance += (Double(source[column]) - mean) * (Double(source[column]) - mean) }
            let scale = Float(1 / (variance / Double(size) + Double(epsilon)).squareRoot())
            for column in 0..<size {
                own[column] = (source[column] - Float(mean)) * scale
                output.pointer[row * size + column] = own[column] * weight[column] + bias[column]
            }
            return scale
        }
        return (output, normalized, scales)
    }

    static func backward(
        _ gradient: Matrix, normalized: Matrix, scales: [Float], weight: UnsafePointer<Float>,
        weightGradient: UnsafeMutablePointer<Float>, biasGradient: UnsafeMutablePointer<Float>
    ) -> Matrix {
        let (rows, size) = (gradient.rows, gradient.columns)
        weightGradient.update(repeating: 0, count: size)
        biasGradient.update(repeating: 0, count: size)
        let result = Matrix(rows, size)
        for row in 0..<rows {
            let (dy, x) = (gradient.pointer + row * size, normalized.pointer + row * size)
            let dx = result.pointer + row * size
            var (sum, product): (Float, Float) = (0, 0)
            for column in 0..<size {
                biasGradient[column] += dy[column]
                weightGradient[column] += dy[column] * x[column]
                sum += dy[column] * weight[column]
                product += dy[column] * weight[column] * x[column]
            }
            (sum, product) = (sum / Float(size), product / Float(size))
            for column in 0..<size {
                dx[column] = scales[row] * (dy[column] * weight[column] - sum - x[column] * product)
            }
        }
        return result
    }
}

/// Gradient of the scores from that of the softmax weights, in place.
func softmaxBackward(
    _ slopes: UnsafeMutablePointer<Float>, _ weights: UnsafePointer<Float>, count: Int, factor: Float
) {
    var mean: Float = 0
    for index in 0..<count { mean += slopes[index] * weights[index] }
    for index in 0..<count { slopes[index] = factor * weights[index] * (slopes[index] - mean) }
}
