import Escaping
import NeuralNetwork

extension GraphImporter {
    mutating func layer(_ call: Call) throws -> Value {
        switch call.type {
        case "Conv": return try convolution(call)
        case "BatchNormalization": return try batchNormalization(call)
        case "LayerNormalization": return try layerNormalization(call)
        case "InstanceNormalization", "GroupNormalization": return try groupNormalization(call)
        case "MaxPool": return try pooling(call)
        case "AveragePool": return try pooling(call)
        case "GlobalAveragePool", "ReduceMean": return try mean(call)
        case "GlobalMaxPool", "ReduceMax": return try largest(call)
        case "Gemm", "MatMul": return try product(call)
        case "Shape":
            guard case .value(_, let view, _)? = call.inputs[0] else { throw Refused("its input is not an image") }
            let shape = Self.part(of: view.shape, call)
            return .constant(Constant(shape: [shape.count]) { ConstantTensor(shape: [shape.count], integers: shape) })
        default: throw Refused("this operation is not supported")
        }
    }

    // MARK: - Windows

    private func window(_ call: Call, kernel: [Int], height: Int, width: Int, extra: [Int]) throws -> Window {
        let strides = call.integers("strides") ?? [1, 1]
        let dilations = call.integers("dilations") ?? [1, 1]
        guard kernel.count == 2, strides.count == 2, dilations.count == 2 else {
            throw Refused("it is not two-dimensional")
        }
        guard (kernel + strides + dilations).allSatisfy({ (1...4096).contains($0) }) else {
            throw Refused("its kernel or stride is invalid")
        }
        var pads = call.integers("pads") ?? [0, 0, 0, 0]
        let automatic = call.attribute("auto_pad").map { String(decoding: $0.s, as: UTF8.self) } ?? "NOTSET"
        let reach = zip(kernel, dilations).map { ($0 - 1) * $1 + 1 }
        if automatic.hasBytePrefix("SAME") {
            let whole = zip(zip([height, width], strides), reach).map { sizes, reach in
                max(0, ((sizes.0 + sizes.1 - 1) / sizes.1 - 1) * sizes.1 + reach - sizes.0)
            }
            let less = whole.map { $0 / 2 }, more = whole.map { $0 - $0 / 2 }
            pads = automatic == "SAME_UPPER" ? less + more : more + less
        }
        guard pads.count == 4, pads.allSatisfy({ (0...4096).contains($0) }) else {
            throw Refused("its padding is invalid")
        }
        pads = zip(pads, extra).map { $0 + $1 }
        guard reach[0] <= height + pads[0] + pads[2], reach[1] <= width + pads[1] + pads[3] else {
            throw Refused("its kernel is larger than the image")
        }
        return Window(
            kernel: Extent(kernel[0], kernel[1]), stride: Extent(strides[0], strides[1]),
            padding: Extent(pads[0], pads[1]),
            trailing: Extent(pads[2], pads[3]), dilation: Extent(dilations[0], dilations[1]))
    }

    /// The image of an input without zero padding, which is returned separately: top, left, bottom, right.
    private mutating func image(_ call: Call) throws -> (
        node: Graph.NodeID, channels: Int, height: Int, width: Int, pads: [Int]
    ) {
        var (node, view) = try realized(call.node.input[0])
        var pads = [0, 0, 0, 0]
        if let padding = paddings[node] {
            guard view == TensorView(builder.shape(of: node)) else {
                throw Refused("it reads a padded tensor as if it were not padded")
            }
            (node, pads) = (padding.of, padding.pads)
        } else {
            guard view.dimensions.count == 4 else { throw Refused("its input is not an image") }
            node = try arranged(node, view)
        }
        switch builder.shape(of: node) {
        case .image(let channels, let height, let width):
            // Rows of pixels are not an image for a sliding window.
            if paddings[node] == nil, pads == [0, 0, 0, 0],
                view.squeezed != TensorView(builder.shape(of: node)).squeezed,
                view.squeezed.first?.first?.axis != .channel
            {
                throw Refused("its input has channels last")
            }
            return (node, channels, height, width, pads)
        case .vector(let size): return (node, size, 1, 1, pads)
        default: throw Refused("its input is not an image")
        }
    }

    private mutating func convolution(_ call: Call) throws -> Value {
        guard let weight = call.constant(1), weight.shape.count == 4 else {
            throw Refused("its weights depend on the input, or are not those of a 2-D convolution")
        }
        let hasBias = call.inputs.count > 2 && call.inputs[2] != nil
        if hasBias, call.constant(2) == nil { throw Refused("its bias depends on the input") }
        let (node, channels, height, width, pads) = try image(call)
        let groups = call.integer("group", 1)
        guard groups > 0, channels % groups == 0, weight.shape[0] % groups == 0, weight.shape[1] == channels / groups,
            !hasBias || call.constant(2)?.count == weight.shape[0]
        else { throw Refused("weights of \(weight.shape) do not fit \(channels) channels in \(groups) groups") }
        let window = try window(call, kernel: Array(weight.shape[2...]), height: height, width: width, extra: pads)
        let output = window.output(height: height, width: width)
        var own = [parameter(call.name + ".weight", weight)]
        if hasBias, let bias = call.constant(2) { own.append(parameter(call.name + ".bias", bias)) }
        if case .vector = builder.shape(of: node) {
            guard output == Extent(1), groups == 1, window.kernel == Extent(1) else {
                throw Refused("its input is a vector")
            }
            own[0] = parameter(call.name + ".weight", weight, shape: [weight.shape[0], channels])
            let result = try self.node(
                call.name, .linear(out: weight.shape[0]), [node], .vector(weight.shape[0]), parameters: own)
            return .value(
                result, TensorView(dimensions: [[], TensorView.axis(.channel, weight.shape[0]), [], []]), .identity)
        }
        let options = Convolution(outChannels: weight.shape[0], window: window, groups: groups, hasBias: hasBias)
        let made = try self.node(
            call.name, .convolution(options), [node],
            .image(channels: weight.shape[0], height: output.height, width: output.width), parameters: own)
        return plain(made)
    }

    private mutating func pooling(_ call: Call) throws -> Value {
        let (node, channels, height, width, extra) = try image(call)
        guard extra == [0, 0, 0, 0] else { throw Refused("it pools over padded zeros") }
        guard call.node.output.count == 1, let kernel = call.integers("kernel_shape") else {
            throw Refused("it also returns the indices of the maxima")
        }
        var window = try window(call, kernel: kernel, height: height, width: width, extra: extra)
        guard window.dilation == Extent(1) else { throw Refused("it is dilated") }
        let countsPadding = call.integer("count_include_pad", 0) != 0
        if call.integer("ceil_mode", 0) != 0 {
            let more = Self.ceiling(window, height: height, width: width)
            // Averages that include the padding count the file's padding, which would change.
            if more != window, call.type == "AveragePool", countsPadding {
                throw Refused("its last windows extend beyond the padding")
            }
            window = more
        }
        let output = window.output(height: height, width: width)
        let made = try self.node(
            call.name,
            call.type == "MaxPool" ? .maxPooling(window) : .averagePooling(window, countsPadding: countsPadding),
            [node], .image(channels: channels, height: output.height, width: output.width))
        return plain(made)
    }

    /// The window with enough trailing padding for a partial last step (`ceil_mode`), if that begins inside the image.
    private static func ceiling(_ window: Window, height: Int, width: Int) -> Window {
        func trailing(_ size: Int, _ kernel: Int, _ stride: Int, _ before: Int, _ after: Int) -> Int {
            let span = size + before + after - kernel
            var steps = (span + stride - 1) / stride
            if steps * stride >= size + before { steps -= 1 }
            return max(after, steps * stride + kernel - size - before)
        }
        return Window(
            kernel: window.kernel, stride: window.stride, padding: window.leading,
            trailing: Extent(
                trailing(
                    height, window.kernel.height, window.stride.height, window.leading.height, window.trailing.height),
                trailing(width, window.kernel.width, window.stride.width, window.leading.width, window.trailing.width)))
    }

    // MARK: - Global

    /// Mean over all pixels, or over tokens after the first few.
    private mutating func mean(_ call: Call) throws -> Value {
        let (node, view) = try realized(call.node.input[0])
        let rank = view.dimensions.count
        let global = Array(2..<max(rank, 2))
        let axes =
            call.type == "ReduceMean"
            ? try (call.integers("axes", input: 1) ?? Array(0..<rank)).map { try Self.axis($0, rank: rank) }.sorted()
            : global
        let keeps = call.type != "ReduceMean" || call.integer("keepdims", 1) != 0
        let reduced = axes.flatMap { view.dimensions[$0] }
        let left = view.dimensions.indices.filter { !axes.contains($0) }.flatMap { view.dimensions[$0] }
        let size = builder.shape(of: node).rowSize
        guard left == TensorView.axis(.channel, size), reduced.allSatisfy({ $0.axis != .channel }) else {
            throw Refused("it averages over axes other than the spatial ones")
        }
        let result: Graph.NodeID
        switch builder.shape(of: node) {
        case .image:
            guard reduced.reduce(1, { $0 * $1.size }) * size == builder.shape(of: node).size else {
                throw Refused("it averages a part of the axis")
            }
            result = try self.node(call.name, .globalAveragePooling, [try arrangedForMean(node, view)], .vector(size))
        case .tokens(let count, _):
            let first = view.offsets[1]
            guard view.places(.row) == Array(first..<count) else { throw Refused("it averages some of the tokens") }
            result = try self.node(call.name, .tokenMean(skipping: first), [node], .vector(size))
        case .vector, .sequence, .clip: result = node
        }
        let dimensions = view.dimensions.indices.compactMap { index -> [TensorView.Digit]? in
            axes.contains(index) ? (keeps ? [] : nil) : view.dimensions[index]
        }
        return .value(result, TensorView(dimensions: dimensions), .identity)
    }

    private func arrangedForMean(_ node: Graph.NodeID, _ view: TensorView) throws -> Graph.NodeID {
        guard paddings[node] == nil, view.offsets == [0, 0, 0] else { throw Refused("it averages a part of the axis") }
        return node
    }

    private mutating func largest(_ call: Call) throws -> Value {
        let (node, channels, height, width, pads) = try image(call)
        let axes =
            call.type == "ReduceMax"
            ? try call.integers("axes", input: 1)?.map { $0 < 0 ? $0 + 4 : $0 }.sorted() : [2, 3]
        guard axes == [2, 3], pads == [0, 0, 0, 0], call.integer("keepdims", 1) != 0 else {
            throw Refused("it takes the maximum over axes other than the spatial ones")
        }
        let window = Window(kernel: Extent(height, width))
        let made = try self.node(
            call.name, .maxPooling(window), [node], .image(channels: channels, height: 1, width: 1))
        return plain(made)
    }
}
