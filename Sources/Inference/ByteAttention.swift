import CElementwise
import COneDNN
import NeuralNetwork

/// `TokenAttention` with int8 products, as in SageAttention (Zhang et al. 2025, arXiv:2410.02367): dynamic scales per
/// query, per key and per channel of the values, and keys centred on their mean, which leaves the attention weights
/// unchanged.
struct ByteAttention {
    let name: String
    private let heads: Int
    private let batch: Int
    private let from, to: ImageShape
    /// Quantisation of the output, or nil if it is in `f32`.
    private let qparams: QuantizationParameters?
    private let places: Places

    /// `from`: shape of rows of query, key and value concatenated. `to`: as many rows as there are queries.
    init(_ name: String, heads: Int, batch: Int, from: ImageShape, to: ImageShape, _ qparams: QuantizationParameters?) {
        (self.name, self.heads, self.batch, self.from, self.to) = (name, heads, batch, from, to)
        self.qparams = qparams
        places = Places(width: to.channels / heads, keys: from.pixels, queries: to.pixels)
    }

    var kernel: CustomKernel {
        CustomKernel(name: name, kernel: "bytes", scratchpadBytes: places.bytes) { [self] buffers in
            try Execution(attention: self, buffers: buffers).run()
        }
    }

    /// Offsets into the scratch space.
    private struct Places {
        let width: Int
        let keyCount: Int
        let queryCount: Int
        /// Queries per block.
        let block: Int
        /// Scores per row, padded to a multiple of 16.
        let stride: Int
        let keys, values, queries, weights, scores, keySteps, valueSteps, querySteps, shares, means, zeros: Int
        let bytes: Int

        init(width: Int, keys keyCount: Int, queries queryCount: Int) {
            (self.width, self.keyCount, self.queryCount) = (width, keyCount, queryCount)
            block = TokenAttention.block(queryCount)
            stride = (keyCount + 15) / 16 * 16
            var end = 0
            func place(_ bytes: Int) -> Int {
                defer { end += (bytes + 63) / 64 * 64 }
                return end
            }
            keys = place(stride * width)
            values = place(keyCount * width)
            queries = place(block * width)
            weights = place(block * stride)
            // The int32 scores of all keys first, later the sums of a row.
            scores = place(4 * block * max(stride, width))
            (keySteps, valueSteps) = (place(4 * stride), place(4 * width))
            (querySteps, shares) = (place(4 * block), place(4 * block))
            (means, zeros) = (place(4 * width), place(4 * width))
            bytes = end
        }
    }
}

/// One execution of the kernel.
extension ByteAttention {
    private struct Execution {
        let attention: ByteAttention
        let buffers: KernelBuffers

        var places: Places { attention.places }
        var to: ImageShape { attention.to }
        var scratch: UnsafeMutableRawPointer { buffers.scratchpad }

        func run() throws {
            floats(places.zeros).update(repeating: 0, count: places.width)
            // Zero padding after the last key.
            (scratch + places.keys).initializeMemory(as: UInt8.self, repeating: 0, count: places.stride * places.width)
            for image in 0..<attention.batch {
                let input = buffers.source + image * attention.from.size
                for head in 0..<attention.heads {
                    try attend(input + head * places.width, image * to.size + head * places.width)
                }
            }
        }

        private func floats(_ place: Int) -> UnsafeMutablePointer<Float> {
            (scratch + place).assumingMemoryBound(to: Float.self)
        }

        /// Attention of one head for one image. `query`: the first query; key and value follow, each at a distance of
        /// `heads` times the head's width. `first`: index of the first output element.
        private func attend(_ query: UnsafePointer<Float>, _ first: Int) throws {
            let (size, width, keys) = (to.channels, places.width, places.keyCount)
            let values = (scratch + places.values).assumingMemoryBound(to: Int8.self)
            elementwise_means(keys, width, 3 * size, query + size, floats(places.means))
            elementwise_byte_rows(
                keys, width, 3 * size, 0, floats(places.means), query + size,
                (scratch + places.keys).assumingMemoryBound(to: UInt8.self), floats(places.keySteps))
            for place in keys..<places.stride { floats(places.keySteps)[place] = floats(places.keySteps)[0] }
            elementwise_byte_columns(keys, width, 3 * size, query + 2 * size, values, floats(places.valueSteps))
            for start in stride(from: 0, to: places.queryCount, by: places.block) {
                let rows = min(places.block, places.queryCount - start)
                try weigh(query + start * 3 * size, rows: rows)
                let sums = (scratch + places.scores).assumingMemoryBound(to: Int32.self)
                let weights = (scratch + places.weights).assumingMemoryBound(to: UInt8.self)
                try check(
                    onednn_byte_multiply(
                        false, Int64(rows), Int64(width), Int64(keys), weights, Int64(places.stride), 0, values,
                        Int64(width), sums, Int64(width)), attention.name)
                write(sums, rows: rows, at: first + start * size)
            }
        }

        /// Computes the attention weights of some queries.
        private func weigh(_ query: UnsafePointer<Float>, rows: Int) throws {
            let width = places.width
            let queries = (scratch + places.queries).assumingMemoryBound(to: UInt8.self)
            let scores = (scratch + places.scores).assumingMemoryBound(to: Int32.self)
            let steps = floats(places.querySteps)
            elementwise_byte_rows(rows, width, 3 * to.channels, 128, floats(places.zeros), query, queries, steps)
            let factor = 1 / Float(width).squareRoot()
            for row in 0..<rows { steps[row] *= factor }
            try check(
                onednn_byte_multiply(
                    true, Int64(rows), Int64(places.stride), Int64(width), queries, Int64(width), 128,
                    (scratch + places.keys).assumingMemoryBound(to: Int8.self), Int64(width), scores,
                    Int64(places.stride)),
                attention.name)
            elementwise_byte_softmax(
                rows, places.keyCount, places.stride, steps, floats(places.keySteps), scores,
                (scratch + places.weights).assumingMemoryBound(to: UInt8.self), floats(places.shares))
        }

        private func write(_ sums: UnsafePointer<Int32>, rows: Int, at place: Int) {
            let (shares, steps) = (floats(places.shares), floats(places.valueSteps))
            if let qparams = attention.qparams {
                elementwise_scaled_sums_bytes(
                    rows, places.width, to.channels, shares, steps, sums, 1 / qparams.scale, qparams.zeroPoint,
                    buffers.bytes + place)
            } else {
                elementwise_scaled_sums(
                    rows, places.width, to.channels, shares, steps, sums,
                    buffers.floats + place)
            }
        }
    }
}
