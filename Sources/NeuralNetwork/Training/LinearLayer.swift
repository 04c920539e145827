/// y = x·Wᵀ + b on rows. W is `[out, in]`, b `[out]`.
enum LinearLayer {
    /// - Returns: `[row, out]`.
    static func forward(
        _ input: Matrix, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, out: Int, _ parallel: Parallel
    ) -> Matrix {
        let size = input.columns
        let chunks = Parallel.halves(input.rows)
        let output = Matrix(input.rows, out)
        parallel.run(chunks.count) { index in
            let chunk = chunks[index]
            let target = output.pointer + chunk.lowerBound * out
            broadcast(bias, into: target, count: chunk.count, size: out)
            multiply(
                input.pointer + chunk.lowerBound * size, by: weight, transposingB: true, into: target, m: chunk.count,
                n: out, k: size, beta: 1)
        }
        return output
    }

    /// Writes the parameters' gradients.
    ///
    /// - Returns: the gradient of the input, where it is wanted.
    static func backward(
        _ gradient: Matrix, input: Matrix, weight: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>,
        biasGradient: UnsafeMutablePointer<Float>, wantsInput: Bool, _ parallel: Parallel
    ) -> Matrix? {
        let (rows, size, out) = (input.rows, input.columns, gradient.columns)
        let (outs, chunks) = (Parallel.halves(out), Parallel.halves(rows))
        let inputGradient = wantsInput ? Matrix(rows, size) : nil
        sumColumns(gradient.pointer, count: rows, size: out, into: biasGradient)
        parallel.run(outs.count + (wantsInput ? chunks.count : 0)) { index in
            if index < outs.count {
                let part = outs[index]
                multiply(
                    gradient.pointer + part.lowerBound, transposingA: true, rowStrideA: out, by: input.pointer,
                    into: weightGradient + part.lowerBound * size, m: part.count, n: size, k: rows)
            } else if let inputGradient {
                let chunk = chunks[index - outs.count]
                multiply(
                    gradient.pointer + chunk.lowerBound * out, by: weight,
                    into: inputGradient.pointer + chunk.lowerBound * size, m: chunk.count, n: size, k: out)
            }
        }
        return inputGradient
    }
}
