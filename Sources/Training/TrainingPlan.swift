import Inference
import NeuralNetwork

/// Executes a head forward and backward on batches of sequences. Batches are packed, so outputs and gradients do not
/// depend on padding.
package struct TrainingPlan: Sendable {
    package let graph: Graph
    /// Threads for the computation; results do not depend on their number.
    package var parallel = Parallel.none
    private let output: Graph.NodeID
    private let order: [Graph.NodeID]

    /// - Throws: `PlanError` for an unknown output, or a graph with image nodes.
    package init(graph: Graph, output: String = "logits") throws {
        let node = try graph.node(of: output)
        for id in graph.ancestry(of: node) {
            switch graph[id].shape {
            case .image, .clip, .tokens: throw PlanError.unsupported(node: graph[id].name)
            case .vector, .sequence: break
            }
        }
        self.graph = graph
        self.output = node
        order = graph.ancestry(of: node)
    }

    /// Parameters of the last layer, with one row per class.
    package var outputParameters: [Graph.Parameter] { graph[output].parameters.map { graph.parameters[$0] } }

    /// The values of every node for one batch, and the intermediate results for the backward pass.
    package struct ForwardPass {
        fileprivate var values: [Graph.NodeID: Matrix] = [:]
        fileprivate var saved: [Graph.NodeID: Saved] = [:]
        fileprivate let packed: PackedSequences
        /// `[batch, class]`, in the batch's original order.
        package fileprivate(set) var output: Tensor
        /// Attention weights of each sequence's steps for heads with attention pooling, in the batch's original order;
        /// nil for other heads.
        package fileprivate(set) var attention: [[Float]]?
    }

    fileprivate enum Saved {
        case recurrent([RecurrentLayer.State])
        case convolutional(ConvolutionalLSTMLayer.State)
        case mask(Matrix)
        case attention(SelfAttentionLayer.Weights)
        case pooling([Float])
        case normalized(Matrix, scales: [Float])
    }

    /// - `dropout`: random numbers for dropout; nil disables it.
    package func forward(
        _ batch: PackedSequences, _ parameters: ParameterVector, dropout: RandomParameters? = nil
    ) -> ForwardPass {
        var pass = ForwardPass(packed: batch, output: Tensor(shape: [0, 0]))
        parameters.withPointer { values in
            for id in order { pass.values[id] = evaluate(id, &pass, values, parameters.slots, dropout) }
        }
        pass.output = batch.unpacked(pass.values[output]!.tensor)
        for case .pooling(let weights) in pass.saved.values { pass.attention = batch.unpacked(weights) }
        return pass
    }

    private func evaluate(
        _ id: Graph.NodeID, _ pass: inout ForwardPass, _ parameters: UnsafePointer<Float>,
        _ slots: [ParameterVector.Slot], _ dropout: RandomParameters?
    ) -> Matrix {
        let node = graph[id]
        let values = pass.values
        func input(_ index: Int = 0) -> Matrix { values[node.inputs[index]]! }
        func parameter(_ index: Int) -> UnsafePointer<Float> { parameters + slots[node.parameters[index]].offset }
        switch node.operation {
        case .input: return pass.packed.rows
        case .linear(let out):
            return LinearLayer.forward(input(), weight: parameter(0), bias: parameter(1), out: out, parallel)
        case .activation(let activation):
            return activation.apply(input())
        case .add: return input(0).combined(input(1), +)
        case .dropout(let rate):
            guard let dropout, rate > 0 else { return input() }
            let mask = input().dropoutMask(rate, dropout, node.name)
            pass.saved[id] = .mask(mask)
            return input().combined(mask, *)
        case .sequenceMean: return SequenceMeanLayer.forward(input(), pass.packed)
        case .unitLength: return UnitLengthLayer.forward(input())
        case .sequenceMax: return SequenceMaxLayer.forward(input(), pass.packed)
        case .finalState(let bidirectional):
            return FinalStateLayer.forward(input(), pass.packed, bidirectional: bidirectional)
        case .positions: return PositionLayer.forward(input(), pass.packed, table: parameter(0))
        case .spatialMean(let channels): return SpatialMeanLayer.forward(input(), channels: channels)
        case .attentionPooling:
            let (output, weights) = AttentionPoolingLayer.forward(input(0), scores: input(1), pass.packed)
            pass.saved[id] = .pooling(weights)
            return output
        case .selfAttention(let heads):
            let layer = SelfAttentionLayer(heads: heads, parallel: parallel)
            let (output, weights) = layer.forward(input(), pass.packed)
            pass.saved[id] = .attention(weights)
            return output
        case .layerNormalization(let epsilon):
            let (output, normalized, scales) = LayerNormalizationLayer.forward(
                input(), epsilon: epsilon, weight: parameter(0), bias: parameter(1))
            pass.saved[id] = .normalized(normalized, scales: scales)
            return output
        case .convolutionalRecurrent(let options):
            let layer = ConvolutionalLSTMLayer(options: options, parallel: parallel)
            let (output, state) = layer.forward(input(), pass.packed, weight: parameter(0), bias: parameter(1))
            pass.saved[id] = .convolutional(state)
            return output
        case .recurrent(let recurrence):
            let layer = RecurrentLayer(recurrence: recurrence, parallel: parallel)
            let (output, states) = layer.forward(input(), pass.packed, weights(of: recurrence, parameter))
            pass.saved[id] = .recurrent(states)
            return output
        case .convolution, .batchNormalization, .maxPooling, .averagePooling, .globalAveragePooling, .scaleChannels,
            .function, .multiply, .concatenation, .gatherChannels, .groupNormalization, .flatten, .channelScale,
            .responseNormalization, .tokens, .causalAttention, .latentAttention, .classToken, .tokenMean, .tokenMap:
            preconditionFailure("image nodes are rejected when the plan is created")
        }
    }

    /// The gradient of the output with respect to the input rows. `outputGradient`: weights of the outputs, such as 1
    /// for one class score; `[batch, class]`. Returns `[step, feature]` for each sequence, in the batch's original
    /// order.
    package func inputGradient(
        _ pass: ForwardPass, outputGradient: Tensor, _ parameters: ParameterVector
    ) -> [Tensor] {
        var unused = parameters
        return backward(pass, outputGradient: outputGradient, parameters, into: &unused, wantsInput: true)
    }

    /// Computes the gradients of a loss with respect to every parameter that the output depends on, and to the input
    /// rows. `outputGradient`: with respect to `pass.output`, `[batch, class]`. `result`: is overwritten with the
    /// gradient of the parameters. Returns the gradient of the rows if `wantsInput`, for each sequence in the batch's
    /// original order.
    @discardableResult package func backward(
        _ pass: ForwardPass, outputGradient: Tensor, _ parameters: ParameterVector,
        into result: inout ParameterVector, wantsInput: Bool = false
    ) -> [Tensor] {
        var gradients: [Graph.NodeID: Matrix] = [output: Matrix(pass.packed.packed(outputGradient))]
        var ofInput: Matrix?
        let slots = parameters.slots
        result.withMutablePointer { target in
            parameters.withPointer { values in
                for id in order.reversed() {
                    guard let gradient = gradients.removeValue(forKey: id) else { continue }
                    if wantsInput, graph[id].operation == .input { ofInput = gradient }
                    let inputs = backward(id, gradient, pass, values, target, slots, wantsInput: wantsInput)
                    for (input, gradient) in zip(graph[id].inputs, inputs) {
                        guard let gradient else { continue }
                        gradients[input] = gradients[input].map { $0.combined(gradient, +) } ?? gradient
                    }
                }
            }
        }
        return ofInput.map(pass.packed.sequences) ?? []
    }

    /// Gradients of the node's inputs; nil for the graph's input if it is not needed.
    private func backward(
        _ id: Graph.NodeID, _ gradient: Matrix, _ pass: ForwardPass, _ parameters: UnsafePointer<Float>,
        _ gradients: UnsafeMutablePointer<Float>, _ slots: [ParameterVector.Slot], wantsInput wanted: Bool
    ) -> [Matrix?] {
        let node = graph[id]
        func input(_ index: Int = 0) -> Matrix { pass.values[node.inputs[index]]! }
        func parameter(_ index: Int) -> UnsafePointer<Float> { parameters + slots[node.parameters[index]].offset }
        func target(_ index: Int) -> UnsafeMutablePointer<Float> { gradients + slots[node.parameters[index]].offset }
        var wantsInput: Bool { wanted || graph[node.inputs[0]].operation != .input }
        switch (node.operation, pass.saved[id]) {
        case (.input, _): return []
        case (.linear, _):
            return [
                LinearLayer.backward(
                    gradient, input: input(), weight: parameter(0), weightGradient: target(0), biasGradient: target(1),
                    wantsInput: wantsInput, parallel)
            ]
        case (.activation(let activation), _):
            return [activation.backward(gradient, input: input(), output: pass.values[id]!)]
        case (.add, _): return [gradient, gradient]
        case (.dropout, .mask(let mask)):
            return [gradient.combined(mask, *)]
        case (.dropout, _): return [gradient]
        case (.sequenceMean, _): return [SequenceMeanLayer.backward(gradient, pass.packed)]
        case (.unitLength, _):
            return [UnitLengthLayer.backward(gradient, input: input(), output: pass.values[id]!)]
        case (.sequenceMax, _):
            return [SequenceMaxLayer.backward(gradient, input: input(), output: pass.values[id]!, pass.packed)]
        case (.finalState(let bidirectional), _):
            return [FinalStateLayer.backward(gradient, pass.packed, bidirectional: bidirectional)]
        case (.positions(let maximum), _):
            PositionLayer.backward(gradient, pass.packed, places: maximum, tableGradient: target(0))
            return [gradient]
        case (.spatialMean(let channels), _):
            return [SpatialMeanLayer.backward(gradient, pixels: input().columns / channels)]
        case (.attentionPooling, .pooling(let weights)?):
            let (inputs, scores) = AttentionPoolingLayer.backward(
                gradient, input: input(0), weights: weights, pass.packed)
            return [inputs, scores]
        case (.selfAttention(let heads), .attention(let weights)?):
            let layer = SelfAttentionLayer(heads: heads, parallel: parallel)
            return [layer.backward(gradient, input: input(), weights, pass.packed)]
        case (.layerNormalization, .normalized(let normalized, let scales)?):
            return [
                LayerNormalizationLayer.backward(
                    gradient, normalized: normalized, scales: scales, weight: parameter(0), weightGradient: target(0),
                    biasGradient: target(1))
            ]
        case (.convolutionalRecurrent(let options), .convolutional(let state)?):
            return [
                ConvolutionalLSTMLayer(options: options, parallel: parallel).backward(
                    gradient, input: input(), pass.packed, state, weight: parameter(0), weightGradient: target(0),
                    biasGradient: target(1), wantsInput: wantsInput)
            ]
        case (.recurrent(let recurrence), .recurrent(let states)?):
            let gradients = (0..<recurrence.directions).map { RecurrentLayer.Gradients(direction: $0, target) }
            return [
                RecurrentLayer(recurrence: recurrence, parallel: parallel).backward(
                    gradient, input: input(), pass.packed, states, weights(of: recurrence, parameter), gradients,
                    wantsInput: wantsInput)
            ]
        default: preconditionFailure("\(node.name) was not computed forward, or is an image node")
        }
    }

    private func weights(
        of recurrence: Recurrence, _ parameter: (Int) -> UnsafePointer<Float>
    ) -> [RecurrentLayer.Weights] {
        (0..<recurrence.directions).map { RecurrentLayer.Weights(direction: $0, parameter) }
    }
}

extension PackedSequences {
    /// Reorders rows from packed order to the batch's order.
    fileprivate func unpacked(_ rows: Tensor) -> Tensor {
        rows.reordered(order.enumerated().map { (from: $0, to: $1) })
    }

    /// Reorders rows from the batch's order to packed order.
    fileprivate func packed(_ rows: Tensor) -> Tensor {
        rows.reordered(order.enumerated().map { (from: $1, to: $0) })
    }

    /// Reorders one value per row from packed order to a list for each sequence, in the batch's order.
    fileprivate func unpacked(_ numbers: [Float]) -> [[Float]] {
        var result = Array(repeating: [Float](), count: order.count)
        for (place, index) in order.enumerated() {
            result[index] = (0..<lengths[place]).map { numbers[row(place, $0)] }
        }
        return result
    }

    /// Splits rows in packed order into the sequences, in the batch's order.
    fileprivate func sequences(_ rows: Matrix) -> [Tensor] {
        var result = order.map { _ in Tensor(shape: [0, rows.columns]) }
        for (place, index) in order.enumerated() {
            let values = (0..<lengths[place]).flatMap { step in
                UnsafeBufferPointer(start: rows.pointer + row(place, step) * rows.columns, count: rows.columns)
            }
            result[index] = Tensor(shape: [lengths[place], rows.columns], values: values)
        }
        return result
    }
}

extension Tensor {
    fileprivate func reordered(_ places: [(from: Int, to: Int)]) -> Tensor {
        var result = self
        let size = shape[1]
        for (from, to) in places {
            result.values.replaceSubrange(to * size..<(to + 1) * size, with: values[from * size..<(from + 1) * size])
        }
        return result
    }
}
