import NeuralNetwork

/// Convolutions, linear layers and pooling as this program's operators, channels last, with fused epilogues.
extension GraphWriter {
    struct Product {
        /// The input: images, or rows.
        let x: Value
        /// Filters in the operator's layout: see `Operators.c`.
        let weight: Tensor
        let attributes: [Attribute]
    }

    /// Nil if the operator does not support the node.
    func product(of node: Graph.Node, _ weight: Tensor, _ x: Value) -> Product? {
        guard case .convolution(let options) = node.operation else {
            return Product(x: x, weight: weight, attributes: [])
        }
        if let patches = patches(node, options, x) {
            return Product(x: patches, weight: weight.channelsLast, attributes: [])
        }
        let own = weight.padded(channels: node.inputs[0].index == 0 ? inputWidth : nil)
        let kernel = [own.shape[2], own.shape[3]]
        guard weight.shape[1] == 1, options.groups == weight.shape[0], options.groups > 1 else {
            // Few NVIDIA kernels support asymmetric padding.
            guard options.window.leading == options.window.trailing else { return nil }
            let rows = Tensor(shape: [own.shape[0]] + kernel + [own.shape[1]], values: own.channelsLast.values)
            return Product(x: x, weight: rows, attributes: options.productAttributes)
        }
        let matrix = Tensor(shape: [own.shape[0], kernel[0] * kernel[1]], values: own.values)
        return Product(
            x: x, weight: Tensor(shape: kernel + [own.shape[0]], values: matrix.transposed.values),
            attributes: options.productAttributes)
    }

    /// - Returns: the value of the chain's end, and of its normalisation if there is one.
    func write(
        _ layer: Product, _ node: Graph.Node, _ chain: LayerFolding.Chain, _ bias: [Float]?,
        _ values: [Graph.NodeID: Value]
    ) throws -> (value: Value, normalized: Value?) {
        let zeros = [Float](repeating: 0, count: node.shape.rowSize)
        let result = try write(
            layer, bias ?? zeros, chain.residual.map { values[$0]! }, chain.activation, node.shape,
            name: prefix + node.name)
        guard let normalization = chain.normalization else { return (result, nil) }
        return (result, try normalized(graph.nodes[normalization.index], result, zeros, [], node.shape, outputs: 1)[0])
    }

    private func write(
        _ layer: Product, _ bias: [Float], _ residual: Value?, _ activation: Activation?, _ shape: Graph.Shape,
        name: String
    ) throws -> Value {
        let inputs = [
            layer.x, try model.weight(name + ".filters", shape: layer.weight.shape, layer.weight.values),
            try model.weight(name + ".summand", shape: [bias.count], bias),
        ]
        let result = model.pass(
            "Product", inputs + (residual.map { [$0] } ?? []),
            layer.attributes + [.integer("activation", activation?.code ?? 0)], name: name + ".product", outputs: 1)
        annotate(result, shape)
        return result[0]
    }

    /// Max pooling, or average pooling if `countsPadding` is set.
    func pool(_ node: Graph.Node, _ window: Window, countsPadding: Bool?, _ x: Value) -> Value {
        guard model.target.hasProducts, hasChannelsLast(node.shape) else {
            let attributes = window.attributes(overFrames: shape(node.inputs[0]).isClip)
            guard let countsPadding else { return windowed("MaxPool", [x], node, attributes, prefix + node.name) }
            return windowed(
                "AveragePool", [x], node, attributes + [.integer("count_include_pad", countsPadding ? 1 : 0)],
                prefix + node.name)
        }
        let result = model.pass(
            "Pool", [x],
            window.productAttributes + [
                .integer("kernel_height", window.kernel.height), .integer("kernel_width", window.kernel.width),
                .integer("is_mean", countsPadding == nil ? 0 : 1),
                .integer("counts_padding", countsPadding == true ? 1 : 0),
            ],
            name: prefix + node.name, outputs: 1)
        annotate(result, node.shape)
        return result[0]
    }

    /// A linear layer without fused operations.
    func productRows(_ node: Graph.Node, _ x: Value) throws -> Value {
        let weight = try values(node, 0)
        let bias =
            node.parameters.count > 1 ? try values(node, 1).values : [Float](repeating: 0, count: weight.shape[0])
        return try write(
            Product(x: x, weight: weight, attributes: []), bias, nil, nil, node.shape, name: prefix + node.name)
    }

    /// Attention from rows of query, key and value concatenated.
    func attention(_ node: Graph.Node, _ heads: Int, _ x: Value) -> Value {
        let result = model.pass("Attention", [x], [.integer("heads", heads)], name: prefix + node.name, outputs: 1)
        annotate(result, node.shape)
        return result[0]
    }

    /// ONNX Runtime's attention, fused with the projection of query, key and value.
    func productAttention(_ node: Graph.Node, _ made: Graph.Node, _ heads: Int, _ x: Value) throws -> Value {
        let (name, size) = (prefix + node.name, node.shape.rowSize)
        let bias = made.parameters.count > 1 ? try values(made, 1).values : [Float](repeating: 0, count: 3 * size)
        let parts = try zip(["query", "key", "value"], try values(made, 0).parts(3)).enumerated().map { index, part in
            try write(
                Product(x: x, weight: part.1, attributes: []), Array(bias[index * size..<(index + 1) * size]), nil, nil,
                node.shape, name: "\(name).\(part.0)")
        }
        return model.fused("MultiHeadAttention", parts, [.integer("num_heads", heads)], name: name)
    }
}

extension Convolution {
    fileprivate var productAttributes: [Attribute] {
        window.productAttributes + [
            .integer("groups", groups), .integer("dilation_height", window.dilation.height),
            .integer("dilation_width", window.dilation.width),
        ]
    }
}

extension Window {
    fileprivate var productAttributes: [Attribute] {
        [
            .integer("stride_height", stride.height), .integer("stride_width", stride.width),
            .integer("top", leading.height), .integer("left", leading.width), .integer("bottom", trailing.height),
            .integer("right", trailing.width),
        ]
    }
}
