import Foundation
import NeuralNetwork

extension GraphImporter {
    /// Attention scores: query-key products per head.
    struct AttentionScores {
        let query, key: (node: Graph.NodeID, view: TensorView)
        var factor: Double
    }

    /// Image patches with prepended learned tokens and position embeddings.
    struct TokenParts {
        let patches: Graph.NodeID
        /// `[token, element]`, concatenated.
        var front: [Constant]
        /// Added to all tokens, or only to the patches.
        var positions: Constant?
        var coversFront = false
    }

    /// A product that may absorb a bias.
    struct BareProduct {
        let input: Graph.NodeID
        let weight: (name: String, shape: [Int])
    }

    // MARK: - Products

    mutating func product(_ call: Call) throws -> Value {
        guard let weight = call.constant(1), weight.shape.count == 2 else {
            throw Refused("both factors depend on the input")
        }
        let isTransposed = call.type == "Gemm" && call.integer("transB", 0) != 0
        guard
            call.type == "MatMul"
                || call.integer("transA", 0) == 0 && call.number("alpha", 1) == 1 && call.number("beta", 1) == 1
        else { throw Refused("it scales or transposes its input") }
        let (rows, columns) = isTransposed ? (weight.shape[1], weight.shape[0]) : (weight.shape[0], weight.shape[1])
        let bias = call.type == "Gemm" ? call.constant(2) : nil
        if call.type == "Gemm", call.inputs.count > 2, call.inputs[2] != nil, bias?.count != columns {
            throw Refused("the shape of its bias does not fit")
        }
        let load = weight.load
        let turned = Constant(shape: [columns, rows]) { isTransposed ? try load() : try load().transposed([1, 0]) }
        let (node, view) = try realized(call.node.input[0])
        guard view.dimensions.last?.reduce(1, { $0 * $1.size }) == rows else {
            throw Refused("its weights of \(weight.shape) do not fit \(view.shape)")
        }
        if flattened(node, view), case .image(let channels, let height, let width) = builder.shape(of: node) {
            let window = Window(kernel: Extent(height, width))
            var own = [parameter(call.name + ".weight", turned, shape: [columns, channels, height, width])]
            if let bias { own.append(parameter(call.name + ".bias", bias)) }
            let options = Convolution(outChannels: columns, window: window, hasBias: bias != nil)
            let result = try self.node(
                call.name, .convolution(options), [node], .image(channels: columns, height: 1, width: 1),
                parameters: own)
            return .value(result, TensorView(dimensions: [[], TensorView.axis(.channel, columns)]), .identity)
        }
        let input = try arranged(node, view)
        let shape = builder.shape(of: input)
        guard shape.rowSize == rows,
            view.dimensions.last == nil || view.dimensions.last!.allSatisfy({ $0.axis == .channel })
        else { throw Refused("it multiplies along an axis other than channels") }
        var own = [parameter(call.name + ".weight", turned)]
        if let bias { own.append(parameter(call.name + ".bias", bias)) }
        let made = try self.node(
            call.name, .linear(out: columns), [input], shape.with(rowSize: columns), parameters: own)
        if bias == nil { bareProducts[made] = BareProduct(input: input, weight: own[0]) }
        return try laidOut(made, like: view)
    }

    // MARK: - Attention

    /// Nil if the operator is not part of attention.
    mutating func attention(_ call: Call) throws -> Value? {
        switch call.type {
        case "MatMul" where call.inputs.count == 2:
            if case .scores(let scores, true)? = call.inputs[0] { return try mixed(scores, call) }
            guard case .value? = call.inputs[0], case .value? = call.inputs[1] else { return nil }
            return try scores(call)
        case "Softmax":
            guard case .scores(let scores, false)? = call.inputs[0] else { return nil }
            guard [-1, 3].contains(call.integer("axis", call.operatorSet < 13 ? 1 : -1)) else {
                throw Refused("its softmax is not over tokens")
            }
            return .scores(scores, isSoft: true)
        case "Mul", "Div":
            guard case .scores(var scores, false)? = call.inputs[0], let constant = call.constant(1),
                constant.count == 1
            else {
                if case .scores? = call.inputs.first ?? nil {
                    throw Refused("the scale of the attention is not a scalar")
                }
                return nil
            }
            let number = Double(try constant.load().numbers[0])
            scores.factor *= call.type == "Mul" ? number : 1 / number
            return .scores(scores, isSoft: false)
        default:
            for case .scores? in call.inputs {
                throw Refused("it is attention without a softmax of query-key products")
            }
            return nil
        }
    }

    /// A value without a constant factor, which is returned separately.
    private mutating func scaled(_ name: String) throws -> (Graph.NodeID, TensorView, Double) {
        if case .value(let node, let view, let function)? = values[name], let known = try known(function),
            known.activation == nil, known.summand == 0
        {
            return (node, view, known.factor)
        }
        let (node, view) = try realized(name)
        return (node, view, 1)
    }

    private mutating func scores(_ call: Call) throws -> Value {
        let (query, queryView, first) = try scaled(call.node.input[0])
        let (key, keyView, second) = try scaled(call.node.input[1])
        // [1, head, token, element] by [1, head, element, token].
        guard queryView.dimensions.count == 4, keyView.dimensions.count == 4 else {
            throw Refused("it multiplies two values that depend on the input")
        }
        return .scores(
            AttentionScores(
                query: (query, queryView), key: (key, keyView.transposed([0, 1, 3, 2])), factor: first * second),
            isSoft: false)
    }

    private mutating func mixed(_ scores: AttentionScores, _ call: Call) throws -> Value {
        let (value, valueView) = try realized(call.node.input[1])
        let parts = [scores.query, scores.key, (value, valueView)]
        guard let heads = parts[0].1.dimensions[1].first.map({ $0.size }) ?? 1 as Int?,
            parts.allSatisfy({ $0.1.dimensions.count == 4 })
        else { throw Refused("it is not attention") }
        let width = parts[0].1.shape[3]
        guard abs(scores.factor * Double(width).squareRoot() - 1) < 1e-4 else {
            throw Refused("attention is scaled by \(scores.factor), not by 1/√\(width)")
        }
        let joined = try sideBySide(parts, heads: heads, width: width, call.name)
        guard case .tokens(let count, let size) = builder.shape(of: joined) else {
            throw Refused("it is not attention between tokens")
        }
        let result = try self.node(
            call.name, .selfAttention(heads: heads), [joined], .tokens(count: count, size: size / 3))
        let channel = TensorView.axis(.channel, size / 3)
        guard
            let digits = TensorView(dimensions: [[], TensorView.axis(.row, count), channel])
                .reshaped([1, count, heads, width])
        else { throw Refused("it is not attention") }
        return .value(result, digits.transposed([0, 2, 1, 3]), .identity)
    }

    /// Query, key and value of each token concatenated: one node, or three concatenated ones.
    private mutating func sideBySide(
        _ parts: [(node: Graph.NodeID, view: TensorView)], heads: Int, width: Int, _ name: String
    ) throws -> Graph.NodeID {
        let size = heads * width
        var nodes: [Graph.NodeID] = []
        for (place, part) in parts.enumerated() {
            guard case .tokens(let count, let all) = builder.shape(of: part.node) else {
                throw Refused("it is not attention between tokens")
            }
            let first = part.view.offsets[0]
            let expected = TensorView(dimensions: [[], TensorView.axis(.row, count), TensorView.axis(.channel, size)])
                .reshaped([1, count, heads, width])?.transposed([0, 2, 1, 3])
            guard let expected, part.view.dimensions == expected.dimensions, part.view.offsets[1] == 0 else {
                throw Refused("the layout of its heads is not supported")
            }
            if all == 3 * size, first == place * size {
                nodes.append(part.node)
            } else {
                guard first == 0, all == size else { throw Refused("the layout of its heads is not supported") }
                nodes.append(part.node)
            }
        }
        if nodes[0] == nodes[1], nodes[1] == nodes[2], builder.shape(of: nodes[0]).rowSize == 3 * size {
            return nodes[0]
        }
        guard nodes.allSatisfy({ builder.shape(of: $0).rowSize == size }),
            case .tokens(let count, _) = builder.shape(of: nodes[0])
        else { throw Refused("query, key and value come from different inputs") }
        return try self.node(name + ".joined", .concatenation, nodes, .tokens(count: count, size: 3 * size))
    }

    // MARK: - Tokens

    /// Rows of an image's pixels as tokens; nil for other values.
    private func rows(_ node: Graph.NodeID, _ view: TensorView) -> TokenParts? {
        if let known = tokenParts[node], view == TensorView(builder.shape(of: node)) { return known }
        guard case .image(let channels, let height, let width) = builder.shape(of: node), paddings[node] == nil,
            view.offsets == [0, 0, 0], height * width > 1, height == width, view.dimensions.count == 3,
            view.dimensions[1] == TensorView.axis(.row, height) + TensorView.axis(.column, width),
            view.dimensions[2] == TensorView.axis(.channel, channels)
        else { return nil }
        return TokenParts(patches: node, front: [], positions: nil)
    }

    /// Learned tokens prepended to patches; nil for other concatenations.
    mutating func tokensInFront(_ call: Call) throws -> Value? {
        guard let last = call.node.input.last, case .value? = values[last], call.inputs.count > 1 else { return nil }
        var front: [Constant] = []
        for index in 0..<call.inputs.count - 1 {
            guard let constant = call.constant(index), constant.shape.count == 3 else { return nil }
            front.append(constant)
        }
        let (node, view) = try realized(last)
        guard call.integer("axis", 0) == 1 || call.integer("axis", 0) == -2, var parts = rows(node, view),
            parts.front.isEmpty
        else { throw Refused("it prepends learned tokens to a value that is not a sequence of patches") }
        parts.front = front
        let made = try tokens(parts, call.name)
        return plain(made)
    }

    /// Position embeddings added to tokens; nil if the constant is per channel.
    mutating func withPositions(_ node: Graph.NodeID, _ view: TensorView, _ constant: Constant, _ call: Call) throws
        -> Value?
    {
        guard constant.shape.count >= 2, constant.shape[constant.shape.count - 2] > 1, var parts = rows(node, view),
            parts.positions == nil
        else { return nil }
        guard constant.count == view.shape.reduce(1, *) else {
            throw Refused("its positions of \(constant.shape) do not fit \(view.shape)")
        }
        (parts.positions, parts.coversFront) = (constant, !parts.front.isEmpty)
        let made = try tokens(parts, call.name)
        return plain(made)
    }

    private mutating func tokens(_ parts: TokenParts, _ name: String) throws -> Graph.NodeID {
        guard case .image(let size, let height, let width) = builder.shape(of: parts.patches) else {
            preconditionFailure("patches are an image")
        }
        guard parts.front.allSatisfy({ $0.shape[0] == 1 && $0.shape[2] == size && $0.shape[1] <= 4096 }) else {
            throw Refused("learned tokens do not fit patches of \(size) elements")
        }
        let inFront = parts.front.reduce(0) { $0 + $1.shape[1] }
        let places = height * width
        // A table of what is added to each position, including the prepended tokens themselves.
        let (front, positions, covers) = (parts.front, parts.positions, parts.coversFront)
        let table: @Sendable () throws -> [Float] = {
            var rows = try front.flatMap { try $0.load().numbers } + [Float](repeating: 0, count: places * size)
            let added = try positions?.load().numbers ?? []
            let start = covers ? 0 : rows.count - places * size
            for (index, value) in added.enumerated() where start + index < rows.count { rows[start + index] += value }
            return rows
        }
        func part(_ suffix: String, _ rows: Range<Int>) -> (name: String, shape: [Int]) {
            let shape = [1, rows.count, size]
            return parameter(name + suffix, shape) {
                Tensor(shape: shape, values: Array(try table()[rows.lowerBound * size..<rows.upperBound * size]))
            }
        }
        var own: [(name: String, shape: [Int])] = []
        if inFront > 0 { own.append(part(".cls_token", 0..<1)) }
        if inFront > 1 { own.append(part(".reg_token", 1..<inFront)) }
        own.append(part(".pos_embed", inFront..<inFront + places))
        let embedding = TokenEmbedding(
            hasClassToken: inFront > 0, registers: max(0, inFront - 1), grid: height, positionsCoverClass: false)
        let node = try self.node(
            name, .tokens(embedding), [parts.patches], .tokens(count: inFront + places, size: size), parameters: own)
        tokenParts[node] = parts
        return node
    }
}
