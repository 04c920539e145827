import CElementwise
import Inference
import NeuralNetwork

/// A GRU or LSTM layer, in one or both directions, over packed sequences; equations and gate order are PyTorch's.
///
/// The input's contribution to the gates is one matrix product over all rows. The recurrent contribution is one product
/// per step, over the sequences that have that step. Directions, or two halves of the batch, are processed
/// independently.
struct RecurrentLayer {
    let recurrence: Recurrence
    let parallel: Parallel
    var hidden: Int { recurrence.hiddenSize }
    var gates: Int { recurrence.cell.gates * recurrence.hiddenSize }
    private var directions: Int { recurrence.directions }

    /// The parameters of one direction, or their gradients.
    struct Parameters<Pointer> {
        let input, recurrent, inputBias, recurrentBias: Pointer

        /// - `place`: returns a parameter of the layer by its index.
        init(direction: Int, _ place: (Int) -> Pointer) {
            (input, recurrent) = (place(4 * direction), place(4 * direction + 1))
            (inputBias, recurrentBias) = (place(4 * direction + 2), place(4 * direction + 3))
        }
    }
    typealias Weights = Parameters<UnsafePointer<Float>>
    typealias Gradients = Parameters<UnsafeMutablePointer<Float>>

    /// What the backward pass of one direction needs, row by row.
    final class State {
        /// Gates after their activations `[row, gates]`.
        let gates: FloatBuffer
        /// The hidden state before each step `[row, hidden]`.
        let previous: FloatBuffer
        /// GRU: the recurrent contribution to the new gate. LSTM: the cell state before each step. `[row, hidden]`.
        let extra: FloatBuffer
        /// LSTM: tanh of the new cell state `[row, hidden]`; empty for a GRU.
        let cellTanh: FloatBuffer

        init(rows: Int, gates: Int, hidden: Int, isLSTM: Bool) {
            self.gates = FloatBuffer(rows * gates)
            previous = FloatBuffer(rows * hidden)
            extra = FloatBuffer(rows * hidden)
            cellTanh = FloatBuffer(isLSTM ? rows * hidden : 0)
        }
    }

    /// A direction, and a contiguous range of packed sequences.
    private struct Piece {
        let direction: Int
        let places: Range<Int>
    }

    private func pieces(_ packed: PackedSequences) -> [Piece] {
        let count = packed.lengths.count
        if directions > 1 { return (0..<directions).map { Piece(direction: $0, places: 0..<count) } }
        // Longer sequences come first: split where half of the steps are reached.
        let half = packed.lengths.reduce(0, +) / 2
        var (cut, steps) = (0, 0)
        while cut < count, steps < half {
            steps += packed.lengths[cut]
            cut += 1
        }
        return [0..<cut, cut..<count].filter { !$0.isEmpty }.map { Piece(direction: 0, places: $0) }
    }

    /// Calls `body` for each step in the piece's direction with the first row, the number of the piece's sequences that
    /// have the step, and the number that were already running; the others start here with a zero state.
    private func forEachStep(
        _ piece: Piece, _ packed: PackedSequences, isBackward: Bool = false,
        _ body: (_ first: Int, _ count: Int, _ begun: Int) -> Void
    ) {
        let steps = packed.batchSizes.count
        func count(_ step: Int) -> Int {
            guard packed.batchSizes.indices.contains(step) else { return 0 }
            return max(0, min(packed.batchSizes[step], piece.places.upperBound) - piece.places.lowerBound)
        }
        let isDescending = (piece.direction == 1) != isBackward
        for index in 0..<steps {
            let step = isDescending ? steps - 1 - index : index
            let here = count(step)
            let begun = piece.direction == 1 ? count(step + 1) : step > 0 ? here : 0
            if here > 0 { body(packed.firstRows[step] + piece.places.lowerBound, here, begun) }
        }
    }

    // MARK: - Forward

    /// - Returns: the hidden state after each step, directions concatenated `[row, directions · hidden]`, and what
    ///   `backward` needs of each direction.
    func forward(_ input: Matrix, _ packed: PackedSequences, _ weights: [Weights]) -> (output: Matrix, [State]) {
        let (rows, size, hidden, gates) = (input.rows, input.columns, hidden, gates)
        let isLSTM = recurrence.cell == .lstm
        let states = (0..<directions).map { _ in State(rows: rows, gates: gates, hidden: hidden, isLSTM: isLSTM) }
        let transposed = (0..<directions).map { _ in FloatBuffer(hidden * gates) }
        // As in `LinearLayer`, weights are split: into directions, or halves of the gates.
        let parts = directions > 1 ? [0..<gates] : Parallel.halves(gates)
        parallel.run(directions * (parts.count + 1)) { index in
            let direction = index % directions
            guard index / directions < parts.count else {
                return elementwise_transpose(
                    gates, hidden, weights[direction].recurrent, transposed[direction].pointer)
            }
            let part = parts[index / directions]
            let target = states[direction].gates.pointer + part.lowerBound
            if !isLSTM {
                for row in 0..<rows {
                    (target + row * gates).update(
                        from: weights[direction].inputBias + part.lowerBound, count: part.count)
                }
            }
            multiply(
                input.pointer, by: weights[direction].input + part.lowerBound * size, transposingB: true, into: target,
                rowStrideC: gates, m: rows, n: part.count, k: size, beta: isLSTM ? 0 : 1)
        }
        let output = Matrix(rows, directions * hidden)
        let pieces = pieces(packed)
        parallel.run(pieces.count) { index in
            let piece = pieces[index]
            let (direction, start) = (piece.direction, output.pointer + piece.direction * hidden)
            walk(piece, packed, weights[direction], transposed[direction], states[direction], start)
        }
        return (output, states)
    }

    private func walk(
        _ piece: Piece, _ packed: PackedSequences, _ weights: Weights, _ recurrent: FloatBuffer, _ saved: State,
        _ output: UnsafeMutablePointer<Float>
    ) {
        let (hidden, gates, isLSTM) = (hidden, gates, recurrence.cell == .lstm)
        let bias = FloatBuffer(gates)
        bias.pointer.update(from: weights.recurrentBias, count: gates)
        if isLSTM { add(weights.inputBias, toRows: bias.pointer, count: 1, size: gates) }
        let (state, cell) = (FloatBuffer(piece.places.count * hidden, 0), FloatBuffer(piece.places.count * hidden, 0))
        let share = FloatBuffer(isLSTM ? 0 : piece.places.count * gates)
        forEachStep(piece, packed) { first, count, begun in
            let (gate, extra) = (saved.gates.pointer + first * gates, saved.extra.pointer + first * hidden)
            // An LSTM adds the recurrent contribution to the input's; a GRU's reset gate needs it apart.
            if !isLSTM { broadcast(bias.pointer, into: share.pointer, count: count, size: gates) }
            multiply(
                state.pointer, by: recurrent.pointer, into: isLSTM ? gate : share.pointer, m: begun, n: gates,
                k: hidden, beta: 1)
            (saved.previous.pointer + first * hidden).update(from: state.pointer, count: count * hidden)
            if isLSTM {
                extra.update(from: cell.pointer, count: count * hidden)
                elementwise_lstm_forward(
                    count, hidden, bias.pointer, gate, state.pointer, cell.pointer,
                    saved.cellTanh.pointer + first * hidden)
            } else {
                GRUCell.forward(count, hidden, gate, share.pointer, state.pointer, extra)
            }
            copy(state.pointer, to: output + first * directions * hidden, stride: directions * hidden, rows: count)
        }
    }

    /// Copies contiguous rows of `hidden` elements to rows with another stride.
    private func copy(
        _ rows: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, stride: Int, rows count: Int
    ) {
        for row in 0..<count { (target + row * stride).update(from: rows + row * hidden, count: hidden) }
    }

    // MARK: - Backward

    /// Writes the parameters' gradients. `gradient`: of the output `[row, directions · hidden]`. Returns the gradient
    /// of the input `[row, feature]`, if it is needed.
    func backward(
        _ gradient: Matrix, input: Matrix, _ packed: PackedSequences, _ states: [State], _ weights: [Weights],
        _ gradients: [Gradients], wantsInput: Bool
    ) -> Matrix? {
        let (rows, gates) = (input.rows, gates)
        // Gradients of the pre-activations: the input's and the recurrent contribution, which differ only in the GRU's
        // new gate.
        let inputShares = (0..<directions).map { _ in FloatBuffer(rows * gates) }
        let isGRU = recurrence.cell == .gru
        let ownShares = isGRU ? (0..<directions).map { _ in FloatBuffer(rows * gates) } : inputShares
        let pieces = pieces(packed)
        parallel.run(pieces.count) { index in
            let piece = pieces[index]
            let direction = piece.direction
            walkBack(
                piece, packed, gradient.pointer + direction * hidden, states[direction], weights[direction],
                inputShares[direction].pointer, ownShares[direction].pointer)
        }
        return products(input, states, weights, gradients, inputShares, ownShares, wantsInput: wantsInput)
    }

    private func walkBack(
        _ piece: Piece, _ packed: PackedSequences, _ gradient: UnsafePointer<Float>, _ saved: State, _ weights: Weights,
        _ inputShare: UnsafeMutablePointer<Float>, _ ownShare: UnsafeMutablePointer<Float>
    ) {
        let (hidden, gates, stride) = (hidden, gates, directions * hidden)
        let stateGradient = FloatBuffer(piece.places.count * hidden, 0)
        let cellGradient = FloatBuffer(piece.places.count * hidden, 0)
        forEachStep(piece, packed, isBackward: true) { first, count, begun in
            // Captured here, so that the buffer lives as long as the closure.
            let dh = stateGradient.pointer
            for row in 0..<count {
                let (target, source) = (dh + row * hidden, gradient + (first + row) * stride)
                for column in 0..<hidden { target[column] += source[column] }
            }
            let share = inputShare + first * gates
            if recurrence.cell == .lstm {
                elementwise_lstm_backward(
                    count, hidden, saved.gates.pointer + first * gates, saved.extra.pointer + first * hidden,
                    saved.cellTanh.pointer + first * hidden, dh, cellGradient.pointer, share)
                multiply(share, by: weights.recurrent, into: dh, m: begun, n: hidden, k: gates)
            } else {
                let own = ownShare + first * gates
                // Leaves z·dh in `dh`, to which the recurrent product is added.
                GRUCell.backward(
                    count, hidden, saved.gates.pointer + first * gates, saved.previous.pointer + first * hidden,
                    saved.extra.pointer + first * hidden, dh, share, own)
                multiply(own, by: weights.recurrent, into: dh, m: begun, n: hidden, k: gates, beta: 1)
            }
        }
    }

    /// The matrix products over all rows, as independent pieces, the largest first.
    private func products(
        _ input: Matrix, _ states: [State], _ weights: [Weights], _ gradients: [Gradients],
        _ inputShares: [FloatBuffer], _ ownShares: [FloatBuffer], wantsInput: Bool
    ) -> Matrix? {
        let (rows, size, hidden, gates) = (input.rows, input.columns, hidden, gates)
        var work: [() -> Void] = []
        // Directions alternate, so that each stays with the thread that processed it and has its gates in the cache.
        for chunk in Parallel.halves(gates) {
            for direction in 0..<directions {
                work.append {
                    multiply(
                        inputShares[direction].pointer + chunk.lowerBound, transposingA: true, rowStrideA: gates,
                        by: input.pointer, into: gradients[direction].input + chunk.lowerBound * size, m: chunk.count,
                        n: size, k: rows)
                }
            }
        }
        for direction in 0..<directions {
            work.append {
                let (share, own) = (inputShares[direction].pointer, ownShares[direction].pointer)
                let target = gradients[direction]
                multiply(
                    own, transposingA: true, by: states[direction].previous.pointer, into: target.recurrent, m: gates,
                    n: hidden, k: rows)
                sumColumns(share, count: rows, size: gates, into: target.inputBias)
                if own == share {
                    target.recurrentBias.update(from: target.inputBias, count: gates)
                } else {
                    sumColumns(own, count: rows, size: gates, into: target.recurrentBias)
                }
            }
        }
        let inputGradient = wantsInput ? Matrix(rows, size) : nil
        if let inputGradient {
            for part in Parallel.halves(size) {
                work.append {
                    for direction in 0..<directions {
                        multiply(
                            inputShares[direction].pointer, by: weights[direction].input + part.lowerBound,
                            rowStrideB: size, into: inputGradient.pointer + part.lowerBound, rowStrideC: size, m: rows,
                            n: part.count, k: gates, beta: direction == 0 ? 0 : 1)
                    }
                }
            }
        }
        parallel.run(work.count) { work[$0]() }
        return inputGradient
    }
}
