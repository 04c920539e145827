/// Builds a `Graph` node by node and infers shapes.
///
/// A builder function reads like the published network:
///
/// ```swift
/// var builder = GraphBuilder()
/// let image = builder.input(.image(channels: 3, height: 224, width: 224))
/// let stem = builder.convolution("conv1", image, Convolution(outChannels: 64, window: window))
/// ```
package struct GraphBuilder {
    package typealias NodeID = Graph.NodeID
    private var graph = Graph()

    package init() {}

    /// Returns the finished graph. Mutating, so that nodes created in the call's own arguments are part of it.
    package mutating func build(outputs: [String: NodeID]) -> Graph {
        var result = graph
        result.outputs = outputs
        return result
    }

    package func shape(of node: NodeID) -> Graph.Shape { graph[node].shape }

    package mutating func input(_ shape: Graph.Shape, name: String = "input") -> NodeID {
        append(name, .input, [], shape)
    }

    /// Convolution of an image or of frames, with Kaiming initialisation unless `initializer` is given.
    package mutating func convolution(
        _ name: String, _ input: NodeID, _ options: Convolution, initializer: Graph.Initializer? = nil
    ) -> NodeID {
        let channels = image(input).channels
        precondition(channels % options.groups == 0, "\(name): \(channels) channels in \(options.groups) groups")
        let kernel = options.window.kernel
        let sides = (shape(of: input).isClip ? [options.window.time.kernel] : []) + [kernel.height, kernel.width]
        let perGroup = channels / options.groups
        let fanIn = perGroup * sides.reduce(1, *)
        var parameters = [
            parameter(name + ".weight", [options.outChannels, perGroup] + sides, initializer ?? .he(fanIn: fanIn))
        ]
        if options.hasBias { parameters.append(parameter(name + ".bias", [options.outChannels], .fan(fanIn))) }
        let output = slid(options.window, over: input, channels: options.outChannels)
        return append(name, .convolution(options), [input], output, parameters)
    }

    /// Batch normalisation with running statistics. `scale` is the centre of the random weights: residual branches end
    /// below 1 so that deep untrained networks keep their activations in range.
    package mutating func batchNormalization(
        _ name: String, _ input: NodeID, epsilon: Float, scale: Float = 1, hasScale: Bool = true
    ) -> NodeID {
        let channels = image(input).channels
        var parameters: [Int] = []
        if hasScale {
            parameters.append(parameter(name + ".weight", [channels], .init(centre: scale, spread: scale / 5)))
        }
        parameters += [
            parameter(name + ".bias", [channels], .init(spread: 0.1)),
            parameter(name + ".running_mean", [channels], .init(spread: 0.1), isTrainable: false),
            parameter(name + ".running_var", [channels], .init(centre: 1, spread: 0.3), isTrainable: false),
        ]
        return append(
            name, .batchNormalization(epsilon: epsilon, hasScale: hasScale), [input], shape(of: input), parameters)
    }

    package mutating func activation(_ activation: Activation, _ input: NodeID) -> NodeID {
        append(graph[input].name + "." + activation.rawValue, .activation(activation), [input], shape(of: input))
    }

    package mutating func add(_ name: String, _ first: NodeID, _ second: NodeID) -> NodeID {
        precondition(shape(of: first) == shape(of: second), "\(name): \(shape(of: first)) + \(shape(of: second))")
        return append(name, .add, [first, second], shape(of: first))
    }

    package mutating func scaleChannels(_ name: String, _ input: NodeID, by factors: NodeID) -> NodeID {
        precondition(shape(of: factors) == .image(channels: image(input).channels, height: 1, width: 1), name)
        return append(name, .scaleChannels, [input, factors], shape(of: input))
    }

    package mutating func concatenation(_ name: String, _ inputs: [NodeID]) -> NodeID {
        precondition((2...8).contains(inputs.count), name)
        let channels = inputs.reduce(0) { $0 + image($1).channels }
        let joined = shape(of: inputs[0]).with(rowSize: channels)
        precondition(inputs.allSatisfy { shape(of: $0).with(rowSize: channels) == joined }, name)
        return append(name, .concatenation, inputs, joined)
    }

    package mutating func flatten(_ name: String, _ input: NodeID) -> NodeID {
        append(name, .flatten, [input], .vector(shape(of: input).size))
    }

    package mutating func maxPooling(_ name: String, _ input: NodeID, _ window: Window) -> NodeID {
        append(name, .maxPooling(window), [input], slid(window, over: input, channels: image(input).channels))
    }

    /// Average pooling; `countsPadding` includes the padding in the divisor, as PyTorch's `count_include_pad`.
    package mutating func averagePooling(
        _ name: String, _ input: NodeID, _ window: Window, countsPadding: Bool
    ) -> NodeID {
        append(
            name, .averagePooling(window, countsPadding: countsPadding), [input],
            slid(window, over: input, channels: image(input).channels))
    }

    package mutating func globalAveragePooling(_ name: String, _ input: NodeID) -> NodeID {
        append(name, .globalAveragePooling, [input], .vector(image(input).channels))
    }

    package mutating func linear(_ name: String, _ input: NodeID, out: Int, hasBias: Bool = true) -> NodeID {
        let size = shape(of: input).rowSize
        var parameters = [parameter(name + ".weight", [out, size], .fan(size))]
        if hasBias { parameters.append(parameter(name + ".bias", [out], .fan(size))) }
        return append(name, .linear(out: out), [input], shape(of: input).with(rowSize: out), parameters)
    }

    package mutating func dropout(_ name: String, _ input: NodeID, rate: Float) -> NodeID {
        append(name, .dropout(rate: rate), [input], shape(of: input))
    }

    package mutating func sequenceMean(_ name: String, _ input: NodeID) -> NodeID {
        append(name, .sequenceMean, [input], .vector(shape(of: input).size))
    }

    package mutating func unitLength(_ name: String, _ input: NodeID) -> NodeID {
        append(name, .unitLength, [input], shape(of: input))
    }

    package mutating func sequenceMax(_ name: String, _ input: NodeID) -> NodeID {
        append(name, .sequenceMax, [input], .vector(shape(of: input).size))
    }

    package mutating func attentionPooling(_ name: String, _ input: NodeID, scores: NodeID) -> NodeID {
        precondition(shape(of: scores) == .sequence(1), name)
        return append(name, .attentionPooling, [input, scores], .vector(shape(of: input).size))
    }

    package mutating func positions(_ name: String, _ input: NodeID, maximum: Int) -> NodeID {
        let size = shape(of: input).size
        let table = parameter(name, [maximum, size], .init(spread: 0.02))
        return append(name, .positions(maximum: maximum), [input], shape(of: input), [table])
    }

    /// Multi-head self-attention between steps with its projections, named as in `torch.nn.MultiheadAttention`.
    package mutating func selfAttention(_ name: String, _ input: NodeID, heads: Int) -> NodeID {
        let size = shape(of: input).rowSize
        precondition(size % heads == 0, "\(name): \(size) elements for \(heads) heads")
        let parameters = [
            parameter(name + ".in_proj_weight", [3 * size, size], .fan(size)),
            parameter(name + ".in_proj_bias", [3 * size], .init(spread: 0)),
        ]
        let projected = append(name + ".in_proj", .linear(out: 3 * size), [input], .sequence(3 * size), parameters)
        let mixed = append(name, .selfAttention(heads: heads), [projected], .sequence(size))
        return linear(name + ".out_proj", mixed, out: size)
    }

    /// Layer normalisation over each step, token or pixel, or over the vector. `spread`: half the range of random
    /// scales around 1; twice that of random shifts around 0.
    package mutating func layerNormalization(
        _ name: String, _ input: NodeID, epsilon: Float = 1e-5, spread: Float = 0
    ) -> NodeID {
        let size = shape(of: input).rowSize
        let parameters = [
            parameter(name + ".weight", [size], .init(centre: 1, spread: spread)),
            parameter(name + ".bias", [size], .init(spread: spread / 2)),
        ]
        return append(name, .layerNormalization(epsilon: epsilon), [input], shape(of: input), parameters)
    }

    /// A convolutional LSTM over the graph's input, a sequence of maps `[height, width, channel]`.
    package mutating func convolutionalRecurrent(
        _ name: String, _ input: NodeID, _ options: ConvolutionalRecurrence
    ) -> NodeID {
        precondition(graph[input].operation == .input, "\(name) reads maps from the cache only")
        precondition(shape(of: input).size == options.height * options.width * options.channels, name)
        let (gates, inputs) = (4 * options.hiddenChannels, options.channels + options.hiddenChannels)
        let fan = inputs * options.kernel * options.kernel
        let parameters = [
            parameter(name + ".weight", [gates, inputs, options.kernel, options.kernel], .fan(fan)),
            parameter(name + ".bias", [gates], .fan(fan)),
        ]
        return append(
            name, .convolutionalRecurrent(options), [input],
            .sequence(options.height * options.width * options.hiddenChannels), parameters)
    }

    package mutating func spatialMean(_ name: String, _ input: NodeID, channels: Int) -> NodeID {
        precondition(shape(of: input).size % channels == 0, name)
        return append(name, .spatialMean(channels: channels), [input], .vector(channels))
    }

    /// One recurrent layer named as layer `layer` of a `torch.nn.GRU` or `LSTM` called `name`.
    package mutating func recurrent(
        _ name: String, layer: Int = 0, _ input: NodeID, _ recurrence: Recurrence
    ) -> NodeID {
        let rows = recurrence.cell.gates * recurrence.hiddenSize
        let columns = shape(of: input).size
        var parameters: [Int] = []
        for suffix in ["", "_reverse"].prefix(recurrence.directions) {
            let ending = "_l\(layer)\(suffix)"
            let initializer = Graph.Initializer.fan(recurrence.hiddenSize)
            parameters += [
                parameter("\(name).weight_ih\(ending)", [rows, columns], initializer),
                parameter("\(name).weight_hh\(ending)", [rows, recurrence.hiddenSize], initializer),
                parameter("\(name).bias_ih\(ending)", [rows], initializer),
                parameter("\(name).bias_hh\(ending)", [rows], initializer),
            ]
        }
        return append(
            "\(name).\(layer)", .recurrent(recurrence), [input],
            .sequence(recurrence.hiddenSize * recurrence.directions), parameters)
    }

    package mutating func finalState(_ name: String, _ input: NodeID, bidirectional: Bool) -> NodeID {
        append(name, .finalState(bidirectional: bidirectional), [input], .vector(shape(of: input).size))
    }

    // MARK: - Helpers

    mutating func append(
        _ name: String, _ operation: Operation, _ inputs: [NodeID], _ shape: Graph.Shape, _ parameters: [Int] = []
    ) -> NodeID {
        graph.nodes.append(
            Graph.Node(name: name, operation: operation, inputs: inputs, shape: shape, parameters: parameters))
        return NodeID(index: graph.nodes.count - 1)
    }

    mutating func parameter(
        _ name: String, _ shape: [Int], _ initializer: Graph.Initializer, isTrainable: Bool = true
    ) -> Int {
        graph.parameters.append(
            Graph.Parameter(name: name, shape: shape, initializer: initializer, isTrainable: isTrainable))
        return graph.parameters.count - 1
    }

    private func image(_ node: NodeID) -> (channels: Int, height: Int, width: Int) {
        switch shape(of: node) {
        case .image(let channels, let height, let width), .clip(let channels, _, let height, let width):
            return (channels, height, width)
        default: preconditionFailure("\(graph[node].name) is not an image but \(shape(of: node))")
        }
    }

    /// Output shape of a window that slides over an image or frames.
    private func slid(_ window: Window, over input: NodeID, channels: Int) -> Graph.Shape {
        let (_, height, width) = image(input)
        let output = window.output(height: height, width: width)
        guard case .clip(_, let frames, _, _) = shape(of: input) else {
            precondition(window.time == .frame, "\(graph[input].name) has no frames")
            return .image(channels: channels, height: output.height, width: output.width)
        }
        return .clip(
            channels: channels, frames: window.time.output(frames: frames), height: output.height, width: output.width)
    }
}
