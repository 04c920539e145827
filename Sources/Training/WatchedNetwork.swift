import Inference
import NeuralNetwork

/// A network of which one value is watched: what it was, and how much each of its numbers counts for the output. What
/// stands before the value runs as an inference plan. Used by one thread.
public final class WatchedNetwork {
    private let front: InferencePlan
    private let plan: ImageTrainingPlan
    private let parameters: NetworkParameters
    private let normalization: PixelNormalization
    private let watched: Graph.NodeID
    /// Rows and numbers of the watched value of one picture: `[pixel or token, channel]`.
    public let shape: (rows: Int, size: Int)

    /// - `output`: a name in `graph.outputs`.
    /// - `value`: another one, which everything behind it reads through, or the normalisation of such a value.
    /// - `batch`: pictures that the front part sees at once.
    /// - Throws: `PlanError`, `ArithmeticError`, or what the weights' source throws.
    public init(
        graph: Graph, output: String, watching value: String, batch: Int, weights: PackedWeights,
        normalization: PixelNormalization, arithmetic: Arithmetic = .f32
    ) throws {
        guard let node = graph.outputs[value] else {
            throw PlanError.unknownOutput(value, available: graph.outputs.keys.sorted())
        }
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
        plan = try ImageTrainingPlan(graph: rest, output: output, parameters: parameters, watching: watched)
        let own = graph[node].shape
        shape = (own.size / own.rowSize, own.rowSize)
        self.normalization = normalization
    }

    /// - Parameter pictures: each `[height, width, 3]`.
    /// - Returns: values of all nodes behind the front part, for `gradient`.
    /// - Throws: `ArithmeticError`.
    public func forward(_ pictures: [[UInt8]]) throws -> ImageTrainingPlan.ForwardPass {
        var values: [Float] = []
        for start in stride(from: 0, to: pictures.count, by: front.batch) {
            let part = Array(pictures[start..<min(start + front.batch, pictures.count)])
            values += try front.run(pictures: part, normalization: normalization).values
        }
        let rows = Tensor(shape: [pictures.count, values.count / max(1, pictures.count)], values: values)
        return try plan.forward(rows, parameters)
    }

    /// The watched value, `[picture, row, channel]`.
    public func value(_ pass: ImageTrainingPlan.ForwardPass) -> [Float] { pass.value(of: watched) }

    /// The gradient in the watched value of a sum over the output.
    ///
    /// - `outputGradient`: weights of the sum, `[picture, number]`.
    /// - Returns: `[picture, row, channel]`.
    /// - Throws: `ArithmeticError`.
    public func gradient(_ pass: ImageTrainingPlan.ForwardPass, outputGradient: Tensor) throws -> [Float] {
        var unused = parameters.trained
        return try plan.backward(pass, outputGradient: outputGradient, parameters, into: &unused) ?? []
    }
}
