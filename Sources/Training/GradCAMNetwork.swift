import Inference
import NeuralNetwork

/// A network with access to one intermediate value and the gradient of the output with respect to it, for Grad-CAM. The
/// layers before the value run as an inference plan. Used by one thread.
package final class GradCAMNetwork {
    private let front: InferencePlan
    private let plan: DifferentiablePlan
    private let parameters: NetworkParameters
    private let normalization: PixelNormalization
    private let watched: Graph.NodeID
    /// Rows and elements of the watched value of one image: `[pixel or token, channel]`.
    package let shape: (rows: Int, size: Int)

    /// - `output`: a name in `graph.outputs`.
    /// - `value`: another output, on which all later nodes depend through it alone, or the normalisation of such a
    ///   value.
    /// - `batch`: images per run of the first part.
    /// - Throws: `PlanError`, `ArithmeticError`, or the weights' errors.
    package init(
        graph: Graph, output: String, watching value: String, batch: Int, weights: PackedWeights,
        normalization: PixelNormalization, arithmetic: Arithmetic = .f32
    ) throws {
        let node = try graph.node(of: value)
        let isNormalization = if case .layerNormalization = graph[node].operation { true } else { false }
        let boundary = isNormalization ? graph[node].inputs[0] : node
        front = try InferencePlan(
            graph: graph.prefix(to: boundary), output: "boundary", batch: batch, weights: weights,
            arithmetic: arithmetic)
        let rest = graph.suffix(from: boundary, output: output)
        guard let place = rest.nodes.firstIndex(where: { $0.name == graph[node].name }) else {
            throw PlanError.unsupported(node: graph[node].name)
        }
        watched = Graph.NodeID(index: place)
        parameters = try NetworkParameters(rest, from: weights.source) { _ in false }
        plan = try DifferentiablePlan(graph: rest, output: output, parameters: parameters, watching: watched)
        let own = graph[node].shape
        shape = (own.size / own.rowSize, own.rowSize)
        self.normalization = normalization
    }

    /// `images`: each `[height, width, 3]`. Returns values of all nodes after the first part, for `gradient`. Throws
    /// `ArithmeticError`.
    package func forward(_ images: [[UInt8]]) throws -> DifferentiablePlan.ForwardPass {
        let values = try front.run(all: images, normalization: normalization)
        let rows = Tensor(shape: [images.count, values.count / max(1, images.count)], values: values)
        return try plan.forward(rows, parameters)
    }

    /// The watched value, `[image, row, channel]`.
    package func value(_ pass: DifferentiablePlan.ForwardPass) -> [Float] { pass.value(of: watched) }

    /// The gradient of a weighted sum of the outputs with respect to the watched value. `outputGradient`: weights of
    /// the sum, `[image, feature]`. Returns `[image, row, channel]`. Throws `ArithmeticError`.
    package func gradient(_ pass: DifferentiablePlan.ForwardPass, outputGradient: Tensor) throws -> [Float] {
        var unused = parameters.trained
        return try plan.backward(pass, outputGradient: outputGradient, parameters, into: &unused) ?? []
    }
}
