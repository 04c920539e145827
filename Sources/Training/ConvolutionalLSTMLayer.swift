import CElementwise
import Inference
import NeuralNetwork

/// A convolutional LSTM over packed sequences of maps (Shi et al. 2015, arXiv:1506.04214, without peepholes), computed
/// as an LSTM with one row per pixel whose products are convolutions of map and state.
///
/// Maps are `[height, width, channel]`, so that a convolution is im2col and one matrix product. Gates are in the order
/// input, forget, cell, output.
struct ConvolutionalLSTMLayer {
    let options: ConvolutionalRecurrence
    let parallel: Parallel
    private var pixels: Int { options.height * options.width }
    private var hidden: Int { options.hiddenChannels }
    private var gates: Int { 4 * options.hiddenChannels }
    private var taps: Int { options.kernel * options.kernel }

    /// What the backward pass needs, one row per pixel.
    typealias State = RecurrentLayer.State

    /// The kernel `[4 · hidden, channels + hidden, k, k]` as two matrices with a row per kernel position and channel,
    /// and a column per gate.
    private final class Matrices {
        let input, recurrent: FloatBuffer

        init(_ options: ConvolutionalRecurrence) {
            let (taps, gates) = (options.kernel * options.kernel, 4 * options.hiddenChannels)
            input = FloatBuffer(taps * options.channels * gates, 0)
            recurrent = FloatBuffer(taps * options.hiddenChannels * gates, 0)
        }
    }

    /// - `weight`: `[4 · hidden, channels + hidden, k, k]`.
    /// - Returns: the hidden state after each step `[row, height · width · hidden]`.
    func forward(
        _ input: Matrix, _ packed: PackedSequences, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>
    ) -> (output: Matrix, State) {
        let (rows, pixels, hidden, gates) = (input.rows, pixels, hidden, gates)
        let state = State(rows: rows * pixels, gates: gates, hidden: hidden, isLSTM: true)
        let matrices = Matrices(options)
        exchange(matrices) { matrix, kernel in matrix.pointee = weight[kernel] }
        let output = Matrix(rows, pixels * hidden)
        walk(packed) { places, steps in
            let (h, c) = (
                FloatBuffer(places.count * pixels * hidden, 0), FloatBuffer(places.count * pixels * hidden, 0)
            )
            let columns = FloatBuffer(places.count * pixels * taps * max(options.channels, hidden))
            for (first, count) in steps {
                let (start, length) = (first * pixels, count * pixels)
                let gate = state.gates.pointer + start * gates
                gather(input.pointer + start * options.channels, options.channels, count, into: columns)
                multiply(
                    columns.pointer, by: matrices.input.pointer, into: gate, m: length, n: gates,
                    k: taps * options.channels)
                gather(h.pointer, hidden, count, into: columns)
                multiply(
                    columns.pointer, by: matrices.recurrent.pointer, into: gate, m: length, n: gates,
                    k: taps * hidden, beta: 1)
                (state.previous.pointer + start * hidden).update(from: h.pointer, count: length * hidden)
                (state.extra.pointer + start * hidden).update(from: c.pointer, count: length * hidden)
                elementwise_lstm_forward(
                    length, hidden, bias, gate, h.pointer, c.pointer, state.cellTanh.pointer + start * hidden)
                (output.pointer + start * hidden).update(from: h.pointer, count: length * hidden)
            }
        }
        return (output, state)
    }

    /// Writes the parameters' gradients. Returns the input's gradient, if it is needed. Training does not need it,
    /// because maps come from the cache.
    func backward(
        _ gradient: Matrix, input: Matrix, _ packed: PackedSequences, _ state: State, weight: UnsafePointer<Float>,
        weightGradient: UnsafeMutablePointer<Float>, biasGradient: UnsafeMutablePointer<Float>, wantsInput: Bool
    ) -> Matrix? {
        let inputGradient = wantsInput ? Matrix(input.rows, input.columns) : nil
        let (rows, pixels, hidden, gates) = (input.rows, pixels, hidden, gates)
        let matrices = Matrices(options)
        exchange(matrices) { matrix, kernel in matrix.pointee = weight[kernel] }
        let share = FloatBuffer(rows * pixels * gates)
        // One partial sum per half of the batch, added in a fixed order.
        let sums = [Matrices(options), Matrices(options)]
        walk(packed) { places, steps in
            let sum = sums[places.lowerBound == 0 ? 0 : 1]
            let (dh, dc) = (
                FloatBuffer(places.count * pixels * hidden, 0), FloatBuffer(places.count * pixels * hidden, 0)
            )
            let columns = FloatBuffer(places.count * pixels * taps * max(options.channels, hidden))
            for (first, count) in steps.reversed() {
                let (start, length) = (first * pixels, count * pixels)
                let slope = gradient.pointer + start * hidden
                for index in 0..<length * hidden { dh.pointer[index] += slope[index] }
                let own = share.pointer + start * gates
                elementwise_lstm_backward(
                    length, hidden, state.gates.pointer + start * gates, state.extra.pointer + start * hidden,
                    state.cellTanh.pointer + start * hidden, dh.pointer, dc.pointer, own)
                gather(input.pointer + start * options.channels, options.channels, count, into: columns)
                multiply(
                    columns.pointer, transposingA: true, by: own, into: sum.input.pointer,
                    m: taps * options.channels, n: gates, k: length, beta: 1)
                gather(state.previous.pointer + start * hidden, hidden, count, into: columns)
                multiply(
                    columns.pointer, transposingA: true, by: own, into: sum.recurrent.pointer,
                    m: taps * hidden, n: gates, k: length, beta: 1)
                multiply(
                    own, by: matrices.recurrent.pointer, transposingB: true, into: columns.pointer, m: length,
                    n: taps * hidden, k: gates)
                scatter(columns, hidden, count, into: dh.pointer)
                guard let inputGradient else { continue }
                multiply(
                    own, by: matrices.input.pointer, transposingB: true, into: columns.pointer, m: length,
                    n: taps * options.channels, k: gates)
                scatter(columns, options.channels, count, into: inputGradient.pointer + start * options.channels)
            }
        }
        sumColumns(share.pointer, count: rows * pixels, size: gates, into: biasGradient)
        exchange(sums[0]) { matrix, kernel in weightGradient[kernel] = matrix.pointee }
        exchange(sums[1]) { matrix, kernel in weightGradient[kernel] += matrix.pointee }
        return inputGradient
    }

    /// Processes two halves of the batch independently; `body` gets the first row and the number of rows of each step.
    private func walk(
        _ packed: PackedSequences, _ body: (_ places: Range<Int>, _ steps: [(first: Int, count: Int)]) -> Void
    ) {
        let pieces = Parallel.halves(packed.lengths.count)
        parallel.run(pieces.count) { index in
            let places = pieces[index]
            let steps = packed.batchSizes.indices.compactMap { step -> (first: Int, count: Int)? in
                let count = min(packed.batchSizes[step], places.upperBound) - places.lowerBound
                return count > 0 ? (packed.firstRows[step] + places.lowerBound, count) : nil
            }
            body(places, steps)
        }
    }

    /// Visits every element of the matrices with its index in the kernel.
    private func exchange(_ matrices: Matrices, _ body: (UnsafeMutablePointer<Float>, Int) -> Void) {
        let inputs = options.channels + hidden
        for gate in 0..<gates {
            for channel in 0..<inputs {
                let isInput = channel < options.channels
                let (matrix, size, own) =
                    isInput
                    ? (matrices.input, options.channels, channel)
                    : (matrices.recurrent, hidden, channel - options.channels)
                for tap in 0..<taps {
                    body(matrix.pointer + (tap * size + own) * gates + gate, (gate * inputs + channel) * taps + tap)
                }
            }
        }
    }

    /// Calls `body` with each pixel of a map and each neighbour under the kernel, nil beyond the border.
    private func forEachTap(_ body: (_ pixel: Int, _ tap: Int, _ neighbour: Int?) -> Void) {
        let (height, width, kernel) = (options.height, options.width, options.kernel)
        for y in 0..<height {
            for x in 0..<width {
                for tap in 0..<taps {
                    let (row, column) = (y + tap / kernel - kernel / 2, x + tap % kernel - kernel / 2)
                    let isInside = (0..<height).contains(row) && (0..<width).contains(column)
                    body(y * width + x, tap, isInside ? row * width + column : nil)
                }
            }
        }
    }

    /// im2col: concatenates the neighbours of each pixel `[map, pixel, tap, channel]`.
    private func gather(_ maps: UnsafePointer<Float>, _ channels: Int, _ count: Int, into columns: FloatBuffer) {
        for map in 0..<count {
            forEachTap { pixel, tap, neighbour in
                let target = columns.pointer + ((map * pixels + pixel) * taps + tap) * channels
                if let neighbour {
                    target.update(from: maps + (map * pixels + neighbour) * channels, count: channels)
                } else {
                    target.update(repeating: 0, count: channels)
                }
            }
        }
    }

    /// col2im, the transpose of `gather`: sums the columns into the maps, which are overwritten.
    private func scatter(
        _ columns: FloatBuffer, _ channels: Int, _ count: Int, into maps: UnsafeMutablePointer<Float>
    ) {
        maps.update(repeating: 0, count: count * pixels * channels)
        for map in 0..<count {
            forEachTap { pixel, tap, neighbour in
                guard let neighbour else { return }
                let source = columns.pointer + ((map * pixels + pixel) * taps + tap) * channels
                let target = maps + (map * pixels + neighbour) * channels
                for channel in 0..<channels { target[channel] += source[channel] }
            }
        }
    }
}
