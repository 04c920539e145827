// One step of a cell, forward and backward. Pointers begin at the step's first row; `gate` holds the pre-activations
// and receives the activations.

/// r = σ(xr + hr), z = σ(xz + hz), n = tanh(xn + r·hn), h ← (1 − z)·n + z·h; the reset gate acts after the
/// recurrent product, as in cuDNN, PyTorch and Keras' `reset_after=True`.
enum GRUCell {
    /// `recurrent`: the recurrent contribution to the gates `[row, 3 · hidden]`. `saved`: receives the recurrent
    /// contribution to the new gate `[row, hidden]`.
    static func forward(
        _ count: Int, _ hidden: Int, _ gate: UnsafeMutablePointer<Float>, _ recurrent: UnsafePointer<Float>,
        _ state: UnsafeMutablePointer<Float>, _ saved: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<count {
            let (g, u) = (gate + row * 3 * hidden, recurrent + row * 3 * hidden)
            let (h, s) = (state + row * hidden, saved + row * hidden)
            forEachPiece(hidden) { i, length in
                let r = sigmoid(load(g + i, length) + load(u + i, length))
                let z = sigmoid(load(g + hidden + i, length) + load(u + hidden + i, length))
                let new = load(u + 2 * hidden + i, length)
                let n = hyperbolicTangent(load(g + 2 * hidden + i, length) + r * new)
                store(new, s + i, length)
                store(r, g + i, length)
                store(z, g + hidden + i, length)
                store(n, g + 2 * hidden + i, length)
                store((1 - z) * n + z * load(h + i, length), h + i, length)
            }
        }
    }

    static func backward(
        _ count: Int, _ hidden: Int, _ gates: UnsafePointer<Float>, _ previous: UnsafePointer<Float>,
        _ saved: UnsafePointer<Float>, _ stateGradient: UnsafeMutablePointer<Float>,
        _ inputShare: UnsafeMutablePointer<Float>, _ recurrentShare: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<count {
            let (g, before, u) = (gates + row * 3 * hidden, previous + row * hidden, saved + row * hidden)
            let dh = stateGradient + row * hidden
            let (dx, du) = (inputShare + row * 3 * hidden, recurrentShare + row * 3 * hidden)
            forEachPiece(hidden) { i, length in
                let (r, z) = (load(g + i, length), load(g + hidden + i, length))
                let (n, slope) = (load(g + 2 * hidden + i, length), load(dh + i, length))
                let new = slope * (1 - z) * (1 - n * n)
                let update = slope * (load(before + i, length) - n) * z * (1 - z)
                let reset = new * load(u + i, length) * r * (1 - r)
                store(reset, dx + i, length)
                store(update, dx + hidden + i, length)
                store(new, dx + 2 * hidden + i, length)
                store(reset, du + i, length)
                store(update, du + hidden + i, length)
                store(new * r, du + 2 * hidden + i, length)
                store(slope * z, dh + i, length)
            }
        }
    }
}
