import Inference
import NeuralNetwork

/// A network whose first layers are frozen: they run as an inference plan, and the remainder is trained. Used by one
/// thread.
package final class PartlyFrozenNetwork {
    /// Parameters of the nodes after the boundary, trained or frozen.
    package var parameters: NetworkParameters
    /// Elements per image of the value that the trained part reads.
    package let boundarySize: Int
    /// Whether part of the network runs as an inference plan.
    package var hasFrozenPart: Bool { frozen != nil }
    private let frozen: InferencePlan?
    private let plan: DifferentiablePlan
    private let normalization: PixelNormalization
    private let inputSize: Int

    /// - `output`: a name in `graph.outputs`.
    /// - `source`: of all parameters.
    /// - `trains`: whether a parameter is trained.
    /// - `batch`: images per run of the frozen part.
    /// - `tuning`: measured kernel times of this machine.
    /// - Throws: `PlanError`, `ArithmeticError`, or the source's errors.
    package init(
        graph: Graph, output: String, source: any ParameterSource, normalization: PixelNormalization, batch: Int = 16,
        tuning: KernelTuning? = nil, trains: (Graph.Parameter) -> Bool
    ) throws {
        let node = try graph.node(of: output)
        let boundary = graph.boundary(output: node, trains: trains)
        frozen =
            graph[boundary].operation == .input
            ? nil
            : try InferencePlan(
                graph: graph.prefix(to: boundary), output: "boundary", batch: batch, weights: PackedWeights(source),
                tuning: tuning)
        let rest = graph.suffix(from: boundary, output: output)
        parameters = try NetworkParameters(rest, from: source, trains: trains)
        plan = try DifferentiablePlan(graph: rest, output: output, parameters: parameters)
        boundarySize = rest.nodes[0].shape.size
        self.normalization = normalization
        inputSize = graph.nodes[0].shape.size
    }

    /// The input of the trained part for images in 8-bit RGB `[row, column, 3]`. Returns `[image, element]`.
    package func boundary(_ images: [[UInt8]]) throws -> Tensor {
        let values: [Float]
        if let frozen {
            values = try frozen.run(all: images, normalization: normalization)
        } else {
            values = [Float](unsafeUninitializedCapacity: images.count * inputSize) { buffer, count in
                for (index, pixels) in images.enumerated() {
                    precondition(pixels.count == inputSize)
                    pixels.withUnsafeBufferPointer {
                        normalization.apply(to: $0, into: buffer.baseAddress! + index * inputSize)
                    }
                }
                count = images.count * inputSize
            }
        }
        return Tensor(shape: [images.count, boundarySize], values: values)
    }

    /// - `rows`: the result of `boundary`.
    package func forward(_ rows: Tensor, dropout: RandomParameters?) throws -> DifferentiablePlan.ForwardPass {
        try plan.forward(rows, parameters, dropout: dropout)
    }

    /// Computes the gradient of a loss with respect to every trained parameter.
    package func backward(
        _ pass: DifferentiablePlan.ForwardPass, outputGradient: Tensor, into result: inout ParameterVector
    ) throws {
        try plan.backward(pass, outputGradient: outputGradient, parameters, into: &result)
    }

    package func updateStatistics(_ pass: DifferentiablePlan.ForwardPass) { plan.updateStatistics(pass, &parameters) }
}
