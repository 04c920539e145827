import Inference
import NeuralNetwork

/// A network of which the front part is frozen: that part runs as an inference plan, the rest is trained. Used by one
/// thread.
public final class PartlyFrozenNetwork {
    /// What is trained, and what stands between: only the nodes behind the boundary.
    public var parameters: NetworkParameters
    /// Numbers in the value that the trained part reads, of one picture.
    public let boundarySize: Int
    /// Whether some of the network runs as an inference plan.
    public var hasFrozenPart: Bool { frozen != nil }
    private let frozen: InferencePlan?
    private let plan: ImageTrainingPlan
    private let normalization: PixelNormalization
    private let picture: Int

    /// - `output`: a name in `graph.outputs`.
    /// - `source`: of all parameters.
    /// - `trains`: whether a parameter is trained.
    /// - `batch`: pictures that the frozen part sees at once.
    /// - `tuning`: what is known of kernels on this machine.
    /// - Throws: `PlanError`, `ArithmeticError`, or what the source throws.
    public init(
        graph: Graph, output: String, source: any ParameterSource, normalization: PixelNormalization, batch: Int = 16,
        tuning: KernelTuning? = nil, trains: (Graph.Parameter) -> Bool
    ) throws {
        guard let node = graph.outputs[output] else {
            throw PlanError.unknownOutput(output, available: graph.outputs.keys.sorted())
        }
        let boundary = graph.boundary(output: node, trains: trains)
        frozen =
            graph[boundary].operation == .input
            ? nil
            : try InferencePlan(
                graph: graph.prefix(to: boundary), output: "boundary", batch: batch, weights: PackedWeights(source),
                tuning: tuning)
        let rest = graph.suffix(from: boundary, output: output)
        parameters = try NetworkParameters(rest, from: source, trains: trains)
        plan = try ImageTrainingPlan(graph: rest, output: output, parameters: parameters)
        boundarySize = rest.nodes[0].shape.size
        self.normalization = normalization
        picture = graph.nodes[0].shape.size
    }

    /// What the trained part reads, of pictures of 8-bit RGB `[row, column, 3]` each.
    ///
    /// - Returns: `[picture, number]`.
    public func boundary(_ pictures: [[UInt8]]) throws -> Tensor {
        var values: [Float] = []
        values.reserveCapacity(pictures.count * boundarySize)
        if let frozen {
            for start in stride(from: 0, to: pictures.count, by: frozen.batch) {
                let part = Array(pictures[start..<min(start + frozen.batch, pictures.count)])
                values += try frozen.run(pictures: part, normalization: normalization).values
            }
        } else {
            values = [Float](unsafeUninitializedCapacity: pictures.count * picture) { buffer, count in
                for (index, pixels) in pictures.enumerated() {
                    precondition(pixels.count == picture)
                    pixels.withUnsafeBufferPointer {
                        normalization.apply(to: $0, into: buffer.baseAddress! + index * picture)
                    }
                }
                count = pictures.count * picture
            }
        }
        return Tensor(shape: [pictures.count, boundarySize], values: values)
    }

    /// - `rows`: what `boundary` gave.
    public func forward(_ rows: Tensor, dropout: RandomParameters?) throws -> ImageTrainingPlan.ForwardPass {
        try plan.forward(rows, parameters, dropout: dropout)
    }

    /// The gradient of a loss in every trained parameter.
    public func backward(
        _ pass: ImageTrainingPlan.ForwardPass, outputGradient: Tensor, into result: inout ParameterVector
    ) throws {
        try plan.backward(pass, outputGradient: outputGradient, parameters, into: &result)
    }

    /// Moves the running statistics towards the batch's.
    public func updateStatistics(_ pass: ImageTrainingPlan.ForwardPass) { plan.updateStatistics(pass, &parameters) }
}
