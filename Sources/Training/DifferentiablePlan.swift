import Inference
import NeuralNetwork

/// Executes a graph of images or tokens forward and backward on batches. Normalisations use batch statistics if they
/// are trained and running statistics if they are frozen. Backward stops where no earlier parameter is trained. Images
/// are `[row, column, channel]`. Used by one thread, which sets oneDNN's number of threads.
package final class DifferentiablePlan {
    package let graph: Graph
    private let output: Graph.NodeID
    private let order: [Graph.NodeID]
    let isTrained: [Bool]
    /// Nodes that are trained or that depend on a trained parameter.
    let needsGradient: Set<Graph.NodeID>
    /// Normalisations that are fused with the ReLU that follows.
    let rectifying: Set<Graph.NodeID>
    private let watched: Graph.NodeID?
    let context: Context
    /// Layers of oneDNN, by batch size.
    var layers: [Int: [Graph.NodeID: AnyObject]] = [:]

    /// - `output`: a name in `graph.outputs`.
    /// - `parameters`: defines which are trained.
    /// - `watched`: a node whose gradient is needed although no earlier parameter is trained.
    /// - Throws: `PlanError`, `ArithmeticError`.
    package init(
        graph: Graph, output: String, parameters: NetworkParameters, watching watched: Graph.NodeID? = nil
    ) throws {
        let node = try graph.node(of: output)
        self.graph = graph
        self.output = node
        let order = graph.ancestry(of: node)
        let isTrained = parameters.places.map(\.isTrained)
        var needs: Set<Graph.NodeID> = []
        var readers: [Graph.NodeID: [Graph.NodeID]] = [:]
        for id in order {
            let node = graph[id]
            if id == watched || node.parameters.contains(where: { isTrained[$0] })
                || node.inputs.contains(where: needs.contains)
            {
                needs.insert(id)
            }
            for input in node.inputs { readers[input, default: []].append(id) }
        }
        rectifying = Set(
            order.filter { id in
                guard case .batchNormalization = graph[id].operation, id != node,
                    graph[id].parameters.contains(where: { isTrained[$0] }), let reader = readers[id], reader.count == 1
                else { return false }
                return graph[reader[0]].operation == .activation(.relu)
            })
        self.order = order
        self.isTrained = isTrained
        needsGradient = needs
        self.watched = watched
        context = try Context()
    }

    /// The values of every node for one batch, and the intermediate results for the backward pass.
    package struct ForwardPass {
        var values: [Graph.NodeID: Matrix] = [:]
        var saved: [Graph.NodeID: Saved] = [:]
        /// `[image, feature]`.
        package fileprivate(set) var output: Tensor

        func value(of node: Graph.NodeID) -> [Float] { values[node].map { Array($0.values) } ?? [] }
    }

    enum Saved {
        case workspace(AlignedBuffer?)
        case normalization(NormalizationLayer.State)
        case factors([Float])
        case mask(Matrix)
        case rows(Matrix, scales: [Float])
        case lengths(Matrix)
    }

    /// `images`: `[image, row · column · channel]`. `dropout`: random numbers for dropout; nil disables it. Throws
    /// `ArithmeticError`, `PlanError` for unsupported nodes.
    package func forward(
        _ images: Tensor, _ parameters: NetworkParameters, dropout: RandomParameters? = nil
    ) throws -> ForwardPass {
        var pass = ForwardPass(output: Tensor(shape: [0, 0]))
        let input = Matrix(images)
        try parameters.withPointers { parameter in
            for id in order {
                pass.values[id] =
                    graph[id].operation == .input ? input : try evaluate(id, &pass, parameter, dropout)
            }
        }
        guard let result = pass.values[output] else { return pass }
        pass.output = result.tensor
        return pass
    }

    private func evaluate(
        _ id: Graph.NodeID, _ pass: inout ForwardPass, _ parameters: (Int) -> UnsafePointer<Float>,
        _ dropout: RandomParameters?
    ) throws -> Matrix {
        let node = graph[id]
        let inputs = node.inputs.compactMap { pass.values[$0] }
        let input = inputs[0]
        func parameter(_ index: Int) -> UnsafePointer<Float> { parameters(node.parameters[index]) }
        switch node.operation {
        case .convolution(let options):
            guard let layer: ConvolutionLayer = try layer(id, batch: input.rows) else { break }
            return try layer.forward(input, weight: parameter(0), bias: options.hasBias ? parameter(1) : nil)
        case .batchNormalization(let epsilon, let hasScale):
            return try normalize(id, input, &pass, parameter, epsilon: epsilon, hasScale: hasScale)
        case .activation(let activation):
            return rectifying.contains(node.inputs[0]) ? input : activation.apply(input)
        case .add: return input.combined(inputs[1], +)
        case .scaleChannels: return ChannelScaleLayer.forward(input, scales: inputs[1])
        case .concatenation: return ConcatenationLayer.forward(inputs, pixels: pixels(id))
        case .maxPooling, .averagePooling:
            guard let layer: PoolingLayer = try layer(id, batch: input.rows) else { break }
            let (result, workspace) = try layer.forward(input)
            pass.saved[id] = .workspace(workspace)
            return result
        case .globalAveragePooling: return SpatialMeanLayer.forward(input, channels: node.shape.size)
        case .flatten: return input
        case .linear(let out):
            let rows = input.inRows(of: rowSize(node.inputs[0]))
            let bias = node.parameters.count > 1 ? parameter(1) : nil
            return LinearLayer.forward(rows, weight: parameter(0), bias: bias, out: out, .none)
                .inRows(of: node.shape.size)
        case .dropout(let rate):
            guard let dropout, rate > 0 else { return input }
            let mask = input.dropoutMask(rate, dropout, node.name)
            pass.saved[id] = .mask(mask)
            return input.combined(mask, *)
        default:
            let (result, saved) = try tokens(node, input, (0..<node.parameters.count).map(parameter))
            pass.saved[id] = saved
            return result
        }
        throw PlanError.unsupported(node: node.name)
    }

    private func rowSize(_ id: Graph.NodeID) -> Int { graph[id].shape.rowSize }

    private func pixels(_ id: Graph.NodeID) -> Int { ImageShape(graph[id].shape).pixels }

    /// Computes the gradient of a loss with respect to every trained parameter. `outputGradient`: with respect to
    /// `pass.output`. `result`: is overwritten with the gradient. Returns the gradient with respect to the watched
    /// node, if there is one. Throws `ArithmeticError`.
    @discardableResult package func backward(
        _ pass: ForwardPass, outputGradient: Tensor, _ parameters: NetworkParameters, into result: inout ParameterVector
    ) throws -> [Float]? {
        var seen: [Float]?
        var gradients: [Graph.NodeID: Matrix] = [output: Matrix(outputGradient)]
        let places = parameters.places
        try result.withMutablePointer { target in
            try parameters.withPointers { parameter in
                for id in order.reversed() where needsGradient.contains(id) {
                    guard let gradient = gradients.removeValue(forKey: id) else { continue }
                    if id == watched { seen = Array(gradient.values) }
                    if graph[id].operation == .input { continue }
                    let inputs = try backward(id, gradient, pass, parameter) { index in
                        places[index].isTrained ? target + places[index].offset : nil
                    }
                    for (input, gradient) in zip(graph[id].inputs, inputs) where needsGradient.contains(input) {
                        guard let gradient else { continue }
                        gradients[input] = gradients[input].map { $0.combined(gradient, +) } ?? gradient
                    }
                }
            }
        }
        return seen
    }

    /// The gradients of the node's inputs that are needed.
    private func backward(
        _ id: Graph.NodeID, _ gradient: Matrix, _ pass: ForwardPass, _ parameters: (Int) -> UnsafePointer<Float>,
        _ targets: (Int) -> UnsafeMutablePointer<Float>?
    ) throws -> [Matrix?] {
        let node = graph[id]
        let inputs = node.inputs.compactMap { pass.values[$0] }
        func parameter(_ index: Int) -> UnsafePointer<Float> { parameters(node.parameters[index]) }
        func target(_ index: Int) -> UnsafeMutablePointer<Float>? { targets(node.parameters[index]) }
        switch (node.operation, pass.saved[id]) {
        case (.convolution(let options), _):
            guard let layer: ConvolutionLayer = try layer(id, batch: gradient.rows) else { break }
            return [
                try layer.backward(
                    gradient, input: inputs[0], weight: parameter(0), weightGradient: target(0),
                    biasGradient: options.hasBias ? target(1) : nil)
            ]
        case (.batchNormalization(_, let hasScale), .normalization(let state)?):
            return [try normalizeBackward(id, gradient, inputs[0], state, parameter, target, hasScale: hasScale)]
        case (.batchNormalization, .factors(let factors)?):
            return [gradient.mapChannels(factors.count) { $0 * factors[$1] }]
        case (.activation(let activation), _):
            if rectifying.contains(node.inputs[0]) { return [gradient] }
            guard let output = pass.values[id] else { break }
            return [activation.backward(gradient, input: inputs[0], output: output)]
        case (.add, _): return [gradient, gradient]
        case (.scaleChannels, _):
            let (input, scales) = ChannelScaleLayer.backward(gradient, input: inputs[0], scales: inputs[1])
            return [input, scales]
        case (.concatenation, _):
            let pixels = pixels(id)
            return ConcatenationLayer.backward(gradient, channels: inputs.map { $0.columns / pixels }, pixels: pixels)
        case (.maxPooling, .workspace(let workspace)?), (.averagePooling, .workspace(let workspace)?):
            guard let layer: PoolingLayer = try layer(id, batch: gradient.rows) else { break }
            return [try layer.backward(gradient, workspace: workspace)]
        case (.globalAveragePooling, _): return [SpatialMeanLayer.backward(gradient, pixels: pixels(node.inputs[0]))]
        case (.flatten, _): return [gradient]
        case (.linear(let out), _):
            return [
                LinearLayer.backward(
                    gradient.inRows(of: out), input: inputs[0].inRows(of: rowSize(node.inputs[0])),
                    weight: parameter(0), weightGradient: target(0),
                    biasGradient: node.parameters.count > 1 ? target(1) : nil,
                    wantsInput: needsGradient.contains(node.inputs[0]), .none
                )?.inRows(of: graph[node.inputs[0]].shape.size)
            ]
        case (.dropout, .mask(let mask)?): return [gradient.combined(mask, *)]
        case (.dropout, _): return [gradient]
        default:
            let places = 0..<node.parameters.count
            return [try tokens(node, gradient, inputs[0], pass.saved[id], places.map(parameter), places.map(target))]
        }
        throw PlanError.unsupported(node: node.name)
    }
}
