/// A network as data: nodes in topological order, with parameter names equal to the published
/// checkpoints'. Nothing in a graph computes; `InferencePlan` and `TrainingPlan` do.
public struct Graph: Sendable, Equatable {
    /// Every node after the nodes it reads.
    public internal(set) var nodes: [Node] = []
    /// Parameters in the order the builder met them.
    public internal(set) var parameters: [Parameter] = []
    /// Named nodes whose values a plan can be asked for, such as `pooled`.
    public internal(set) var outputs: [String: NodeID] = [:]

    /// A graph without nodes.
    public static let empty = Graph()

    /// A node's place in `nodes`.
    public struct NodeID: Hashable, Sendable {
        /// Place in `nodes`.
        public let index: Int

        package init(index: Int) { self.index = index }
    }

    /// One step of the computation.
    public struct Node: Sendable, Equatable {
        /// The published module name, such as `layer1.0.conv1`; made up where none is published.
        public let name: String
        /// What it does.
        public let operation: Operation
        /// Nodes whose values it reads.
        public let inputs: [NodeID]
        /// The value's shape, without the batch dimension.
        public let shape: Shape
        /// Indices into `Graph.parameters`, in the order the operation documents.
        public let parameters: [Int]
    }

    /// What one example's value looks like.
    public enum Shape: Sendable, Equatable, CustomStringConvertible {
        case image(channels: Int, height: Int, width: Int)
        /// Neighbouring frames of a video.
        case clip(channels: Int, frames: Int, height: Int, width: Int)
        case vector(Int)
        /// One vector a time step; lengths differ from example to example.
        case sequence(Int)
        /// So many vectors of `size` numbers: patches of a picture and what stands before them.
        case tokens(count: Int, size: Int)

        /// Such as `64×56×56`, `64×16×56×56` for frames, `197×768` for tokens, or `T×512` for a sequence.
        public var description: String {
            switch self {
            case .image(let channels, let height, let width): "\(channels)×\(height)×\(width)"
            case .clip(let channels, let frames, let height, let width): "\(channels)×\(frames)×\(height)×\(width)"
            case .vector(let size): "\(size)"
            case .sequence(let size): "T×\(size)"
            case .tokens(let count, let size): "\(count)×\(size)"
            }
        }

        /// Numbers in one example; in one step of one example for sequences.
        public var size: Int {
            switch self {
            case .image(let channels, let height, let width): channels * height * width
            case .clip(let channels, let frames, let height, let width): channels * frames * height * width
            case .vector(let size), .sequence(let size): size
            case .tokens(let count, let size): count * size
            }
        }

        /// The same picture or frames with so many channels.
        func with(channels: Int) -> Shape {
            switch self {
            case .image(_, let height, let width): .image(channels: channels, height: height, width: width)
            case .clip(_, let frames, let height, let width):
                .clip(channels: channels, frames: frames, height: height, width: width)
            default: self
            }
        }

        /// Numbers that belong together: the channels of a pixel, the numbers of a token, a step or a vector.
        public var rowSize: Int {
            switch self {
            case .image(let channels, _, _), .clip(let channels, _, _, _): channels
            case .vector(let size), .sequence(let size), .tokens(_, let size): size
            }
        }
    }

    /// A learned tensor or a running statistic.
    public struct Parameter: Sendable, Equatable {
        /// As in the published checkpoint.
        public let name: String
        /// As in the published checkpoint, outermost dimension first.
        public let shape: [Int]
        /// How `weights: random` fills it.
        public let initializer: Initializer
        /// False for running statistics, which are stored in checkpoints but not counted as parameters.
        public let isTrainable: Bool

        /// All parts, as they are.
        public init(name: String, shape: [Int], initializer: Initializer, isTrainable: Bool) {
            (self.name, self.shape) = (name, shape)
            (self.initializer, self.isTrainable) = (initializer, isTrainable)
        }

        /// Numbers in it.
        public var count: Int { shape.reduce(1, *) }
    }

    /// Parameters are drawn evenly from `centre ± spread`; see `RandomParameters`.
    public struct Initializer: Sendable, Equatable {
        /// Middle of the range.
        public let centre: Float
        /// Half the width of the range.
        public let spread: Float

        /// Evenly from `centre − spread` to `centre + spread`.
        public init(centre: Float = 0, spread: Float) {
            self.centre = centre
            self.spread = spread
        }

        /// He et al. 2015: keeps the variance through a layer followed by ReLU.
        static func he(fanIn: Int) -> Initializer {
            Initializer(spread: Float((6 / Double(fanIn)).squareRoot()))
        }

        /// ±1/√fanIn, PyTorch's choice for linear and recurrent layers.
        public static func fan(_ fanIn: Int) -> Initializer {
            Initializer(spread: Float(1 / Double(fanIn).squareRoot()))
        }
    }

    /// The node and everything it depends on, in order.
    public func ancestry(of output: NodeID) -> [NodeID] {
        var needed = Set([output])
        for index in nodes.indices.reversed() where needed.contains(NodeID(index: index)) {
            needed.formUnion(nodes[index].inputs)
        }
        return nodes.indices.map(NodeID.init(index:)).filter(needed.contains)
    }

    package subscript(id: NodeID) -> Node { nodes[id.index] }
}
