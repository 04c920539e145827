import Foundation

/// A network as data: nodes in topological order, with the parameter names of the published checkpoints.
/// `InferencePlan` and `TrainingPlan` execute it.
package struct Graph: Sendable, Equatable {
    package internal(set) var nodes: [Node] = [], parameters: [Parameter] = []
    /// Named nodes whose values a plan can return, such as `pooled`.
    package internal(set) var outputs: [String: NodeID] = [:]

    package static let empty = Graph()

    package struct NodeID: Hashable, Sendable {
        package let index: Int

        package init(index: Int) { self.index = index }
    }

    package struct Node: Sendable, Equatable {
        /// The published module name, such as `layer1.0.conv1`, or a generated one for operations without.
        package let name: String
        package let operation: Operation
        package let inputs: [NodeID]
        /// Shape of the node's value, without the batch dimension.
        package let shape: Shape
        /// Indices into `Graph.parameters`, in the order the operation documents.
        package let parameters: [Int]
    }

    /// Shape of one example's value.
    package enum Shape: Sendable, Equatable, CustomStringConvertible {
        case image(channels: Int, height: Int, width: Int)
        /// Consecutive frames of a video.
        case clip(channels: Int, frames: Int, height: Int, width: Int)
        case vector(Int)
        /// One vector per time step; the number of steps differs between examples.
        case sequence(Int)
        /// `count` vectors of `size` elements: image patches and the tokens prepended to them.
        case tokens(count: Int, size: Int)

        /// Such as `64×56×56`, `64×16×56×56` for frames, `197×768` for tokens, or `T×512` for a sequence.
        package var description: String {
            switch self {
            case .image(let channels, let height, let width): "\(channels)×\(height)×\(width)"
            case .clip(let channels, let frames, let height, let width): "\(channels)×\(frames)×\(height)×\(width)"
            case .vector(let size): "\(size)"
            case .sequence(let size): "T×\(size)"
            case .tokens(let count, let size): "\(count)×\(size)"
            }
        }

        /// Elements in one example, or in one step of a sequence.
        package var size: Int {
            switch self {
            case .image(let channels, let height, let width): channels * height * width
            case .clip(let channels, let frames, let height, let width): channels * frames * height * width
            case .vector(let size), .sequence(let size): size
            case .tokens(let count, let size): count * size
            }
        }

        /// The shape with another size of the innermost dimension.
        package func with(rowSize: Int) -> Shape {
            switch self {
            case .image(_, let height, let width): .image(channels: rowSize, height: height, width: width)
            case .clip(_, let frames, let height, let width):
                .clip(channels: rowSize, frames: frames, height: height, width: width)
            case .vector: .vector(rowSize)
            case .sequence: .sequence(rowSize)
            case .tokens(let count, _): .tokens(count: count, size: rowSize)
            }
        }

        /// Size of the innermost dimension: channels of a pixel, or elements of a token, step or vector.
        package var rowSize: Int {
            switch self {
            case .image(let channels, _, _), .clip(let channels, _, _, _): channels
            case .vector(let size), .sequence(let size), .tokens(_, let size): size
            }
        }
    }

    /// A trained tensor or a running statistic.
    package struct Parameter: Sendable, Equatable {
        package let name: String
        /// Outermost dimension first, as in the published checkpoint.
        package let shape: [Int]
        package let initializer: Initializer
        /// False for running statistics, which are stored in checkpoints but not counted as parameters.
        package let isTrainable: Bool

        package init(name: String, shape: [Int], initializer: Initializer, isTrainable: Bool) {
            (self.name, self.shape) = (name, shape)
            (self.initializer, self.isTrainable) = (initializer, isTrainable)
        }

        package var count: Int { shape.reduce(1, *) }
    }

    /// A uniform distribution over `centre ± spread`; see `RandomParameters`.
    package struct Initializer: Sendable, Equatable {
        package let centre: Float
        /// Half the width of the range.
        package let spread: Float

        package init(centre: Float = 0, spread: Float) { (self.centre, self.spread) = (centre, spread) }

        /// Kaiming initialisation (He et al. 2015), which keeps the variance through a layer followed by ReLU.
        static func he(fanIn: Int) -> Initializer { Initializer(spread: Float((6 / Double(fanIn)).squareRoot())) }

        /// ±1/√fanIn, PyTorch's default for linear and recurrent layers.
        package static func fan(_ fanIn: Int) -> Initializer {
            Initializer(spread: Float(1 / Double(fanIn).squareRoot()))
        }
    }

    /// The node and everything that it depends on, in topological order.
    package func ancestry(of output: NodeID) -> [NodeID] {
        var needed = Set([output])
        for index in nodes.indices.reversed() where needed.contains(NodeID(index: index)) {
            needed.formUnion(nodes[index].inputs)
        }
        return nodes.indices.map(NodeID.init(index:)).filter(needed.contains)
    }

    package subscript(id: NodeID) -> Node { nodes[id.index] }

    /// The node of an output. Throws `PlanError.unknownOutput`.
    package func node(of output: String) throws -> NodeID {
        if let node = outputs[output] { return node }
        throw PlanError.unknownOutput(output, available: outputs.keys.sorted())
    }
}

package enum PlanError: LocalizedError, Equatable {
    case unsupported(node: String), unknownOutput(String, available: [String])

    package var errorDescription: String? {
        switch self {
        case .unsupported(let node): "The node \(node) cannot run in an inference plan. Use a training plan for heads."
        case .unknownOutput(let name, let available):
            "The network has no output \(name); it has \(available.joined(separator: ", ")). Name one of these as "
                + "`extract.tap`."
        }
    }
}

/// Channels and size of a value; vectors are images of one pixel. If no window spans several frames, frames count as
/// images of the batch: with channels last their memory layout is the same.
package struct ImageShape {
    package var size: Int { channels * pixels }
    package var pixels: Int { frames * height * width }
    package let channels, frames, height, width: Int

    package init(_ shape: Graph.Shape) {
        switch shape {
        case .clip(let channels, let frames, let height, let width):
            (self.channels, self.frames, self.height, self.width) = (channels, frames, height, width)
        case .image(let channels, let height, let width):
            (self.channels, frames, self.height, self.width) = (channels, 1, height, width)
        case .vector(let size), .sequence(let size): (channels, frames, height, width) = (size, 1, 1, 1)
        case .tokens(let count, let size): (channels, frames, height, width) = (size, 1, count, 1)
        }
    }
}

extension Graph.Shape {
    /// Whether it is an image or consecutive frames, rather than a vector.
    package var isImage: Bool { if case .image = self { true } else { isClip } }

    package var isClip: Bool { if case .clip = self { true } else { false } }
}
