/// y = x·Wᵀ + b on rows. W is `[out, in]`, b `[out]`.
enum LinearLayer {
    /// - Returns: `[row, out]`.
    static func forward(_ input: Tensor, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, out: Int) -> Tensor {
        let (rows, size) = (input.shape[0], input.shape[1])
        var output = Tensor(shape: [rows, out])
        output.values.withUnsafeMutableBufferPointer { y in
            input.values.withUnsafeBufferPointer { x in
                broadcast(bias, into: y.baseAddress!, count: rows, size: out)
                multiply(
                    x.baseAddress!, by: weight, transposingB: true, into: y.baseAddress!, m: rows, n: out, k: size,
                    beta: 1)
            }
        }
        return output
    }

    /// Adds to the parameters' gradients.
    ///
    /// - Returns: the gradient of the input, where it is wanted.
    static func backward(
        _ gradient: Tensor, input: Tensor, weight: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>,
        biasGradient: UnsafeMutablePointer<Float>, wantsInput: Bool
    ) -> Tensor? {
        let (rows, size, out) = (input.shape[0], input.shape[1], gradient.shape[1])
        return gradient.values.withUnsafeBufferPointer { dy in
            input.values.withUnsafeBufferPointer { x in
                multiply(
                    dy.baseAddress!, transposingA: true, by: x.baseAddress!, into: weightGradient, m: out, n: size,
                    k: rows,
                    beta: 1)
            }
            addColumns(dy.baseAddress!, count: rows, size: out, to: biasGradient)
            guard wantsInput else { return nil }
            var inputGradient = Tensor(shape: [rows, size])
            inputGradient.values.withUnsafeMutableBufferPointer { dx in
                multiply(dy.baseAddress!, by: weight, into: dx.baseAddress!, m: rows, n: size, k: out)
            }
            return inputGradient
        }
    }
}
