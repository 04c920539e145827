import CElementwise
import Inference
import NeuralNetwork

extension Matrix {
    func inRows(of size: Int) -> Matrix {
        precondition(count % size == 0)
        return Matrix(sharing: self, rows: count / size, columns: size)
    }
}

/// A learned factor per channel.
enum ChannelFactorLayer {
    static func forward(_ input: Matrix, factors: UnsafePointer<Float>, channels: Int) -> Matrix {
        input.mapChannels(channels) { $0 * factors[$1] }
    }

    /// - `target`: receives the gradient of the factors, if it is needed.
    static func backward(
        _ gradient: Matrix, input: Matrix, factors: UnsafePointer<Float>, target: UnsafeMutablePointer<Float>?,
        channels: Int
    ) -> Matrix {
        if let target {
            target.update(repeating: 0, count: channels)
            for start in stride(from: 0, to: input.count, by: channels) {
                for channel in 0..<channels {
                    target[channel] += gradient.pointer[start + channel] * input.pointer[start + channel]
                }
            }
        }
        return forward(gradient, factors: factors, channels: channels)
    }
}

/// Global response normalisation: y = x + b + w · x · n with n = ‖x‖ / (mean ‖x‖ + ε) for each channel of each image.
struct ResponseNormalizationLayer {
    let channels: Int
    let epsilon: Float

    /// - Returns: the output, and ‖x‖ `[image, channel]`.
    func forward(
        _ input: Matrix, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>
    ) -> (output: Matrix, lengths: Matrix) {
        let (output, lengths) = (Matrix(input.rows, input.columns), Matrix(input.rows, channels))
        for row in 0..<input.rows {
            elementwise_response_normalization(
                input.columns / channels, channels, epsilon, weight, bias, input.pointer + row * input.columns,
                output.pointer + row * input.columns, lengths.pointer + row * channels)
        }
        return (output, lengths)
    }

    func backward(
        _ gradient: Matrix, input: Matrix, lengths: Matrix, weight: UnsafePointer<Float>,
        weightGradient: UnsafeMutablePointer<Float>, biasGradient: UnsafeMutablePointer<Float>
    ) -> Matrix {
        let result = Matrix(input.rows, input.columns)
        weightGradient.update(repeating: 0, count: channels)
        biasGradient.update(repeating: 0, count: channels)
        let products = FloatBuffer(channels)
        for row in 0..<input.rows {
            let (x, dy) = (input.pointer + row * input.columns, gradient.pointer + row * input.columns)
            let (dx, length) = (result.pointer + row * input.columns, lengths.pointer + row * channels)
            let mean = (0..<channels).reduce(Float(0)) { $0 + length[$1] } / Float(channels) + epsilon
            let pixels = input.columns / channels
            // Sums of dy · x over the pixels.
            products.pointer.update(repeating: 0, count: channels)
            for pixel in 0..<pixels {
                for channel in 0..<channels {
                    products.pointer[channel] += dy[pixel * channels + channel] * x[pixel * channels + channel]
                    biasGradient[channel] += dy[pixel * channels + channel]
                }
            }
            var shared: Float = 0
            for channel in 0..<channels {
                weightGradient[channel] += products.pointer[channel] * length[channel] / mean
                shared += weight[channel] * products.pointer[channel] * length[channel]
            }
            shared /= mean * mean * Float(channels)
            for channel in 0..<channels {
                let n = length[channel] / mean
                // Through ‖x‖ of the channel itself, and through the mean over channels.
                let slope = weight[channel] * products.pointer[channel] / mean - shared
                let factor = length[channel] > 0 ? slope / length[channel] : 0
                for pixel in 0..<pixels {
                    let place = pixel * channels + channel
                    dx[place] = dy[place] * (1 + weight[channel] * n) + factor * x[place]
                }
            }
        }
        return result
    }
}

/// Prepended tokens, and position embeddings.
struct TokenLayer {
    let table: TokenTable

    func forward(_ input: Matrix, _ parameters: [UnsafePointer<Float>]) -> Matrix {
        let values = table.values(parameters)
        let prefix = table.embedding.prefix * table.size
        let output = Matrix(input.rows, values.count)
        for row in 0..<input.rows {
            let (target, source) = (output.pointer + row * values.count, input.pointer + row * input.columns)
            for index in 0..<prefix { target[index] = values[index] }
            for index in 0..<input.columns { target[prefix + index] = source[index] + values[prefix + index] }
        }
        return output
    }

    func backward(_ gradient: Matrix, into targets: [UnsafeMutablePointer<Float>?]) -> Matrix {
        let sums = FloatBuffer(gradient.columns)
        sumColumns(gradient.pointer, count: gradient.rows, size: gradient.columns, into: sums.pointer)
        table.backward(sums.pointer, into: targets)
        return TokenSlice.forward(
            gradient, from: table.embedding.prefix * table.size,
            count: gradient.columns - table.embedding.prefix * table.size)
    }
}

/// Selects a range of each image's elements.
enum TokenSlice {
    static func forward(_ input: Matrix, from first: Int, count: Int) -> Matrix {
        let output = Matrix(input.rows, count)
        for row in 0..<input.rows {
            (output.pointer + row * count).update(from: input.pointer + row * input.columns + first, count: count)
        }
        return output
    }

    /// - `columns`: elements of an image before slicing.
    static func backward(_ gradient: Matrix, from first: Int, columns: Int) -> Matrix {
        let result = Matrix(gradient.rows, columns, 0)
        for row in 0..<gradient.rows {
            (result.pointer + row * columns + first).update(
                from: gradient.pointer + row * gradient.columns, count: gradient.columns)
        }
        return result
    }
}

/// Attention between the tokens of each image. Rows are query, key and value concatenated. The backward pass recomputes
/// the attention weights, one head at a time.
struct TokenAttentionLayer {
    let heads: Int
    let size: Int
    /// Whether a token attends only to itself and earlier tokens.
    var isCausal = false

    private func attention(_ input: Matrix) -> TokenAttention {
        TokenAttention(heads: heads, size: size, count: input.columns / (3 * size), isCausal: isCausal)
    }

    /// - Parameter input: `[image, token · 3 · size]`.
    func forward(_ input: Matrix) -> Matrix {
        let attention = attention(input)
        let output = Matrix(input.rows, attention.count * size)
        let scores = FloatBuffer(TokenAttention.scratch(queries: attention.count, keys: attention.count))
        for row in 0..<input.rows {
            attention.forward(
                input.pointer + row * input.columns, queries: attention.count,
                into: output.pointer + row * output.columns, scratch: scores.pointer)
        }
        return output
    }

    func backward(_ gradient: Matrix, input: Matrix) -> Matrix {
        let attention = attention(input)
        let (count, width) = (attention.count, size / heads)
        let result = Matrix(input.rows, input.columns)
        let (weights, slopes) = (FloatBuffer(count * count), FloatBuffer(count * count))
        for row in 0..<input.rows {
            for head in 0..<heads {
                let own = input.pointer + row * input.columns + head * width
                let target = result.pointer + row * input.columns + head * width
                let dy = gradient.pointer + row * gradient.columns + head * width
                attention.weights(own, rows: count, own + size, into: weights.pointer)
                // Gradients of the values, then of the scores, then of queries and keys.
                multiply(
                    weights.pointer, transposingA: true, by: dy, rowStrideB: size, into: target + 2 * size,
                    rowStrideC: 3 * size, m: count, n: width, k: count)
                multiply(
                    dy, rowStrideA: size, by: own + 2 * size, transposingB: true, rowStrideB: 3 * size,
                    into: slopes.pointer, m: count, n: count, k: width)
                for query in 0..<count {
                    softmaxBackward(
                        slopes.pointer + query * count, weights.pointer + query * count, count: count,
                        factor: 1 / Float(width).squareRoot())
                }
                multiply(
                    slopes.pointer, by: own + size, rowStrideB: 3 * size, into: target, rowStrideC: 3 * size, m: count,
                    n: width, k: count)
                multiply(
                    slopes.pointer, transposingA: true, by: own, rowStrideB: 3 * size, into: target + size,
                    rowStrideC: 3 * size, m: count, n: width, k: count)
            }
        }
        return result
    }
}

/// Attention pooling of the tokens of each image with one learned query.
struct LatentAttentionLayer {
    let heads: Int
    let size: Int

    /// `input`: `[image, token · 2 · size]`: key, value. `parameters`: latent, weight, bias.
    func forward(_ input: Matrix, _ parameters: [UnsafePointer<Float>]) -> Matrix {
        let attention = TokenAttention(heads: heads, size: size, count: input.columns / (2 * size))
        let query = query(parameters)
        let (output, scores) = (Matrix(input.rows, size), FloatBuffer(attention.count))
        for row in 0..<input.rows {
            attention.pool(
                input.pointer + row * input.columns, query: query.pointer, into: output.pointer + row * size,
                scratch: scores.pointer)
        }
        return output
    }

    private func query(_ parameters: [UnsafePointer<Float>]) -> FloatBuffer {
        let query = FloatBuffer(size)
        query.pointer.update(from: parameters[2], count: size)
        multiply(
            parameters[0], by: parameters[1], transposingB: true, into: query.pointer, m: 1, n: size, k: size, beta: 1)
        return query
    }

    func backward(
        _ gradient: Matrix, input: Matrix, _ parameters: [UnsafePointer<Float>],
        into targets: [UnsafeMutablePointer<Float>?]
    ) -> Matrix {
        let attention = TokenAttention(heads: heads, size: size, count: input.columns / (2 * size))
        let (count, width) = (attention.count, size / heads)
        let query = query(parameters)
        let result = Matrix(input.rows, input.columns)
        let (weights, slopes, ofQuery) = (FloatBuffer(count), FloatBuffer(count), FloatBuffer(size, 0))
        for row in 0..<input.rows {
            for head in 0..<heads {
                let key = input.pointer + row * input.columns + head * width
                let target = result.pointer + row * input.columns + head * width
                let dy = gradient.pointer + row * size + head * width
                attention.latentWeights(key, query.pointer + head * width, into: weights.pointer)
                multiply(
                    dy, by: key + size, transposingB: true, rowStrideB: 2 * size, into: slopes.pointer, m: 1, n: count,
                    k: width)
                softmaxBackward(slopes.pointer, weights.pointer, count: count, factor: 1 / Float(width).squareRoot())
                multiply(
                    slopes.pointer, by: key, rowStrideB: 2 * size, into: ofQuery.pointer + head * width, m: 1, n: width,
                    k: count, beta: 1)
                for token in 0..<count {
                    for index in 0..<width {
                        target[token * 2 * size + index] = slopes.pointer[token] * query.pointer[head * width + index]
                        target[token * 2 * size + size + index] = weights.pointer[token] * dy[index]
                    }
                }
            }
        }
        if let latent = targets[0] {
            multiply(ofQuery.pointer, by: parameters[1], into: latent, m: 1, n: size, k: size)
        }
        if let weight = targets[1] {
            multiply(ofQuery.pointer, transposingA: true, by: parameters[0], into: weight, m: size, n: size, k: 1)
        }
        targets[2]?.update(from: ofQuery.pointer, count: size)
        return result
    }
}
