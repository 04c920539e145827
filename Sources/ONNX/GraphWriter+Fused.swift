import Foundation
import NeuralNetwork

/// GPU operations: ONNX Runtime's contrib operators, and own ones where standard operators pass over memory repeatedly.
extension GraphWriter {
    /// Nil if the standard operator is a single pass already.
    func fusedActivation(_ node: Graph.Node, _ activation: Activation, _ x: Value, _ name: String) -> Value? {
        let (type, attributes): (String, [Attribute]) =
            switch activation {
            case .silu: ("QuickGelu", [.number("alpha", 1)])
            case .quickGELU: ("QuickGelu", [.number("alpha", 1.702)])
            case .gelu: ("Gelu", [])
            case .geluTanh: ("FastGelu", [])
            case .relu, .relu6, .sigmoid, .tanh, .hardSigmoid, .hardSwish: ("", [])
            }
        if type.isEmpty { return nil }
        return model.fused(type, [x], attributes, name: name)
    }

    /// Whether values of that shape are channels last, as GPUs and this program's operators need for images.
    func hasChannelsLast(_ shape: Graph.Shape) -> Bool {
        if case .image = shape { return model.target.hasPasses }
        return false
    }

    func channelsFirst(_ shape: Graph.Shape, _ x: Value, _ name: String) -> Value {
        guard hasChannelsLast(shape) else { return x }
        return model.node("Transpose", [x], [.integers("perm", [0, 3, 1, 2])], name: name)
    }

    func channelsLast(_ shape: Graph.Shape, _ x: Value, _ name: String) -> Value {
        guard hasChannelsLast(shape) else { return x }
        return model.node("Transpose", [x], [.integers("perm", [0, 2, 3, 1])], name: name)
    }

    // MARK: - Layers

    /// Writes a layer with its fused operations. Returns the value of the chain's end and, if any, its normalisation.
    func write(
        _ chain: LayerFolding.Chain, _ values: [Graph.NodeID: Value]
    ) throws -> (value: Value, normalized: Value?) {
        let node = graph.nodes[chain.layer.index]
        let x = values[node.inputs[0]]!
        let (weight, bias) = try LayerFolding.weights(node, chain.factors) { try self.values($0, $1) }
        guard model.target.hasPasses, node.shape.hasPasses else {
            return (try product(node, weight, bias, x), nil)
        }
        if model.target.hasProducts, let layer = product(of: node, weight, x) {
            return try write(layer, node, chain, bias, values)
        }
        return try write(rows: try productRows(node, weight, x), node, weight, chain, bias, values)
    }

    /// Writes the operations that follow a layer as one pass over its output.
    private func write(
        rows: Value, _ node: Graph.Node, _ weight: Tensor, _ chain: LayerFolding.Chain, _ bias: [Float]?,
        _ values: [Graph.NodeID: Value]
    ) throws -> (value: Value, normalized: Value?) {
        let name = prefix + node.name
        let mixed = try mixedBias(behind: node, weight)
        let isAlone = chain.residual == nil && chain.activation == nil && chain.normalization == nil
        if isAlone, bias == nil, mixed == nil { return (rows, nil) }
        var summands = bias ?? [Float](repeating: 0, count: node.shape.rowSize)
        if let mixed { summands = zip(summands, mixed).map { $0 + $1 } }
        let residual = chain.residual.map { [values[$0]!] } ?? []
        guard let normalization = chain.normalization else {
            let summand = try model.weight(name + ".summand", shape: [summands.count], summands)
            let result = model.pass(
                "Epilogue", [rows, summand] + residual,
                [.integer("activation", chain.activation.map(\.code) ?? 0)], name: name + ".finished", outputs: 1)
            annotate(result, node.shape)
            return (result[0], nil)
        }
        let results = try normalized(graph.nodes[normalization.index], rows, summands, residual, node.shape, outputs: 2)
        return (results[1], results[0])
    }

    /// A layer normalisation of rows plus per-channel summands plus residual, and that sum.
    func normalized(
        _ norm: Graph.Node, _ rows: Value, _ summands: [Float], _ residual: [Value], _ shape: Graph.Shape, outputs: Int
    ) throws -> [Value] {
        guard case .layerNormalization(let epsilon) = norm.operation else { preconditionFailure(norm.name) }
        let name = prefix + norm.name
        let summand = try model.weight(name + ".summand", shape: [summands.count], summands)
        let parameters = [try parameter(norm, 0), try parameter(norm, 1)]
        let results = model.pass(
            "Normalize", [rows, summand] + parameters + residual, [.number("epsilon", epsilon)], name: name + ".rows",
            outputs: outputs)
        annotate(results, shape)
        return results
    }

    /// A layer without its bias, channels last.
    private func productRows(_ node: Graph.Node, _ weight: Tensor, _ x: Value) throws -> Value {
        let name = prefix + node.name
        let weightName = prefix + graph.parameters[node.parameters[0]].name
        switch node.operation {
        case .convolution(let options):
            if let patches = try patchProduct(node, options, weight, x) { return patches }
            let own = weight.padded(channels: node.inputs[0].index == 0 ? inputWidth : nil)
            let kernel = try model.weight(weightName, shape: own.shape, own.values)
            return windowed("Conv", [x, kernel], node, options.attributes(), name + ".product")
        default:
            let kernel = try model.weight(weightName, shape: weight.shape.reversed(), weight.transposed.values)
            return model.node("MatMul", [x, kernel], name: name + ".product")
        }
    }

    /// A convolution with non-overlapping windows as a matrix product of patches.
    private func patchProduct(
        _ node: Graph.Node, _ options: Convolution, _ weight: Tensor, _ x: Value
    ) throws -> Value? {
        guard let patches = self.patches(node, options, x) else { return nil }
        let rows = weight.channelsLast
        let name = prefix + node.name
        let matrix = try model.weight(name + ".matrix", shape: rows.shape.reversed(), rows.transposed.values)
        return model.node("MatMul", [patches, matrix], name: name + ".product")
    }

    /// The windows of an image as rows `[batch, row, column, element]`, if they tile the image without overlap.
    func patches(_ node: Graph.Node, _ options: Convolution, _ x: Value) -> Value? {
        guard options.isOfPatches,
            case .image(let channels, let height, let width) = graph.nodes[node.inputs[0].index].shape, channels == 3,
            case .image(_, let rows, let columns) = node.shape
        else { return nil }
        let (name, kernel) = (prefix + node.name, options.window.kernel)
        guard rows * kernel.height == height, columns * kernel.width == width else { return nil }
        let apart = model.node(
            "Reshape", [x, model.integers([0, rows, kernel.height, columns, kernel.width * channels])],
            name: name + ".apart")
        let turned = model.node("Transpose", [apart], [.integers("perm", [0, 1, 3, 2, 4])], name: name + ".turned")
        let size = kernel.height * kernel.width * channels
        return model.node("Reshape", [turned, model.integers([0, rows, columns, size])], name: name + ".patches")
    }

    /// Adds shapes that ONNX Runtime cannot infer for this program's operators.
    func annotate(_ results: [Value], _ shape: Graph.Shape) {
        guard let batch else { return }
        for result in results {
            switch shape {
            case .image(let channels, let height, let width): model.annotate(result, [batch, height, width, channels])
            case .tokens(let count, let size): model.annotate(result, [batch, count, size])
            default: break
            }
        }
    }

    /// Global average pooling of an image of `shape` as a matrix product, which reads the image once at memory
    /// bandwidth. Returns an image of one pixel or a vector, as the node requires; nil for other nodes.
    func fusedMean(_ node: Graph.Node, of shape: Graph.Shape, _ x: Value) throws -> Value? {
        guard case .image(let channels, let height, let width) = shape, node.shape.size == channels else { return nil }
        let (name, pixels) = (prefix + node.name, height * width)
        let rows = model.node("Reshape", [x, model.integers([0, pixels, channels])], name: name + ".pixels")
        // Powers of two are exact in half precision, and partial sums stay as small as the mean.
        let exponent = min(14, Int(log2(Double(pixels)).rounded()))
        let share = [Float](repeating: Float(sign: .plus, exponent: -exponent, significand: 1), count: pixels)
        let ones = try model.weight(name + ".shares", shape: [1, 1, pixels], share)
        let sum = model.node("MatMul", [ones, rows], name: name + ".sum")
        let factor = Float(pow(2, Double(exponent)) / Double(pixels))
        let mean =
            factor == 1 ? sum : model.node("Mul", [sum, model.number(name + ".factor", factor)], name: name + ".mean")
        let isImage = if case .image = node.shape { true } else { false }
        return model.node("Reshape", [mean, model.integers((isImage ? [0, 1, 1] : [0]) + [channels])], name: name)
    }

    // MARK: - Attention

    /// Attention without materialised scores. `x`: the fused projection's input, or query, key and value together.
    func fusedAttention(_ node: Graph.Node, _ heads: Int, _ x: Value) throws -> Value {
        let (name, size) = (prefix + node.name, node.shape.rowSize)
        let made = graph.nodes[node.inputs[0].index]
        if model.target.hasAttention {
            let isTakenUp = folding.isProjection(node.inputs[0])
            return attention(node, heads, isTakenUp ? try productRows(made, x) : x)
        }
        guard folding.isProjection(node.inputs[0]) else {
            let parts = model.nodes(
                "Split", [x, model.integers([size, size, size])], [.integer("axis", -1)], name: name + ".split",
                outputs: 3)
            return model.fused("MultiHeadAttention", parts, [.integer("num_heads", heads)], name: name)
        }
        if model.target.hasProducts { return try productAttention(node, made, heads, x) }
        let parts = try zip(["query", "key", "value"], try values(made, 0).parts(3)).map { part, rows in
            let own = try model.weight("\(name).\(part).weight", shape: rows.shape.reversed(), rows.transposed.values)
            return model.node("MatMul", [x, own], name: "\(name).\(part)")
        }
        guard made.parameters.count > 1 else {
            return model.fused("MultiHeadAttention", parts, [.integer("num_heads", heads)], name: name)
        }
        guard model.target.hasPasses else {
            return model.fused(
                "MultiHeadAttention", parts + [try parameter(made, 1)], [.integer("num_heads", heads)], name: name)
        }
        // The keys' bias shifts all scores of a query equally and has no effect; the values' bias is moved to the next
        // layer: see `mixedBias`.
        let bias = try model.weight(name + ".query.bias", shape: [size], Array(try values(made, 1).values.prefix(size)))
        let query = model.pass(
            "Epilogue", [parts[0], bias], [.integer("activation", 0)], name: name + ".query.biased", outputs: 1)
        annotate(query, node.shape)
        return model.fused("MultiHeadAttention", query + parts.dropFirst(), [.integer("num_heads", heads)], name: name)
    }

    /// The attention values' bias after the next layer: the same for every token, as attention weights sum to one.
    private func mixedBias(behind node: Graph.Node, _ weight: Tensor) throws -> [Float]? {
        let attention = graph.nodes[node.inputs[0].index]
        guard case .selfAttention = attention.operation, folding.isProjection(attention.inputs[0]) else { return nil }
        let made = graph.nodes[attention.inputs[0].index]
        guard made.parameters.count > 1 else { return nil }
        let bias = try values(made, 1).values.suffix(attention.shape.rowSize).map(Double.init)
        return (0..<weight.shape[0]).map { row in
            Float(bias.indices.reduce(0) { $0 + Double(weight.values[row * bias.count + $1]) * bias[$1] })
        }
    }
}

extension Convolution {
    /// Whether the windows tile the image without overlap.
    var isOfPatches: Bool {
        groups == 1 && window.kernel == window.stride && window.leading == Extent(0) && window.trailing == Extent(0)
            && window.kernel != Extent(1) && window.dilation == Extent(1)
    }
}

extension Tensor {
    /// Splits into equal parts along the first axis.
    func parts(_ number: Int) -> [Tensor] {
        (0..<number).map { index in
            Tensor(
                shape: [shape[0] / number] + shape.dropFirst(),
                values: Array(values[index * count / number..<(index + 1) * count / number]))
        }
    }

    /// Filters `[out, in, height, width]` as a matrix `[out, height · width · in]`.
    var channelsLast: Tensor {
        guard shape.count == 4 else { return self }
        let (channels, area) = (shape[1], shape[2] * shape[3])
        var own = [Float](repeating: 0, count: count)
        for filter in 0..<shape[0] {
            for channel in 0..<channels {
                for place in 0..<area {
                    own[(filter * area + place) * channels + channel] =
                        values[(filter * channels + channel) * area + place]
                }
            }
        }
        return Tensor(shape: [shape[0], area * channels], values: own)
    }

    /// Filters `[out, in, height, width]` zero-padded to more input channels.
    func padded(channels wanted: Int?) -> Tensor {
        guard let wanted, shape.count == 4, shape[1] < wanted else { return self }
        let (filters, channels, area) = (shape[0], shape[1], shape[2] * shape[3])
        var own = [Float](repeating: 0, count: filters * wanted * area)
        for filter in 0..<filters {
            own.replaceSubrange(
                filter * wanted * area..<(filter * wanted + channels) * area,
                with: values[filter * channels * area..<(filter + 1) * channels * area])
        }
        return Tensor(shape: [filters, wanted, shape[2], shape[3]], values: own)
    }
}

extension Activation {
    /// The code in this program's operators.
    var code: Int {
        switch self {
        case .relu: 1
        case .relu6: 2
        case .silu: 3
        case .gelu: 4
        case .geluTanh: 5
        case .quickGELU: 6
        case .sigmoid: 7
        case .hardSwish: 8
        case .hardSigmoid: 9
        case .tanh: 10
        }
    }
}
