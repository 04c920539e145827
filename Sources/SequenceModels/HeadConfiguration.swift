import NeuralNetwork

/// The `sequence.model` part of a pipeline: what turns a sequence of features into class scores.
public struct HeadConfiguration: Sendable, Equatable, Codable {
    /// The heads there are.
    public enum Kind: String, Sendable, CaseIterable, Codable {
        /// Mean over the frames, then linear.
        case average
        case gru, lstm, bilstm
    }

    /// Which head.
    public var kind: Kind
    /// Hidden size of each recurrent layer.
    public var hidden: [Int]
    /// Linear layer in front of the recurrent ones, without activation.
    public var projection: Int?
    /// Applied to the final state while training, from 0 to below 1.
    public var dropout: Double
    /// Linear layer with ReLU between the final state and the class scores.
    public var dense: Int?

    /// What is left out has the default of a pipeline file.
    public init(
        kind: Kind, hidden: [Int] = [64], projection: Int? = nil, dropout: Double = 0, dense: Int? = nil
    ) {
        self.kind = kind
        self.hidden = hidden
        self.projection = projection
        self.dropout = dropout
        self.dense = dense
    }

    /// The head as a graph: sequence `[T, featureSize]` → `logits` `[classes]`. Parameter names are
    /// those of a PyTorch module with `projection`, `rnn`, `dense` and `fc`.
    public func graph(featureSize: Int, classes: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.input(.sequence(featureSize), name: "features")
        if let projection { x = builder.linear("projection", x, out: projection) }
        x = kind == .average ? builder.sequenceMean("mean", x) : recurrent(&builder, x)
        if dropout > 0 { x = builder.dropout("dropout", x, rate: Float(dropout)) }
        if let dense { x = builder.activation(.relu, builder.linear("dense", x, out: dense)) }
        let logits = builder.linear("fc", x, out: classes)
        return builder.build(outputs: ["logits": logits])
    }

    private func recurrent(_ builder: inout GraphBuilder, _ input: Graph.NodeID) -> Graph.NodeID {
        let isBidirectional = kind == .bilstm
        var x = input
        for (layer, size) in hidden.enumerated() {
            let recurrence = Recurrence(
                cell: kind == .gru ? .gru : .lstm, hiddenSize: size, isBidirectional: isBidirectional)
            x = builder.recurrent("rnn", layer: layer, x, recurrence)
        }
        return builder.finalState("state", x, bidirectional: isBidirectional)
    }

    /// In one line, such as `gru 64` or `bilstm 256+256, projection 512`.
    public var summary: String {
        var parts = [
            kind == .average ? "average" : "\(kind.rawValue) \(hidden.map(String.init).joined(separator: "+"))"
        ]
        if let projection { parts.append("projection \(projection)") }
        if dropout > 0 { parts.append("dropout \(dropout)") }
        if let dense { parts.append("dense \(dense)") }
        return parts.joined(separator: ", ")
    }
}
