import CElementwise
import NeuralNetwork

/// Executes a `RowOperation` on a batch in `f32`, channels last.
struct RowKernel {
    let operation: RowOperation
    let batch: Int
    let from, to: ImageShape

    func kernel(_ name: String) -> CustomKernel {
        CustomKernel(name: name, kernel: "rows", scratchpadBytes: scratchpadBytes) { [self] buffers in
            let scratch = buffers.scratchpad.assumingMemoryBound(to: Float.self)
            let table = UnsafePointer(buffers.weights?.assumingMemoryBound(to: Float.self) ?? scratch)
            for image in 0..<batch {
                execute(buffers.source + image * from.size, buffers.floats + image * to.size, table, scratch)
            }
        }
    }

    /// Attention needs the scores of one block of queries only, not of all pairs of tokens.
    private var scratchpadBytes: Int {
        switch operation {
        case .attention: 4 * TokenAttention.scratch(queries: to.pixels, keys: from.pixels)
        case .latentAttention: 4 * from.pixels
        case .responseNormalization: 4 * from.channels
        default: 0
        }
    }

    private func execute(
        _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ table: UnsafePointer<Float>,
        _ scratch: UnsafeMutablePointer<Float>
    ) {
        let size = to.channels
        switch operation {
        case .tokens(let tokens):
            let prefix = tokens.embedding.prefix * size
            output.update(from: table, count: prefix)
            for index in 0..<from.pixels * size { output[prefix + index] = input[index] + table[prefix + index] }
        case .attention(let heads):
            TokenAttention(heads: heads, size: size, count: from.pixels)
                .forward(input, queries: to.pixels, into: output, scratch: scratch)
        case .latentAttention(let heads):
            TokenAttention(heads: heads, size: size, count: from.pixels)
                .pool(input, query: table, into: output, scratch: scratch)
        case .mean(let first):
            sumColumns(input + first * size, count: from.pixels - first, size: size, into: output)
            let share = 1 / Float(from.pixels - first)
            for index in 0..<size { output[index] *= share }
        case .function(let function):
            for index in 0..<to.pixels * size { output[index] = Float(function.apply(Double(input[index]))) }
        case .gather(let places):
            for row in 0..<to.pixels {
                let (own, target) = (input + row * from.channels, output + row * size)
                for (index, place) in places.enumerated() { target[index] = own[place] }
            }
        case .slice(let first): output.update(from: input + first * size, count: to.pixels * size)
        case .groupNormalization(let groups, let epsilon):
            elementwise_group_normalization(
                from.pixels, size, groups, epsilon, table, table + size, input, output)
        case .responseNormalization(let epsilon):
            elementwise_response_normalization(
                from.pixels, size, epsilon, table, table + size, input, output, scratch)
        }
    }
}

/// Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762) between the tokens of one image, one block of
/// queries of one head at a time, so that a block's scores stay in the CPU cache.
package struct TokenAttention {
    let heads: Int
    /// Elements of a token, all heads together.
    let size: Int
    package let count: Int
    /// Whether a token attends only to itself and earlier tokens.
    let isCausal: Bool

    package init(heads: Int, size: Int, count: Int, isCausal: Bool = false) {
        (self.heads, self.size, self.count, self.isCausal) = (heads, size, count, isCausal)
    }

    private var width: Int { size / heads }
    private var factor: Float { 1 / Float(width).squareRoot() }

    /// Queries per block: equal blocks of at most 320.
    static func block(_ queries: Int) -> Int {
        let parts = (queries + 319) / 320
        return (queries + parts - 1) / parts
    }

    /// Elements of scratch space that `forward` needs.
    package static func scratch(queries: Int, keys: Int) -> Int { block(queries) * keys }

    /// - `input`: `[token, 3 · size]`: query, key, value.
    /// - `queries`: number of queries, the first tokens.
    /// - `output`: `[query, size]`.
    package func forward(
        _ input: UnsafePointer<Float>, queries: Int, into output: UnsafeMutablePointer<Float>,
        scratch scores: UnsafeMutablePointer<Float>
    ) {
        let block = Self.block(queries)
        for head in 0..<heads {
            let query = input + head * width
            for first in stride(from: 0, to: queries, by: block) {
                let rows = min(block, queries - first)
                weights(query + first * 3 * size, rows: rows, query + size, from: first, into: scores)
                multiply(
                    scores, by: query + 2 * size, rowStrideB: 3 * size, into: output + first * size + head * width,
                    rowStrideC: size, m: rows, n: width, k: count)
            }
        }
    }

    /// softmax(q · kᵀ / √width) of some queries of one head: `[row, token]`. `first`: index of the first query among
    /// the tokens.
    package func weights(
        _ query: UnsafePointer<Float>, rows: Int, _ key: UnsafePointer<Float>, from first: Int = 0,
        into scores: UnsafeMutablePointer<Float>
    ) {
        multiply(
            query, rowStrideA: 3 * size, by: key, transposingB: true, rowStrideB: 3 * size, into: scores, m: rows,
            n: count, k: width)
        if isCausal {
            for row in 0..<rows {
                for later in min(first + row + 1, count)..<count { scores[row * count + later] = -1e30 }
            }
        }
        elementwise_softmax(rows, count, count, factor, scores)
    }

    /// Attention of one query `[size]` to tokens `[token, 2 · size]`: key, value.
    package func pool(
        _ input: UnsafePointer<Float>, query: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>,
        scratch scores: UnsafeMutablePointer<Float>
    ) {
        for head in 0..<heads {
            let key = input + head * width
            latentWeights(key, query + head * width, into: scores)
            multiply(
                scores, by: key + size, rowStrideB: 2 * size, into: output + head * width, m: 1, n: width, k: count)
        }
    }

    package func latentWeights(
        _ key: UnsafePointer<Float>, _ query: UnsafePointer<Float>, into scores: UnsafeMutablePointer<Float>
    ) {
        multiply(
            query, by: key, transposingB: true, rowStrideB: 2 * size, into: scores, m: 1, n: count, k: width)
        elementwise_softmax(1, count, count, factor, scores)
    }
}
