import FeatureCache
import Files
import NeuralNetwork

/// The `sequence.model` section of a pipeline: the head that turns a sequence of features into class scores.
package struct HeadConfiguration: Sendable, Equatable, Codable {
    package enum Kind: String, Sendable, CaseIterable, Codable {
        case frame, average, max, gru, bigru, lstm, bilstm, convlstm, attention, transformer
        case zeroShot = "zero_shot"
        case linearProbe = "linear_probe"

        package var summary: String {
            switch self {
            case .frame: "linear layer trained on single frames; a video's probabilities are the mean over its frames"
            case .average: "mean over the frames, then a linear layer"
            case .max: "maximum over the frames, then a linear layer"
            case .gru: "gated recurrent units (Cho et al. 2014), last hidden state, then a linear layer"
            case .bigru: "bidirectional"
            case .lstm:
                "long short-term memory (Hochreiter and Schmidhuber 1997), last hidden state, then a linear layer"
            case .bilstm: "bidirectional"
            case .convlstm: "LSTM with 3×3 convolutions (Shi et al. 2015), mean over the map, then a linear layer"
            case .attention:
                "attention pooling over the frames with a learned score (Lin et al. 2017), then a linear layer"
            case .transformer:
                "transformer encoder with learned positions (Vaswani et al. 2017), mean over the frames, then a "
                    + "linear layer"
            case .zeroShot:
                "cosine of the mean frame embedding to CLIP or SigLIP text embeddings of the class names; untrained"
            case .linearProbe:
                "linear layer initialised with the weights of zero_shot, then trained (Radford et al. 2021)"
            }
        }

        /// Keys of `sequence.model` that apply to this kind.
        package var options: [String] {
            switch self {
            case .frame, .average, .max: ["projection", "dropout", "dense"]
            case .gru, .bigru, .lstm, .bilstm: ["hidden", "layers", "projection", "dropout", "dense"]
            case .convlstm: ["hidden", "dropout", "dense"]
            case .attention: ["hidden", "projection", "dropout", "dense"]
            case .transformer: ["hidden", "layers", "heads", "feed_forward", "dropout", "dense"]
            case .zeroShot, .linearProbe: ["prompts", "templates", "text", "vocabulary"]
            }
        }

        /// Whether it reads feature maps (`tap: spatial`) instead of vectors.
        package var readsMaps: Bool { self == .convlstm }

        /// Whether its initial weights are embeddings of the class names.
        package var readsTexts: Bool { self == .zeroShot || self == .linearProbe }
    }

    package var kind: Kind
    /// Hidden size of each recurrent layer; width of each encoder layer, all equal; channels of the convolutional LSTM;
    /// size of the layer that computes attention scores.
    package var hidden: [Int]
    /// Output size of a linear layer before all other layers, without activation.
    package var projection: Int?
    /// Dropout rate before the dense layer and inside encoder layers; from 0 to below 1.
    package var dropout: Double
    /// Size of a linear layer with ReLU before the class scores.
    package var dense: Int?
    /// Attention heads of a transformer; nil is 4.
    package var heads: Int?
    /// Hidden size of a transformer's MLP; nil is four times its width.
    package var feedForward: Int?

    /// Text prompts of classes, for heads that start from class names.
    package var prompts: [String: [String]]?
    /// Templates whose `{}` is replaced with a name or prompt; nil is `a photo of {}.` for names, and prompts
    /// unchanged.
    package var templates: [String]?
    /// The weight file with the text tower; nil for the recipe's own.
    package var text: String?
    /// The vocabulary file; nil for the one beside the weight file.
    package var vocabulary: String?

    package init(
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

    /// A head's input: features of one shape, in sequences up to a maximum length.
    package struct Input: Sendable, Equatable, Codable {
        /// `[D]`, or `[height, width, channels]`.
        package var shape: [Int]
        /// Frames of the longest sequence.
        package var maximumLength: Int

        package init(shape: [Int], maximumLength: Int) {
            self.shape = shape
            self.maximumLength = maximumLength
        }

        /// The features of a recipe.
        package init(_ record: ExtractionRecord) {
            self.init(shape: record.featureShape, maximumLength: record.maxFrames)
        }

        /// Elements of one frame's features.
        package var featureSize: Int { shape.reduce(1, *) }

        /// Maximum frames of a sequence, and maximum feature dimension.
        private static let largest = 1 << 24

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
                throw InvalidValue(key + ".shape", "is \(shape), which exceeds the limit of feature sizes")
            }
        }
    }

    package enum Ranges {
        /// Of `hidden`, `projection`, `dense` and `feedForward`.
        package static let sizes = 1...65_536
        package static let layers = 1...64
        package static let heads = 1...1024
        package static let dropout = NumberRange.share
    }

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
            throw InvalidValue(key + ".hidden", "differs between layers")
        }
        guard width % (heads ?? 4) == 0 else {
            throw InvalidValue(key + ".hidden", "is \(width), which is not a multiple of \(heads ?? 4) heads")
        }
    }

    var isPossible: Bool { (try? validate()) != nil }

    /// The head as a graph: sequence `[T, featureSize]` → `logits` `[classes]`. Parameter names are those of a PyTorch
    /// module with `projection`, `rnn`, `encoder`, `attention`, `dense` and `fc`. Precondition: the input consists of
    /// maps if the head reads maps.
    package func graph(_ input: Input, classes: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.input(.sequence(input.featureSize), name: "features")
        if let projection { x = builder.linear("projection", x, out: projection) }
        x = pooled(&builder, x, input)
        if dropout > 0 { x = builder.dropout("dropout", x, rate: Float(dropout)) }
        if let dense { x = builder.activation(.relu, builder.linear("dense", x, out: dense)) }
        let logits = builder.linear("fc", x, out: classes)
        return builder.build(outputs: ["logits": logits])
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

    /// Layers of `torch.nn.TransformerEncoderLayer`: post-norm, ReLU.
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

    /// One-line description such as `gru 64` or `bilstm 256+256, projection 512`.
    package var summary: String {
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
