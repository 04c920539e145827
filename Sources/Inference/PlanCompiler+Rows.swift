import COneDNN
import NeuralNetwork

/// Row operations: layer normalisation, and operations without a oneDNN primitive. All need channels last.
extension PlanCompiler {
    mutating func compile(_ name: String, _ epsilon: Float, _ parameters: [Int], input: Int, output: Int) throws {
        let shape = shapes[input]
        let source = try channelsLast(input, element, name)
        let layout = try Layout([batch * shape.pixels, shape.channels], ONEDNN_PLAIN, element)
        let primitive = try Primitive(name) {
            onednn_layer_normalization_create(context.handle, layout.handle, epsilon, $0)
        }
        let table = PackedWeights.TableRequest(name: name, parameters: parameters) { $0.flatMap(\.values) }
        append(primitive, source, layout: source.layout, table: table, output: output)
    }

    mutating func compile(
        _ name: String, _ operation: RowOperation, _ parameters: [Int], input: Int, output: Int
    ) throws {
        let source = try channelsLast(input, ONEDNN_F32, name)
        if case .attention(let heads) = operation, quantization?.attendsInBytes == true, shapes[output].pixels > 1 {
            return try attend(name, heads, source, input: input, output: output)
        }
        let kernel = RowKernel(operation: operation, batch: batch, from: shapes[input], to: shapes[output])
        // Position embeddings depend on the image size.
        let shape = shapes[output]
        let key = "\(name) \(shape.height)×\(shape.width)"
        let table = PackedWeights.TableRequest(name: key, parameters: parameters, make: operation.table)
        append(
            kernel.kernel(name), source, layout: try layout(output, ONEDNN_CHANNELS_LAST, ONEDNN_F32), table: table,
            output: output)
    }

    /// int8 attention; the output is int8 too if its readers are.
    private mutating func attend(_ name: String, _ heads: Int, _ source: Placed, input: Int, output: Int) throws {
        let qparams = storedQParams(output)
        let attention = ByteAttention(
            name, heads: heads, batch: batch, from: shapes[input], to: shapes[output], qparams)
        let layout = try layout(output, ONEDNN_CHANNELS_LAST, qparams?.element ?? ONEDNN_F32)
        append(attention.kernel, source, layout: layout, qparams: qparams, output: output)
        observeLast(layout, output, qparams: qparams)
    }
}

extension RowOperation {
    /// The table that the kernel reads, computed from the parameters.
    fileprivate func table(_ parameters: [Tensor]) -> [Float] {
        switch self {
        case .tokens(let table): withPointers(parameters.map(\.values)) { table.values($0) }
        case .latentAttention: LatentQuery.forward(parameters.map(\.values))
        case .attention, .mean, .slice, .gather, .function, .responseNormalization, .groupNormalization:
            parameters.flatMap(\.values)
        }
    }
}

/// Calls `body` with the start of each array.
func withPointers<Result>(
    _ arrays: [[Float]], _ pointers: [UnsafePointer<Float>] = [], _ body: ([UnsafePointer<Float>]) -> Result
) -> Result {
    guard let first = arrays.first else { return body(pointers) }
    return first.withUnsafeBufferPointer { buffer in
        guard let start = buffer.baseAddress else { return withPointers(Array(arrays.dropFirst()), pointers, body) }
        return withPointers(Array(arrays.dropFirst()), pointers + [start], body)
    }
}

/// The query of attention pooling: latent · Wᵀ + b.
package enum LatentQuery {
    /// - Parameter parameters: latent `[size]`, weight `[size, size]`, bias `[size]`.
    package static func forward(_ parameters: [[Float]]) -> [Float] {
        let (latent, weight, bias) = (parameters[0], parameters[1], parameters[2])
        return bias.indices.map { row in
            latent.indices.reduce(bias[row]) { $0 + weight[row * latent.count + $1] * latent[$1] }
        }
    }
}
