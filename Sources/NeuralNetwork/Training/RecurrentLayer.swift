/// One direction of a GRU or LSTM layer over packed sequences; equations and gate order are PyTorch's.
///
/// The input's share of the gates is one matrix product over all rows; the recurrent share is one a
/// step, over the sequences that have that step.
struct RecurrentLayer {
    let recurrence: Recurrence
    let isReversed: Bool
    private var hidden: Int { recurrence.hiddenSize }
    private var gates: Int { recurrence.cell.gates * recurrence.hiddenSize }

    struct Weights {
        let input: UnsafePointer<Float>
        let recurrent: UnsafePointer<Float>
        let inputBias: UnsafePointer<Float>
        let recurrentBias: UnsafePointer<Float>
    }

    struct Gradients {
        let input: UnsafeMutablePointer<Float>
        let recurrent: UnsafeMutablePointer<Float>
        let inputBias: UnsafeMutablePointer<Float>
        let recurrentBias: UnsafeMutablePointer<Float>
    }

    /// What the backward pass needs, row by row.
    struct State {
        /// Gates after their activations `[row, gates]`.
        var gates: [Float]
        /// The state each step began with `[row, hidden]`.
        var previous: [Float]
        /// GRU: the recurrent share of the new gate. LSTM: the cell each step began with. `[row, hidden]`.
        var extra: [Float]
        /// LSTM: tanh of the new cell `[row, hidden]`; empty for a GRU.
        var cellTanh: [Float]
    }

    /// - Returns: the hidden state after each step `[row, hidden]`, and what `backward` needs.
    func forward(_ input: Tensor, _ packed: PackedSequences, _ weights: Weights) -> (output: [Float], State) {
        let (rows, size, hidden, gates) = (input.shape[0], input.shape[1], hidden, gates)
        let isLSTM = recurrence.cell == .lstm
        var activated = [Float](repeating: 0, count: rows * gates)
        var previous = [Float](repeating: 0, count: rows * hidden)
        var extra = previous
        var cellTanh = isLSTM ? previous : []
        var output = previous
        let batch = packed.batchSizes.first ?? 0
        var state = [Float](repeating: 0, count: batch * hidden)
        var cell = state
        var recurrent = [Float](repeating: 0, count: batch * gates)

        activated.withUnsafeMutableBufferPointer { activated in
            input.values.withUnsafeBufferPointer { x in
                broadcast(weights.inputBias, into: activated.baseAddress!, count: rows, size: gates)
                multiply(
                    x.baseAddress!, by: weights.input, transposingB: true, into: activated.baseAddress!, m: rows,
                    n: gates,
                    k: size, beta: 1)
            }
            for step in steps(packed) {
                let (first, count) = (packed.firstRows[step], packed.batchSizes[step])
                let length = count * hidden
                recurrent.withUnsafeMutableBufferPointer { recurrent in
                    state.withUnsafeBufferPointer { state in
                        broadcast(weights.recurrentBias, into: recurrent.baseAddress!, count: count, size: gates)
                        multiply(
                            state.baseAddress!, by: weights.recurrent, transposingB: true, into: recurrent.baseAddress!,
                            m: count, n: gates, k: hidden, beta: 1)
                    }
                }
                previous.replaceSubrange(first * hidden..<first * hidden + length, with: state[0..<length])
                state.withUnsafeMutableBufferPointer { state in
                    recurrent.withUnsafeBufferPointer { recurrent in
                        let gate = activated.baseAddress! + first * gates
                        if isLSTM {
                            extra.replaceSubrange(first * hidden..<first * hidden + length, with: cell[0..<length])
                            cell.withUnsafeMutableBufferPointer { cell in
                                cellTanh.withUnsafeMutableBufferPointer { saved in
                                    stepLSTM(
                                        count, gate, recurrent.baseAddress!, state.baseAddress!, cell.baseAddress!,
                                        saved.baseAddress! + first * hidden)
                                }
                            }
                        } else {
                            extra.withUnsafeMutableBufferPointer { saved in
                                stepGRU(
                                    count, gate, recurrent.baseAddress!, state.baseAddress!,
                                    saved.baseAddress! + first * hidden)
                            }
                        }
                    }
                }
                output.replaceSubrange(first * hidden..<first * hidden + length, with: state[0..<length])
            }
        }
        return (output, State(gates: activated, previous: previous, extra: extra, cellTanh: cellTanh))
    }

    /// Adds to the parameters' gradients.
    ///
    /// - Parameter gradient: of the output `[row, hidden]`.
    /// - Returns: the gradient of the input `[row, feature]`, where it is wanted.
    func backward(
        _ gradient: [Float], input: Tensor, _ packed: PackedSequences, _ state: State, _ weights: Weights,
        _ gradients: Gradients, wantsInput: Bool
    ) -> [Float]? {
        let (rows, size, hidden, gates) = (input.shape[0], input.shape[1], hidden, gates)
        let batch = packed.batchSizes.first ?? 0
        // Gradients of the gates before their activations: the input's share and the recurrent share,
        // which differ only in the GRU's new gate.
        var inputShare = [Float](repeating: 0, count: rows * gates)
        var recurrentShare = recurrence.cell == .gru ? inputShare : []
        var stateGradient = [Float](repeating: 0, count: batch * hidden)
        var cellGradient = stateGradient

        for step in steps(packed).reversed() {
            let (first, count) = (packed.firstRows[step], packed.batchSizes[step])
            stateGradient.withUnsafeMutableBufferPointer { dh in
                for index in 0..<count * hidden { dh[index] += gradient[first * hidden + index] }
                inputShare.withUnsafeMutableBufferPointer { inputShare in
                    let share = inputShare.baseAddress! + first * gates
                    if recurrence.cell == .lstm {
                        cellGradient.withUnsafeMutableBufferPointer { dc in
                            backwardLSTM(count, first, state, dh.baseAddress!, dc.baseAddress!, share)
                        }
                        multiply(share, by: weights.recurrent, into: dh.baseAddress!, m: count, n: hidden, k: gates)
                    } else {
                        recurrentShare.withUnsafeMutableBufferPointer { recurrentShare in
                            let own = recurrentShare.baseAddress! + first * gates
                            // Leaves z·dh in `dh`, to which the recurrent product is added.
                            backwardGRU(count, first, state, dh.baseAddress!, share, own)
                            multiply(
                                own, by: weights.recurrent, into: dh.baseAddress!, m: count, n: hidden, k: gates,
                                beta: 1)
                        }
                    }
                }
            }
        }
        let own = recurrence.cell == .gru ? recurrentShare : inputShare
        own.withUnsafeBufferPointer { own in
            state.previous.withUnsafeBufferPointer { previous in
                multiply(
                    own.baseAddress!, transposingA: true, by: previous.baseAddress!, into: gradients.recurrent,
                    m: gates,
                    n: hidden, k: rows, beta: 1)
            }
            addColumns(own.baseAddress!, count: rows, size: gates, to: gradients.recurrentBias)
        }
        return inputShare.withUnsafeBufferPointer { share in
            input.values.withUnsafeBufferPointer { x in
                multiply(
                    share.baseAddress!, transposingA: true, by: x.baseAddress!, into: gradients.input, m: gates,
                    n: size,
                    k: rows, beta: 1)
            }
            addColumns(share.baseAddress!, count: rows, size: gates, to: gradients.inputBias)
            guard wantsInput else { return nil }
            var inputGradient = [Float](repeating: 0, count: rows * size)
            inputGradient.withUnsafeMutableBufferPointer { dx in
                multiply(share.baseAddress!, by: weights.input, into: dx.baseAddress!, m: rows, n: size, k: gates)
            }
            return inputGradient
        }
    }

    /// Steps in the order in which this direction reads them.
    private func steps(_ packed: PackedSequences) -> [Int] {
        isReversed ? packed.batchSizes.indices.reversed() : Array(packed.batchSizes.indices)
    }
}

// MARK: - Cells
// Pointers begin at the step's first row; `gate` holds the input's share and receives the activations.

extension RecurrentLayer {
    /// r = σ(xr + hr), z = σ(xz + hz), n = tanh(xn + r·hn), h ← (1 − z)·n + z·h.
    private func stepGRU(
        _ count: Int, _ gate: UnsafeMutablePointer<Float>, _ recurrent: UnsafePointer<Float>,
        _ state: UnsafeMutablePointer<Float>, _ saved: UnsafeMutablePointer<Float>
    ) {
        let hidden = recurrence.hiddenSize
        for row in 0..<count {
            let (g, u) = (gate + row * 3 * hidden, recurrent + row * 3 * hidden)
            let (h, s) = (state + row * hidden, saved + row * hidden)
            for i in 0..<hidden {
                let r = sigmoid(g[i] + u[i])
                let z = sigmoid(g[hidden + i] + u[hidden + i])
                let n = hyperbolicTangent(g[2 * hidden + i] + r * u[2 * hidden + i])
                s[i] = u[2 * hidden + i]
                g[i] = r
                g[hidden + i] = z
                g[2 * hidden + i] = n
                h[i] = (1 - z) * n + z * h[i]
            }
        }
    }

    /// i, f, o = σ; g = tanh; c ← f·c + i·g; h ← o·tanh(c).
    private func stepLSTM(
        _ count: Int, _ gate: UnsafeMutablePointer<Float>, _ recurrent: UnsafePointer<Float>,
        _ state: UnsafeMutablePointer<Float>, _ cell: UnsafeMutablePointer<Float>, _ saved: UnsafeMutablePointer<Float>
    ) {
        let hidden = recurrence.hiddenSize
        for row in 0..<count {
            let (g, u) = (gate + row * 4 * hidden, recurrent + row * 4 * hidden)
            let (h, c, s) = (state + row * hidden, cell + row * hidden, saved + row * hidden)
            for j in 0..<hidden {
                let i = sigmoid(g[j] + u[j])
                let f = sigmoid(g[hidden + j] + u[hidden + j])
                let n = hyperbolicTangent(g[2 * hidden + j] + u[2 * hidden + j])
                let o = sigmoid(g[3 * hidden + j] + u[3 * hidden + j])
                c[j] = f * c[j] + i * n
                s[j] = hyperbolicTangent(c[j])
                g[j] = i
                g[hidden + j] = f
                g[2 * hidden + j] = n
                g[3 * hidden + j] = o
                h[j] = o * s[j]
            }
        }
    }

    private func backwardGRU(
        _ count: Int, _ first: Int, _ state: State, _ stateGradient: UnsafeMutablePointer<Float>,
        _ inputShare: UnsafeMutablePointer<Float>, _ recurrentShare: UnsafeMutablePointer<Float>
    ) {
        let hidden = recurrence.hiddenSize
        state.gates.withUnsafeBufferPointer { gates in
            state.previous.withUnsafeBufferPointer { previous in
                state.extra.withUnsafeBufferPointer { extra in
                    for row in 0..<count {
                        let g = gates.baseAddress! + (first + row) * 3 * hidden
                        let before = previous.baseAddress! + (first + row) * hidden
                        let u = extra.baseAddress! + (first + row) * hidden
                        let dh = stateGradient + row * hidden
                        let (dx, du) = (inputShare + row * 3 * hidden, recurrentShare + row * 3 * hidden)
                        for i in 0..<hidden {
                            let (r, z, n) = (g[i], g[hidden + i], g[2 * hidden + i])
                            let new = dh[i] * (1 - z) * (1 - n * n)
                            let update = dh[i] * (before[i] - n) * z * (1 - z)
                            let reset = new * u[i] * r * (1 - r)
                            dx[i] = reset
                            dx[hidden + i] = update
                            dx[2 * hidden + i] = new
                            du[i] = reset
                            du[hidden + i] = update
                            du[2 * hidden + i] = new * r
                            dh[i] *= z
                        }
                    }
                }
            }
        }
    }

    private func backwardLSTM(
        _ count: Int, _ first: Int, _ state: State, _ stateGradient: UnsafeMutablePointer<Float>,
        _ cellGradient: UnsafeMutablePointer<Float>, _ share: UnsafeMutablePointer<Float>
    ) {
        let hidden = recurrence.hiddenSize
        state.gates.withUnsafeBufferPointer { gates in
            state.extra.withUnsafeBufferPointer { cells in
                state.cellTanh.withUnsafeBufferPointer { tanhs in
                    for row in 0..<count {
                        let g = gates.baseAddress! + (first + row) * 4 * hidden
                        let before = cells.baseAddress! + (first + row) * hidden
                        let t = tanhs.baseAddress! + (first + row) * hidden
                        let (dh, dc) = (stateGradient + row * hidden, cellGradient + row * hidden)
                        let dx = share + row * 4 * hidden
                        for j in 0..<hidden {
                            let (i, f, n, o) = (g[j], g[hidden + j], g[2 * hidden + j], g[3 * hidden + j])
                            let cell = dc[j] + dh[j] * o * (1 - t[j] * t[j])
                            dx[j] = cell * n * i * (1 - i)
                            dx[hidden + j] = cell * before[j] * f * (1 - f)
                            dx[2 * hidden + j] = cell * i * (1 - n * n)
                            dx[3 * hidden + j] = dh[j] * t[j] * o * (1 - o)
                            dc[j] = cell * f
                        }
                    }
                }
            }
        }
    }
}
