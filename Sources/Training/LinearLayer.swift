import Inference

/// y = x·Wᵀ + b on rows. W is `[out, in]`, b `[out]`.
///
/// Work is split by columns, not rows, so that each thread packs half of the weights, which are larger than a batch's
/// rows.
enum LinearLayer {
    /// - Returns: `[row, out]`.
    static func forward(
        _ input: Matrix, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?, out: Int, _ parallel: Parallel
    ) -> Matrix {
        let size = input.columns
        let parts = Parallel.halves(out)
        let output = Matrix(input.rows, out)
        parallel.run(parts.count) { index in
            let part = parts[index]
            if let bias {
                for row in 0..<input.rows {
                    let target = output.pointer + row * out + part.lowerBound
                    target.update(from: bias + part.lowerBound, count: part.count)
                }
            }
            multiply(
                input.pointer, by: weight + part.lowerBound * size, transposingB: true,
                into: output.pointer + part.lowerBound, rowStrideC: out, m: input.rows, n: part.count, k: size,
                beta: bias == nil ? 0 : 1)
        }
        return output
    }

    /// Writes the parameters' gradients that are needed. Returns the input's gradient, if it is needed.
    static func backward(
        _ gradient: Matrix, input: Matrix, weight: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>?,
        biasGradient: UnsafeMutablePointer<Float>?, wantsInput: Bool, _ parallel: Parallel
    ) -> Matrix? {
        let (rows, size, out) = (input.rows, input.columns, gradient.columns)
        let (outs, columns) = (weightGradient == nil ? [] : Parallel.halves(out), Parallel.halves(size))
        let inputGradient = wantsInput ? Matrix(rows, size) : nil
        if let biasGradient { sumColumns(gradient.pointer, count: rows, size: out, into: biasGradient) }
        parallel.run(outs.count + (wantsInput ? columns.count : 0)) { index in
            if index < outs.count, let weightGradient {
                let part = outs[index]
                multiply(
                    gradient.pointer + part.lowerBound, transposingA: true, rowStrideA: out, by: input.pointer,
                    into: weightGradient + part.lowerBound * size, m: part.count, n: size, k: rows)
            } else if let inputGradient {
                let part = columns[index - outs.count]
                multiply(
                    gradient.pointer, by: weight + part.lowerBound, rowStrideB: size,
                    into: inputGradient.pointer + part.lowerBound, rowStrideC: size, m: rows, n: part.count, k: out)
            }
        }
        return inputGradient
    }
}
