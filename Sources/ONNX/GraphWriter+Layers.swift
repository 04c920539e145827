import NeuralNetwork

extension GraphWriter {
    func batchNormalization(
        _ node: Graph.Node, _ epsilon: Float, _ hasScale: Bool, _ x: Value
    ) throws -> Value {
        if case .tokens = node.shape { return try scaled(node, epsilon, hasScale, x) }
        if hasChannelsLast(node.shape) { return try scaled(node, epsilon, hasScale, x) }
        var inputs = [x]
        if !hasScale {
            let count = graph.parameters[node.parameters[0]].count
            inputs.append(
                try model.weight(prefix + node.name + ".weight", shape: [count], [Float](repeating: 1, count: count)))
        }
        for index in node.parameters.indices { inputs.append(try parameter(node, index)) }
        return model.node("BatchNormalization", inputs, [.number("epsilon", epsilon)], name: prefix + node.name)
    }

    /// Batch normalisation of tokens (elements last; ONNX' operator has them second): a product and a sum.
    private func scaled(_ node: Graph.Node, _ epsilon: Float, _ hasScale: Bool, _ x: Value) throws -> Value {
        let numbers = try node.parameters.indices.map { try values(node, $0).values }
        let (bias, mean, variance) = (
            numbers[numbers.count - 3], numbers[numbers.count - 2], numbers[numbers.count - 1]
        )
        let factors = bias.indices.map { (hasScale ? numbers[0][$0] : 1) / (variance[$0] + epsilon).squareRoot() }
        let summands = bias.indices.map { bias[$0] - mean[$0] * factors[$0] }
        let name = prefix + node.name
        let factor = try model.weight(name + ".factor", shape: [factors.count], factors)
        let summand = try model.weight(name + ".summand", shape: [summands.count], summands)
        let product = model.node("Mul", [x, factor], name: name + ".scaled")
        return model.node("Add", [product, summand], name: name)
    }

    func activation(_ activation: Activation, _ x: Value, _ name: String) -> Value {
        switch activation {
        case .relu: return model.node("Relu", [x], name: name)
        case .sigmoid: return model.node("Sigmoid", [x], name: name)
        case .tanh: return model.node("Tanh", [x], name: name)
        case .silu:
            let gate = model.node("Sigmoid", [x], name: name + ".gate")
            return model.node("Mul", [x, gate], name: name)
        case .relu6:
            let limits = [model.number(name + ".least", 0), model.number(name + ".most", 6)]
            return model.node("Clip", [x] + limits, name: name)
        case .hardSigmoid:
            return model.node("HardSigmoid", [x], [.number("alpha", 1 / 6), .number("beta", 0.5)], name: name)
        case .hardSwish: return model.node("HardSwish", [x], name: name)
        case .gelu:
            let scaled = model.node(
                "Mul", [x, model.number(name + ".root", Float(0.5).squareRoot())], name: name + ".scaled")
            let error = model.node("Erf", [scaled], name: name + ".erf")
            return half(x, error, name)
        case .geluTanh:
            let square = model.node("Mul", [x, x], name: name + ".square")
            let cube = model.node("Mul", [square, x], name: name + ".cube")
            let small = model.node("Mul", [cube, model.number(name + ".factor", 0.044715)], name: name + ".small")
            let sum = model.node("Add", [x, small], name: name + ".sum")
            let root = model.number(name + ".root", (2 / Float.pi).squareRoot())
            let scaled = model.node("Mul", [sum, root], name: name + ".scaled")
            return half(x, model.node("Tanh", [scaled], name: name + ".tanh"), name)
        case .quickGELU:
            let scaled = model.node("Mul", [x, model.number(name + ".factor", 1.702)], name: name + ".scaled")
            let gate = model.node("Sigmoid", [scaled], name: name + ".gate")
            return model.node("Mul", [x, gate], name: name)
        }
    }

    /// x · (1 + y) / 2.
    private func half(_ x: Value, _ y: Value, _ name: String) -> Value {
        let one = model.node("Add", [y, model.number(name + ".one", 1)], name: name + ".more")
        let product = model.node("Mul", [x, one], name: name + ".twice")
        return model.node("Mul", [product, model.number(name + ".half", 0.5)], name: name)
    }

    /// A convolution or linear layer with the given weights.
    func product(_ node: Graph.Node, _ weight: Tensor, _ bias: [Float]?, _ x: Value) throws -> Value {
        let name = prefix + node.name
        let weightName = prefix + graph.parameters[node.parameters[0]].name
        let biasName = node.parameters.count > 1 ? prefix + graph.parameters[node.parameters[1]].name : name + ".shift"
        func inputs(shape: [Int]? = nil) throws -> [Value] {
            let first = try model.weight(weightName, shape: shape ?? weight.shape, weight.values)
            return try [x, first] + (bias.map { [try model.weight(biasName, shape: [$0.count], $0)] } ?? [])
        }
        if case .convolution(let options) = node.operation {
            return model.node(
                "Conv", try inputs(), options.attributes(overFrames: shape(node.inputs[0]).isClip), name: name)
        }
        switch node.shape {
        case .image, .clip:
            let ones = [Int](repeating: 1, count: shape(node.inputs[0]).isClip ? 3 : 2)
            return model.node("Conv", try inputs(shape: weight.shape + ones), name: name)
        case .vector where !isFramewise: return model.node("Gemm", try inputs(), [.integer("transB", 1)], name: name)
        case .sequence, .tokens, .vector:
            let inputs = try inputs()
            let turned = model.node("Transpose", [inputs[1]], [.integers("perm", [1, 0])], name: name + ".turned")
            let product = model.node("MatMul", [x, turned], name: bias != nil ? name + ".product" : name)
            return bias != nil ? model.node("Add", [product, inputs[2]], name: name) : product
        }
    }

    func layerNormalization(_ node: Graph.Node, _ epsilon: Float, _ x: Value) throws -> Value {
        let name = prefix + node.name
        let parameters = [try parameter(node, 0), try parameter(node, 1)]
        let attributes: [Attribute] = [.integer("axis", -1), .number("epsilon", epsilon)]
        guard case .image = node.shape, !hasChannelsLast(node.shape) else {
            return model.node("LayerNormalization", [x] + parameters, attributes, name: name)
        }
        let rows = model.node("Transpose", [x], [.integers("perm", [0, 2, 3, 1])], name: name + ".rows")
        let normal = model.node("LayerNormalization", [rows] + parameters, attributes, name: name + ".normal")
        return model.node("Transpose", [normal], [.integers("perm", [0, 3, 1, 2])], name: name)
    }

    /// As an instance normalisation of groups, because operator set 17 has no group normalisation.
    func groupNormalization(_ node: Graph.Node, _ groups: Int, _ epsilon: Float, _ x: Value) throws -> Value {
        let name = prefix + node.name
        guard case .image(let channels, let height, let width) = node.shape else { preconditionFailure(name) }
        let first = channelsFirst(node.shape, x, name + ".first")
        let parts = model.node("Reshape", [first, model.integers([0, groups, -1])], name: name + ".groups")
        let ones = try model.weight(name + ".ones", shape: [groups], [Float](repeating: 1, count: groups))
        let zeros = try model.weight(name + ".zeros", shape: [groups], [Float](repeating: 0, count: groups))
        let normal = model.node(
            "InstanceNormalization", [parts, ones, zeros], [.number("epsilon", epsilon)], name: name + ".normal")
        let image = model.node(
            "Reshape", [normal, model.integers([0, channels, height, width])], name: name + ".image")
        let last = channelsLast(node.shape, image, name)
        let weighted = model.node("Mul", [last, try self.channels(node, 0)], name: name + ".weighted")
        return model.node("Add", [weighted, try self.channels(node, 1)], name: name)
    }

    func responseNormalization(_ node: Graph.Node, _ epsilon: Float, _ x: Value) throws -> Value {
        let name = prefix + node.name
        let axes = hasChannelsLast(node.shape) ? [1, 2] : [2, 3]
        let lengths = model.reduce("ReduceL2", x, axes: axes, keeps: true, name: name + ".lengths")
        let mean = model.reduce(
            "ReduceMean", lengths, axes: [channelAxis(node.shape)], keeps: true, name: name + ".mean")
        let divisor = model.node("Add", [mean, model.number(name + ".epsilon", epsilon)], name: name + ".divisor")
        let share = model.node("Div", [lengths, divisor], name: name + ".share")
        let scaled = model.node("Mul", [x, share], name: name + ".scaled")
        let weighted = model.node("Mul", [scaled, try channels(node, 0)], name: name + ".weighted")
        let shifted = model.node("Add", [weighted, try channels(node, 1)], name: name + ".shifted")
        return model.node("Add", [x, shifted], name: name)
    }
}

extension Convolution {
    /// Attributes of the standard operator, with frames first if there are any.
    func attributes(overFrames: Bool = false) -> [Attribute] {
        let dilation = window.dilation
        let apart = dilation == Extent(1) ? [] : [Attribute.integers("dilations", [dilation.height, dilation.width])]
        return window.attributes(overFrames: overFrames) + [.integer("group", groups)] + apart
    }
}

extension Window {
    var isUnpadded: Bool { leading == Extent(0) && trailing == Extent(0) }

    /// With frames first if there are any.
    func attributes(overFrames: Bool) -> [Attribute] {
        func sizes(_ frames: Int, _ extent: Extent) -> [Int] {
            (overFrames ? [frames] : []) + [extent.height, extent.width]
        }
        return [
            .integers("kernel_shape", sizes(time.kernel, kernel)), .integers("strides", sizes(time.stride, stride)),
            .integers("pads", sizes(time.leading, leading) + sizes(time.trailing, trailing)),
        ]
    }
}
