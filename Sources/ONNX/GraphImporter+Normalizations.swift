import NeuralNetwork

extension GraphImporter {
    struct Normalization {
        let input: Graph.NodeID
        let epsilon: Double
        let weight, bias: Constant?
        /// Number of channel groups for group normalisation; nil for layer normalisation.
        var groups: Int?
        /// Number of combined scales and shifts.
        var depth = 1
    }

    mutating func batchNormalization(_ call: Call) throws -> Value {
        let input = try input(call)
        let size = builder.shape(of: input).rowSize
        let constants = (1...4).compactMap(call.constant)
        guard constants.count == 4, constants.allSatisfy({ $0.count == size }), call.integer("training_mode", 0) == 0
        else { throw Refused("its parameters depend on the input, or do not fit \(size) channels") }
        let (_, view) = try realized(call.node.input[0])
        guard view.dimensions.count > 1, view.dimensions[1].allSatisfy({ $0.axis == .channel }) else {
            throw Refused("it normalises an axis other than channels")
        }
        let own = zip([".weight", ".bias", ".running_mean", ".running_var"], constants).map {
            parameter(call.name + $0, $1)
        }
        let operation = NeuralNetwork.Operation.batchNormalization(
            epsilon: Float(call.number("epsilon", 1e-5)), hasScale: true)
        let made = builder.node(call.name, operation, [input], builder.shape(of: input), parameters: own)
        return try laidOut(made, like: view)
    }

    mutating func layerNormalization(_ call: Call) throws -> Value {
        let (node, view) = try realized(call.node.input[0])
        let axis = try Self.axis(call.integer("axis", -1), rank: view.dimensions.count)
        guard let weight = call.constant(1), axis == view.dimensions.count - 1 else {
            throw Refused("it normalises axes other than channels")
        }
        return try normalized(
            node, view, epsilon: call.number("epsilon", 1e-5), weight: weight, bias: call.constant(2), name: call.name)
    }

    /// Group normalisation: of `[1, channels, …]`, or of an image reshaped to `[1, groups, …]`.
    mutating func groupNormalization(_ call: Call) throws -> Value {
        let (node, view) = try realized(call.node.input[0])
        guard case .image(let channels, let height, let width) = builder.shape(of: node), paddings[node] == nil,
            let weight = call.constant(1), let bias = call.constant(2), weight.count == bias.count
        else { throw Refused("its input is not an image, or its weights depend on the input") }
        let isGroup = call.type == "GroupNormalization"
        let groups = isGroup ? call.integer("num_groups", 1) : view.shape.count > 1 ? view.shape[1] : 0
        let all = TensorView.axis(.channel, channels) + TensorView.axis(.row, height) + TensorView.axis(.column, width)
        guard groups > 0, channels % groups == 0, view.offsets == [0, 0, 0],
            view.dimensions.flatMap({ $0 }) == all
                || view.flat == TensorView(dimensions: [all]).flat, weight.count > 0, channels % weight.count == 0
        else { throw Refused("it normalises axes other than groups of channels") }
        func spread(_ constant: Constant) -> Constant {
            let (load, times) = (constant.load, channels / constant.count)
            return Constant(shape: [channels]) {
                let numbers = try load().numbers
                return ConstantTensor(shape: [channels], numbers: (0..<channels).map { numbers[$0 / times] })
            }
        }
        let normalization = Normalization(
            input: node, epsilon: call.number("epsilon", 1e-5), weight: spread(weight), bias: spread(bias),
            groups: groups)
        return .value(normalized(normalization, call.name), view, .identity)
    }

    /// A node for a normalisation, which may absorb following scales and shifts.
    mutating func normalized(_ own: Normalization, _ name: String) -> Graph.NodeID {
        let size = builder.shape(of: own.input).rowSize
        func constant(_ value: Double) -> Constant { Constant(repeating: value, count: size) }
        let parts = [
            parameter(name + ".weight", own.weight ?? constant(1)), parameter(name + ".bias", own.bias ?? constant(0)),
        ]
        let epsilon = Float(own.epsilon)
        let operation: NeuralNetwork.Operation =
            own.groups.map { .groupNormalization(groups: $0, epsilon: epsilon) }
            ?? .layerNormalization(epsilon: epsilon)
        let node = builder.node(name, operation, [own.input], builder.shape(of: own.input), parameters: parts)
        normalizations[node] = own
        return node
    }

    /// Layer normalisation over the channels, which must be the last dimension.
    mutating func normalized(
        _ node: Graph.NodeID, _ view: TensorView, epsilon: Double, weight: Constant?, bias: Constant?, name: String
    ) throws -> Value {
        let size = builder.shape(of: node).rowSize
        guard view.dimensions.last == TensorView.axis(.channel, size), view.offsets[0] == 0,
            weight.map({ $0.count == size }) ?? true, bias.map({ $0.count == size }) ?? true
        else { throw Refused("it normalises axes other than channels") }
        let input = try arranged(node, view)
        let result = normalized(Normalization(input: input, epsilon: epsilon, weight: weight, bias: bias), name)
        return try laidOut(result, like: view)
    }
}
