// One step of a cell, forward and backward. Pointers begin at the step's first row; `gate` holds the sum that
// enters the activations and receives what leaves them.

/// r = σ(xr + hr), z = σ(xz + hz), n = tanh(xn + r·hn), h ← (1 − z)·n + z·h; the reset gate acts after the
/// recurrent product, as in cuDNN, PyTorch and Keras' `reset_after=True`.
enum GRUCell {
    /// - Parameters:
    ///   - recurrent: the recurrent share of the gates `[row, 3 · hidden]`.
    ///   - saved: receives the recurrent share of the new gate `[row, hidden]`.
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

/// i, f, o = σ; g = tanh; c ← f·c + i·g; h ← o·tanh(c).
enum LSTMCell {
    /// - Parameter saved: receives tanh of the new cell `[row, hidden]`.
    static func forward(
        _ count: Int, _ hidden: Int, _ gate: UnsafeMutablePointer<Float>, _ state: UnsafeMutablePointer<Float>,
        _ cell: UnsafeMutablePointer<Float>, _ saved: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<count {
            let g = gate + row * 4 * hidden
            let (h, c, s) = (state + row * hidden, cell + row * hidden, saved + row * hidden)
            forEachPiece(hidden) { j, length in
                let i = sigmoid(load(g + j, length))
                let f = sigmoid(load(g + hidden + j, length))
                let n = hyperbolicTangent(load(g + 2 * hidden + j, length))
                let o = sigmoid(load(g + 3 * hidden + j, length))
                let new = f * load(c + j, length) + i * n
                let t = hyperbolicTangent(new)
                store(new, c + j, length)
                store(t, s + j, length)
                store(i, g + j, length)
                store(f, g + hidden + j, length)
                store(n, g + 2 * hidden + j, length)
                store(o, g + 3 * hidden + j, length)
                store(o * t, h + j, length)
            }
        }
    }

    static func backward(
        _ count: Int, _ hidden: Int, _ gates: UnsafePointer<Float>, _ cells: UnsafePointer<Float>,
        _ cellTanh: UnsafePointer<Float>, _ stateGradient: UnsafePointer<Float>,
        _ cellGradient: UnsafeMutablePointer<Float>, _ share: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<count {
            let (g, before, t) = (gates + row * 4 * hidden, cells + row * hidden, cellTanh + row * hidden)
            let (dh, dc) = (stateGradient + row * hidden, cellGradient + row * hidden)
            let dx = share + row * 4 * hidden
            forEachPiece(hidden) { j, length in
                let (i, f) = (load(g + j, length), load(g + hidden + j, length))
                let (n, o) = (load(g + 2 * hidden + j, length), load(g + 3 * hidden + j, length))
                let (slope, tanh) = (load(dh + j, length), load(t + j, length))
                let cell = load(dc + j, length) + slope * o * (1 - tanh * tanh)
                store(cell * n * i * (1 - i), dx + j, length)
                store(cell * load(before + j, length) * f * (1 - f), dx + hidden + j, length)
                store(cell * i * (1 - n * n), dx + 2 * hidden + j, length)
                store(slope * tanh * o * (1 - o), dx + 3 * hidden + j, length)
                store(cell * f, dc + j, length)
            }
        }
    }
}
