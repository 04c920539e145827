/// Executes a head forward and backward on batches of sequences. Padding never takes part: batches are
/// packed, so outputs and gradients cannot depend on it.
public struct TrainingPlan: Sendable {
    /// The head.
    public let graph: Graph
    private let output: Graph.NodeID
    private let order: [Graph.NodeID]

    /// - Throws: `PlanError` for an unknown output, or a graph with image nodes.
    public init(graph: Graph, output: String = "logits") throws {
        guard let node = graph.outputs[output] else {
            throw PlanError.unknownOutput(output, available: graph.outputs.keys.sorted())
        }
        for id in graph.ancestry(of: node) {
            if case .image = graph[id].shape { throw PlanError.unsupported(node: graph[id].name) }
        }
        self.graph = graph
        self.output = node
        order = graph.ancestry(of: node)
    }

    /// Values of every node for one batch, and what the backward pass needs besides.
    public struct ForwardPass: Sendable {
        fileprivate var values: [Graph.NodeID: Tensor] = [:]
        fileprivate var states: [Graph.NodeID: [RecurrentLayer.State]] = [:]
        fileprivate var masks: [Graph.NodeID: [Float]] = [:]
        fileprivate var packed: PackedSequences
        /// `[batch, class]`, in the order in which the batch was given.
        public fileprivate(set) var output: Tensor
    }

    /// - Parameter dropout: decides what dropout zeroes; nil evaluates.
    public func forward(
        _ batch: PackedSequences, _ parameters: ParameterVector, dropout: RandomParameters? = nil
    ) -> ForwardPass {
        var pass = ForwardPass(packed: batch, output: batch.rows)
        parameters.values.withUnsafeBufferPointer { values in
            for id in order { pass.values[id] = evaluate(id, &pass, values.baseAddress, parameters.slots, dropout) }
        }
        pass.output = batch.unpacked(pass.values[output]!)
        pass.packed.rows = Tensor(shape: [batch.rows.shape[0], 0])
        return pass
    }

    private func evaluate(
        _ id: Graph.NodeID, _ pass: inout ForwardPass, _ parameters: UnsafePointer<Float>?,
        _ slots: [ParameterVector.Slot], _ dropout: RandomParameters?
    ) -> Tensor {
        let node = graph[id]
        func input(_ index: Int = 0) -> Tensor { pass.values[node.inputs[index]]! }
        func parameter(_ index: Int) -> UnsafePointer<Float> { parameters! + slots[node.parameters[index]].offset }
        switch node.operation {
        case .input: return pass.packed.rows
        case .linear(let out):
            return LinearLayer.forward(input(), weight: parameter(0), bias: parameter(1), out: out)
        case .activation(let activation):
            return Tensor(shape: input().shape, values: activation.apply(input().values))
        case .add:
            return Tensor(shape: input().shape, values: zip(input(0).values, input(1).values).map(+))
        case .dropout(let rate):
            guard let dropout, rate > 0 else { return input() }
            let mask = dropout.uniform(node.name, count: input().count).map { $0 < rate ? 0 : 1 / (1 - rate) }
            pass.masks[id] = mask
            return Tensor(shape: input().shape, values: zip(input().values, mask).map(*))
        case .sequenceMean: return SequenceMeanLayer.forward(input(), pass.packed)
        case .finalState(let bidirectional):
            return FinalStateLayer.forward(input(), pass.packed, bidirectional: bidirectional)
        case .recurrent(let recurrence):
            var outputs: [[Float]] = []
            var states: [RecurrentLayer.State] = []
            for direction in 0..<recurrence.directions {
                let layer = RecurrentLayer(recurrence: recurrence, isReversed: direction == 1)
                let weights = RecurrentLayer.Weights(
                    input: parameter(4 * direction), recurrent: parameter(4 * direction + 1),
                    inputBias: parameter(4 * direction + 2), recurrentBias: parameter(4 * direction + 3))
                let (output, state) = layer.forward(input(), pass.packed, weights)
                outputs.append(output)
                states.append(state)
            }
            pass.states[id] = states
            return joined(outputs, hidden: recurrence.hiddenSize)
        case .convolution, .batchNormalization, .maxPooling, .averagePooling, .globalAveragePooling, .scaleChannels,
            .concatenation, .flatten:
            preconditionFailure("image nodes were refused when the plan was made")
        }
    }

    /// The gradient of a loss in every parameter.
    ///
    /// - Parameter outputGradient: of the loss in `pass.output`, `[batch, class]`.
    public func backward(
        _ pass: ForwardPass, outputGradient: Tensor, _ parameters: ParameterVector
    ) -> ParameterVector {
        var result = ParameterVector(zerosFor: graph)
        var gradients: [Graph.NodeID: Tensor] = [output: pass.packed.packed(outputGradient)]
        let slots = parameters.slots
        result.values.withUnsafeMutableBufferPointer { target in
            parameters.values.withUnsafeBufferPointer { values in
                for id in order.reversed() {
                    guard let gradient = gradients.removeValue(forKey: id) else { continue }
                    let inputs = backward(id, gradient, pass, values.baseAddress, target.baseAddress, slots)
                    for (input, gradient) in zip(graph[id].inputs, inputs) {
                        guard let gradient else { continue }
                        if var sum = gradients[input] {
                            for index in sum.values.indices { sum.values[index] += gradient.values[index] }
                            gradients[input] = sum
                        } else {
                            gradients[input] = gradient
                        }
                    }
                }
            }
        }
        return result
    }

    /// Gradients of the node's inputs; nil for the graph's input, where nobody wants it.
    private func backward(
        _ id: Graph.NodeID, _ gradient: Tensor, _ pass: ForwardPass, _ parameters: UnsafePointer<Float>?,
        _ gradients: UnsafeMutablePointer<Float>?, _ slots: [ParameterVector.Slot]
    ) -> [Tensor?] {
        let node = graph[id]
        func input(_ index: Int = 0) -> Tensor { pass.values[node.inputs[index]]! }
        func parameter(_ index: Int) -> UnsafePointer<Float> { parameters! + slots[node.parameters[index]].offset }
        func target(_ index: Int) -> UnsafeMutablePointer<Float> { gradients! + slots[node.parameters[index]].offset }
        var wantsInput: Bool { graph[node.inputs[0]].operation != .input }
        switch node.operation {
        case .input: return []
        case .linear:
            return [
                LinearLayer.backward(
                    gradient, input: input(), weight: parameter(0), weightGradient: target(0), biasGradient: target(1),
                    wantsInput: wantsInput)
            ]
        case .activation(let activation):
            let values = activation.backward(gradient.values, input: input().values, output: pass.values[id]!.values)
            return [Tensor(shape: gradient.shape, values: values)]
        case .add: return [gradient, gradient]
        case .dropout:
            guard let mask = pass.masks[id] else { return [gradient] }
            return [Tensor(shape: gradient.shape, values: zip(gradient.values, mask).map(*))]
        case .sequenceMean: return [SequenceMeanLayer.backward(gradient, pass.packed)]
        case .finalState(let bidirectional):
            return [FinalStateLayer.backward(gradient, pass.packed, bidirectional: bidirectional)]
        case .recurrent(let recurrence):
            var sum: [Float]?
            for direction in 0..<recurrence.directions {
                let layer = RecurrentLayer(recurrence: recurrence, isReversed: direction == 1)
                let base = 4 * direction
                let share = layer.backward(
                    half(gradient, direction, of: recurrence), input: input(), pass.packed, pass.states[id]![direction],
                    .init(
                        input: parameter(base), recurrent: parameter(base + 1), inputBias: parameter(base + 2),
                        recurrentBias: parameter(base + 3)),
                    .init(
                        input: target(base), recurrent: target(base + 1), inputBias: target(base + 2),
                        recurrentBias: target(base + 3)),
                    wantsInput: wantsInput)
                if let share { sum = sum.map { zip($0, share).map(+) } ?? share }
            }
            return [sum.map { Tensor(shape: input().shape, values: $0) }]
        case .convolution, .batchNormalization, .maxPooling, .averagePooling, .globalAveragePooling, .scaleChannels,
            .concatenation, .flatten:
            preconditionFailure("image nodes were refused when the plan was made")
        }
    }

    /// Puts the directions' outputs side by side.
    private func joined(_ outputs: [[Float]], hidden: Int) -> Tensor {
        let rows = outputs[0].count / hidden
        if outputs.count == 1 { return Tensor(shape: [rows, hidden], values: outputs[0]) }
        var result = Tensor(shape: [rows, 2 * hidden])
        for row in 0..<rows {
            for direction in 0..<2 {
                let start = (2 * row + direction) * hidden
                result.values.replaceSubrange(
                    start..<start + hidden, with: outputs[direction][row * hidden..<(row + 1) * hidden])
            }
        }
        return result
    }

    private func half(_ gradient: Tensor, _ direction: Int, of recurrence: Recurrence) -> [Float] {
        if !recurrence.isBidirectional { return gradient.values }
        let hidden = recurrence.hiddenSize
        var result: [Float] = []
        result.reserveCapacity(gradient.count / 2)
        for row in 0..<gradient.shape[0] {
            let start = (2 * row + direction) * hidden
            result += gradient.values[start..<start + hidden]
        }
        return result
    }
}

extension PackedSequences {
    /// Rows in packed order → in the batch's order.
    fileprivate func unpacked(_ rows: Tensor) -> Tensor {
        var result = rows
        let size = rows.shape[1]
        for (place, index) in order.enumerated() {
            result.values.replaceSubrange(
                index * size..<(index + 1) * size, with: rows.values[place * size..<(place + 1) * size])
        }
        return result
    }

    /// Rows in the batch's order → in packed order.
    fileprivate func packed(_ rows: Tensor) -> Tensor {
        var result = rows
        let size = rows.shape[1]
        for (place, index) in order.enumerated() {
            result.values.replaceSubrange(
                place * size..<(place + 1) * size, with: rows.values[index * size..<(index + 1) * size])
        }
        return result
    }
}
