import Files
import NeuralNetwork

/// The `sequence.model` part of a pipeline: what turns a sequence of features into class scores.
public struct HeadConfiguration: Sendable, Equatable, Codable {
    /// The heads there are.
    public enum Kind: String, Sendable, CaseIterable, Codable {
        case frame, average, max, gru, bigru, lstm, bilstm, convlstm, attention, transformer
        case zeroShot = "zero_shot"
        case linearProbe = "linear_probe"

        /// What it does, in a line.
        public var summary: String {
            switch self {
            case .frame: "linear, trained on single frames; a video gets the mean of its frames' probabilities"
            case .average: "mean over the frames, then linear"
            case .max: "largest value over the frames, then linear"
            case .gru: "gated recurrent units (Cho et al. 2014), the state after the last frame, then linear"
            case .bigru: "the same in both directions"
            case .lstm: "long short-term memory (Hochreiter and Schmidhuber 1997), the last state, then linear"
            case .bilstm: "the same in both directions"
            case .convlstm: "an LSTM whose products are 3×3 convolutions (Shi et al. 2015), mean over the map, linear"
            case .attention: "mean over the frames weighted by a learned score (Lin et al. 2017), then linear"
            case .transformer: "encoder with learned positions (Vaswani et al. 2017), mean over the frames, linear"
            case .zeroShot:
                "mean direction of the frames beside what CLIP or SigLIP makes of the classes' names; untrained"
            case .linearProbe: "the same, trained from there on (Radford et al. 2021)"
            }
        }

        /// Keys of `sequence.model` that mean something to it.
        public var options: [String] {
            switch self {
            case .frame, .average, .max: ["projection", "dropout", "dense"]
            case .gru, .bigru, .lstm, .bilstm: ["hidden", "layers", "projection", "dropout", "dense"]
            case .convlstm: ["hidden", "dropout", "dense"]
            case .attention: ["hidden", "projection", "dropout", "dense"]
            case .transformer: ["hidden", "layers", "heads", "feed_forward", "dropout", "dense"]
            case .zeroShot, .linearProbe: ["prompts", "templates", "text", "vocabulary"]
            }
        }

        /// Whether it reads maps (`tap: spatial`) and not vectors.
        public var readsMaps: Bool { self == .convlstm }

        /// Whether it begins with the classes' names.
        public var readsTexts: Bool { self == .zeroShot || self == .linearProbe }

        var isRecurrent: Bool { [.gru, .bigru, .lstm, .bilstm].contains(self) }
    }

    /// Which head.
    public var kind: Kind
    /// Hidden size of each recurrent layer; width of each encoder layer, all the same; channels of the
    /// convolutional LSTM; size of the layer that scores frames for attention.
    public var hidden: [Int]
    /// Linear layer in front of everything, without activation.
    public var projection: Int?
    /// Applied in front of the dense layer while training, and inside encoder layers; from 0 to below 1.
    public var dropout: Double
    /// Linear layer with ReLU in front of the class scores.
    public var dense: Int?
    /// Attention heads of a transformer; nil for 4.
    public var heads: Int?
    /// Hidden size between a transformer's two linear layers; nil for four times its width.
    public var feedForward: Int?

    /// What is meant by a class, where its name does not say it; for heads that begin with names.
    public var prompts: [String: [String]]?
    /// Sentences whose `{}` a name or prompt takes; nil for `a photo of {}.` around names, and prompts as they are.
    public var templates: [String]?
    /// The weight file that holds the text tower; nil for the recipe's own.
    public var text: String?
    /// The vocabulary published with it; nil for what lies beside it.
    public var vocabulary: String?

    /// What is left out has the default of a pipeline file.
    public init(
        kind: Kind, hidden: [Int] = [64], projection: Int? = nil, dropout: Double = 0, dense: Int? = nil,
        heads: Int? = nil, feedForward: Int? = nil
    ) {
        self.kind = kind
        self.hidden = kind.options.contains("hidden") ? hidden : []
        self.projection = projection
        self.dropout = dropout
        self.dense = dense
        self.heads = heads
        self.feedForward = feedForward
    }

    /// What a head reads: features of one shape, in sequences up to a length.
    public struct Input: Sendable, Equatable, Codable {
        /// `[D]`, or `[height, width, channels]`.
        public var shape: [Int]
        /// Frames in the longest sequence.
        public var maximumLength: Int

        /// All parts, as they are.
        public init(shape: [Int], maximumLength: Int) {
            self.shape = shape
            self.maximumLength = maximumLength
        }

        /// Values in one frame's features.
        public var featureSize: Int { shape.reduce(1, *) }

        /// The most frames in a sequence, and the largest dimension of features.
        private static let largest = 1 << 24

        /// - Parameter key: where it stands.
        /// - Throws: `InvalidValue` if no features are like this, or the head cannot read them.
        func validate(_ key: String, for model: HeadConfiguration) throws(InvalidValue) {
            try InvalidValue.check(maximumLength, key + ".maximumLength", in: 1...Self.largest)
            let rank = model.kind.readsMaps ? 3 : 1
            guard shape.count == rank else {
                throw InvalidValue(
                    key + ".shape", "has \(shape.count) dimensions, but the head \(model.kind.rawValue) reads \(rank)")
            }
            for (axis, size) in shape.enumerated() {
                try InvalidValue.check(size, key + ".shape.\(axis)", in: 1...Self.largest)
            }
            guard shape.checkedProduct(atMost: 1 << 32) != nil else {
                throw InvalidValue(key + ".shape", "is \(shape), more values than features have")
            }
        }
    }

    /// What the numbers of a head may be.
    package enum Ranges {
        /// Of `hidden`, `projection`, `dense` and `feedForward`.
        package static let sizes = 1...65_536
        package static let layers = 1...64
        package static let heads = 1...1024
        package static let dropout = NumberRange.share
    }

    /// - Parameter key: where it stands.
    /// - Throws: `InvalidValue` if a value is one that no pipeline can state.
    func validate(_ key: String = "model") throws(InvalidValue) {
        for (layer, size) in hidden.enumerated() {
            try InvalidValue.check(size, key + ".hidden.\(layer)", in: Ranges.sizes)
        }
        try InvalidValue.check(projection, key + ".projection", in: Ranges.sizes)
        try InvalidValue.check(dense, key + ".dense", in: Ranges.sizes)
        try InvalidValue.check(feedForward, key + ".feedForward", in: Ranges.sizes)
        try InvalidValue.check(heads, key + ".heads", in: Ranges.heads)
        try InvalidValue.check(dropout, key + ".dropout", in: Ranges.dropout)
        if kind.options.contains("hidden") {
            let layers = kind.options.contains("layers") ? Ranges.layers : 1...1
            guard layers.contains(hidden.count) else {
                throw InvalidValue(key + ".hidden", "lists \(hidden.count) layers, not \(layers.words)")
            }
        }
        guard kind == .transformer, let width = hidden.first else { return }
        guard hidden.allSatisfy({ $0 == width }) else {
            throw InvalidValue(key + ".hidden", "is not the same in every layer")
        }
        guard width % (heads ?? 4) == 0 else {
            throw InvalidValue(key + ".hidden", "is \(width), which \(heads ?? 4) heads cannot share evenly")
        }
    }

    /// Whether a head can be so.
    var isPossible: Bool { (try? validate()) != nil }

    /// The head as a graph: sequence `[T, featureSize]` → `logits` `[classes]`. Parameter names are
    /// those of a PyTorch module with `projection`, `rnn`, `encoder`, `attention`, `dense` and `fc`.
    ///
    /// - Precondition: maps for a head that reads them.
    public func graph(_ input: Input, classes: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.input(.sequence(input.featureSize), name: "features")
        if let projection { x = builder.linear("projection", x, out: projection) }
        x = pooled(&builder, x, input)
        if dropout > 0 { x = builder.dropout("dropout", x, rate: Float(dropout)) }
        if let dense { x = builder.activation(.relu, builder.linear("dense", x, out: dense)) }
        let logits = builder.linear("fc", x, out: classes)
        return builder.build(outputs: ["logits": logits])
    }

    /// The head for vectors, in sequences up to 10,000 frames.
    public func graph(featureSize: Int, classes: Int) -> Graph {
        graph(Input(shape: [featureSize], maximumLength: 10_000), classes: classes)
    }

    private func pooled(_ builder: inout GraphBuilder, _ x: Graph.NodeID, _ input: Input) -> Graph.NodeID {
        switch kind {
        case .frame, .average: builder.sequenceMean("mean", x)
        case .max: builder.sequenceMax("max", x)
        case .gru, .bigru, .lstm, .bilstm: recurrent(&builder, x)
        case .convlstm: convolutional(&builder, x, input.shape)
        case .attention: attention(&builder, x)
        case .transformer: transformer(&builder, x, input)
        case .zeroShot, .linearProbe:
            builder.unitLength("direction", builder.sequenceMean("mean", builder.unitLength("unit", x)))
        }
    }

    private func recurrent(_ builder: inout GraphBuilder, _ input: Graph.NodeID) -> Graph.NodeID {
        let isBidirectional = kind == .bilstm || kind == .bigru
        let cell: Recurrence.Cell = kind == .gru || kind == .bigru ? .gru : .lstm
        var x = input
        for (layer, size) in hidden.enumerated() {
            let recurrence = Recurrence(cell: cell, hiddenSize: size, isBidirectional: isBidirectional)
            x = builder.recurrent("rnn", layer: layer, x, recurrence)
        }
        return builder.finalState("state", x, bidirectional: isBidirectional)
    }

    private func convolutional(
        _ builder: inout GraphBuilder, _ input: Graph.NodeID, _ shape: [Int]
    ) -> Graph.NodeID {
        let options = ConvolutionalRecurrence(
            height: shape[0], width: shape[1], channels: shape[2], hiddenChannels: hidden[0])
        let x = builder.convolutionalRecurrent("convlstm", input, options)
        let state = builder.finalState("state", x, bidirectional: false)
        return builder.spatialMean("mean", state, channels: hidden[0])
    }

    private func attention(_ builder: inout GraphBuilder, _ input: Graph.NodeID) -> Graph.NodeID {
        let hiddenLayer = builder.activation(.tanh, builder.linear("attention.0", input, out: hidden[0]))
        let scores = builder.linear("attention.2", hiddenLayer, out: 1)
        return builder.attentionPooling("pooling", input, scores: scores)
    }

    /// Layers as `torch.nn.TransformerEncoderLayer` builds them: normalisation after each sum, ReLU.
    private func transformer(
        _ builder: inout GraphBuilder, _ features: Graph.NodeID, _ input: Input
    ) -> Graph.NodeID {
        let width = hidden[0]
        func dropped(_ name: String, _ x: Graph.NodeID) -> Graph.NodeID {
            dropout > 0 ? builder.dropout(name, x, rate: Float(dropout)) : x
        }
        var x = builder.linear("projection", features, out: width)
        x = builder.positions("positions", x, maximum: input.maximumLength)
        for layer in hidden.indices {
            let name = "encoder.layers.\(layer)"
            let mixed = builder.selfAttention(name + ".self_attn", x, heads: heads ?? 4)
            x = builder.add(name + ".sum1", x, dropped(name + ".dropout1", mixed))
            x = builder.layerNormalization(name + ".norm1", x)
            var y = builder.linear(name + ".linear1", x, out: feedForward ?? 4 * width)
            y = dropped(name + ".dropout", builder.activation(.relu, y))
            y = builder.linear(name + ".linear2", y, out: width)
            x = builder.add(name + ".sum2", x, dropped(name + ".dropout2", y))
            x = builder.layerNormalization(name + ".norm2", x)
        }
        return builder.sequenceMean("mean", x)
    }

    /// In one line, such as `gru 64` or `bilstm 256+256, projection 512`.
    public var summary: String {
        var parts = [kind.rawValue]
        if !hidden.isEmpty { parts[0] += " " + hidden.map(String.init).joined(separator: "+") }
        if kind == .transformer { parts.append("heads \(heads ?? 4)") }
        if let feedForward { parts.append("feed-forward \(feedForward)") }
        if let projection { parts.append("projection \(projection)") }
        if dropout > 0 { parts.append("dropout \(dropout)") }
        if let dense { parts.append("dense \(dense)") }
        return parts.joined(separator: ", ")
    }
}
