/// What a node computes. Parameters are listed in the order in which the node holds them.
package enum Operation: Sendable, Equatable {
    case input
    /// weight `[out, in / groups, (frames,) height, width]`; then bias `[out]` if `hasBias`.
    case convolution(Convolution)
    /// weight (if `hasScale`), bias, running mean, running variance, each `[channels]`.
    case batchNormalization(epsilon: Float, hasScale: Bool)
    case activation(Activation)
    /// An element-wise function without an `Activation`: slower, and only supported where nothing is trained.
    case function(NumberFunction)
    case add
    /// Multiplies each channel of an image by its element of a one-pixel image.
    case scaleChannels
    case multiply
    /// Images of one size, or tokens of one image, concatenated along the channels.
    case concatenation
    /// Selects channels of the input by index, in this order; an index may occur more than once.
    case gatherChannels([Int])
    case maxPooling(Window), averagePooling(Window, countsPadding: Bool)
    /// Mean over height, width and frames: image → vector.
    case globalAveragePooling
    /// Image → vector in the order in which features are stored: frames, height, width, channels.
    case flatten
    /// weight `[out, in]`, then optionally bias `[out]`; applied to each pixel, token or step.
    case linear(out: Int)
    /// Zeroes values while training, and scales the others by 1 / (1 − rate).
    case dropout(rate: Float)
    /// Mean over the valid steps: sequence → vector.
    case sequenceMean
    /// Each vector, or each step of a sequence, scaled to length 1; zero vectors stay zero.
    case unitLength
    /// Maximum over the valid steps: sequence → vector.
    case sequenceMax
    /// Mean over the valid steps weighted by the softmax of one score per step: two sequences → vector.
    case attentionPooling
    /// Adds a learned position embedding to each step: `[maximum, feature]`.
    case positions(maximum: Int)
    /// Multi-head self-attention between the steps of a sequence; the input is query, key and value concatenated.
    case selfAttention(heads: Int)
    /// Causal self-attention between tokens: each attends to itself and to earlier tokens.
    case causalAttention(heads: Int)
    /// weight, bias `[feature]`; over the channels of each pixel or the elements of each token or step.
    case layerNormalization(epsilon: Float)
    /// Normalises groups of an image's channels over all pixels (arXiv:1803.08494): weight, bias `[channels]`.
    case groupNormalization(groups: Int, epsilon: Float)
    /// Layer scale, a learned factor per channel (Touvron et al. 2021, arXiv:2103.17239): weight `[channels]`.
    case channelScale
    /// Global response normalisation (Woo et al. 2023, arXiv:2301.00808): weight, bias `[channels]`.
    case responseNormalization(epsilon: Float)
    case tokens(TokenEmbedding)
    /// Attention pooling with one learned query over tokens that are key and value concatenated; tokens → vector:
    /// latent `[1, 1, size]`, weight `[size, size]` and bias `[size]` of the query projection.
    case latentAttention(heads: Int)
    /// The first token: tokens → vector.
    case classToken
    /// Mean over the tokens after the first `skipping`: tokens → vector.
    case tokenMean(skipping: Int)
    /// The tokens after the first `skipping` as the image that they are patches of.
    case tokenMap(skipping: Int)
    /// A convolutional LSTM over maps `[height, width, channel]`: weight
    /// `[4 · hidden, channels + hidden, kernel, kernel]`, bias `[4 · hidden]`; gates input, forget, cell, output.
    case convolutionalRecurrent(ConvolutionalRecurrence)
    /// Mean over a map `[height, width, channel]`: vector → vector `[channel]`.
    case spatialMean(channels: Int)
    /// A recurrent layer, sequence → sequence. Per direction: weight_ih `[gates·hidden, in]`, weight_hh `[gates·hidden,
    /// hidden]`, bias_ih, bias_hh `[gates·hidden]`, gates in PyTorch's order.
    case recurrent(Recurrence)
    /// The last valid output forwards and, if `bidirectional`, the first backwards. Sequence → vector.
    case finalState(bidirectional: Bool)

    package var name: String {
        switch self {
        case .input: "input"
        case .convolution(let options):
            (options.groups > 1 ? "depthwise " : "") + "convolution \(options.window.size)"
                + (options.window.stride.height > 1 ? " /\(options.window.stride.height)" : "")
        case .batchNormalization: "batch normalisation"
        case .activation(let activation): activation.rawValue
        case .function: "function"
        case .add: "add"
        case .scaleChannels: "scale channels"
        case .multiply: "multiply"
        case .concatenation: "concatenation"
        case .gatherChannels: "gather channels"
        case .maxPooling(let window): "max pooling \(window.size)"
        case .averagePooling(let window, _): "average pooling \(window.size)"
        case .globalAveragePooling: "global average pooling"
        case .flatten: "flatten"
        case .linear: "linear"
        case .dropout(let rate): "dropout \(rate)"
        case .sequenceMean: "mean over time"
        case .unitLength: "unit length"
        case .recurrent(let recurrence): (recurrence.isBidirectional ? "bidirectional " : "") + recurrence.cell.rawValue
        case .finalState: "final state"
        case .sequenceMax: "maximum over time"
        case .attentionPooling: "attention pooling"
        case .positions(let maximum): "positions, at most \(maximum)"
        case .selfAttention(let heads): "self-attention, \(heads) heads"
        case .causalAttention(let heads): "causal self-attention, \(heads) heads"
        case .layerNormalization: "layer normalisation"
        case .groupNormalization(let groups, _): "group normalisation, \(groups)"
        case .channelScale: "layer scale"
        case .responseNormalization: "global response normalisation"
        case .tokens(let embedding): "tokens" + (embedding.prefix > 0 ? ", \(embedding.prefix) in front" : "")
        case .latentAttention(let heads): "attention pooling with a learned query, \(heads) heads"
        case .classToken: "class token"
        case .tokenMean: "mean over tokens"
        case .tokenMap: "map of tokens"
        case .convolutionalRecurrent(let options): "convolutional lstm \(options.kernel)×\(options.kernel)"
        case .spatialMean: "mean over the map"
        }
    }
}

package struct NumberFunction: Sendable, Equatable {
    package let name: String
    package let apply: @Sendable (Double) -> Double

    package init(name: String, apply: @escaping @Sendable (Double) -> Double) {
        (self.name, self.apply) = (name, apply)
    }

    package static func == (first: NumberFunction, second: NumberFunction) -> Bool { first.name == second.name }
}

package enum Activation: String, Sendable, Equatable {
    case relu, sigmoid, tanh, silu, relu6
    /// ReLU6(x + 3) / 6.
    case hardSigmoid = "hard-sigmoid"
    /// x · ReLU6(x + 3) / 6 (Howard et al. 2019, arXiv:1905.02244).
    case hardSwish = "hard-swish"
    /// x · Φ(x), with the error function (Hendrycks and Gimpel 2016, arXiv:1606.08415).
    case gelu
    /// GELU's tanh approximation, as JAX computes it by default.
    case geluTanh = "gelu-tanh"
    /// x · sigmoid(1.702 x), as in OpenAI's CLIP.
    case quickGELU = "quick-gelu"

    package var isUnsigned: Bool { [.relu, .relu6, .sigmoid, .hardSigmoid].contains(self) }
}

/// Tokens prepended to the patches of an image, and the position embeddings added to them. Parameters, if present:
/// class token `[1, 1, size]`, registers `[1, registers, size]`, positions `[1, places, size]`: one for the class token
/// if `positionsCoverClass`, then `grid²`.
package struct TokenEmbedding: Sendable, Equatable {
    package let hasClassToken: Bool
    /// Number of register tokens after the class token (Darcet et al. 2023, arXiv:2309.16588).
    package let registers: Int
    /// Side of the patch grid on which positions were learned. For other grids they are interpolated, bicubic with
    /// antialiasing, as timm's `resample_abs_pos_embed` does.
    package let grid: Int
    package let positionsCoverClass: Bool

    package init(hasClassToken: Bool, registers: Int = 0, grid: Int, positionsCoverClass: Bool) {
        (self.hasClassToken, self.registers, self.grid) = (hasClassToken, registers, grid)
        self.positionsCoverClass = positionsCoverClass
    }

    package var prefix: Int { (hasClassToken ? 1 : 0) + registers }
}

package struct Extent: Sendable, Equatable {
    package let height, width: Int

    package init(_ height: Int, _ width: Int) { (self.height, self.width) = (height, width) }

    package init(_ side: Int) { self.init(side, side) }
}

/// The temporal dimension of a sliding window.
package struct TimeWindow: Sendable, Equatable {
    package let kernel, stride: Int
    /// Zero frames padded before the first.
    package let leading: Int
    /// Zero frames padded after the last.
    package let trailing: Int

    package static let frame = TimeWindow(kernel: 1)

    /// Symmetric padding unless `trailing` says otherwise.
    package init(kernel: Int, stride: Int = 1, padding: Int = 0, trailing: Int? = nil) {
        (self.kernel, self.stride) = (kernel, stride)
        leading = padding
        self.trailing = trailing ?? padding
    }

    /// Frames of the output, rounded down as PyTorch does.
    package func output(frames: Int) -> Int { (frames + leading + trailing - kernel) / stride + 1 }
}

/// A sliding window over an image, or over consecutive frames.
package struct Window: Sendable, Equatable {
    package let kernel, stride: Extent
    /// Rows and columns of zeros padded at the top and left.
    package let leading: Extent
    /// Rows and columns of zeros padded at the bottom and right.
    package let trailing: Extent
    package let dilation: Extent
    package let time: TimeWindow

    /// Symmetric padding unless `trailing` says otherwise.
    package init(
        kernel: Extent, stride: Extent = Extent(1), padding: Extent = Extent(0), trailing: Extent? = nil,
        dilation: Extent = Extent(1), time: TimeWindow = .frame
    ) {
        (self.time, self.dilation, self.kernel, self.stride, self.leading) = (time, dilation, kernel, stride, padding)
        self.trailing = trailing ?? padding
    }

    /// Such as `3×3`, or `3×1×1` with frames first.
    var size: String { (time.kernel > 1 ? "\(time.kernel)×" : "") + "\(kernel.height)×\(kernel.width)" }

    /// Rows and columns of the output, rounded down as PyTorch does.
    package func output(height: Int, width: Int) -> Extent {
        Extent(
            (height + leading.height + trailing.height - (kernel.height - 1) * dilation.height - 1) / stride.height + 1,
            (width + leading.width + trailing.width - (kernel.width - 1) * dilation.width - 1) / stride.width + 1)
    }
}

package struct Convolution: Sendable, Equatable {
    package let outChannels: Int
    package let window: Window
    /// As many as channels for a depthwise convolution.
    package let groups: Int
    package let hasBias: Bool

    package init(outChannels: Int, window: Window, groups: Int = 1, hasBias: Bool = false) {
        (self.outChannels, self.window, self.groups, self.hasBias) = (outChannels, window, groups, hasBias)
    }
}

package struct Recurrence: Sendable, Equatable {
    /// PyTorch's cell equations: the GRU's reset gate follows the recurrent product (Keras `reset_after=True`).
    package enum Cell: String, Sendable, Equatable {
        case gru, lstm

        /// In parameter order: reset, update, new for GRU; input, forget, cell, output for LSTM.
        package var gates: Int { self == .gru ? 3 : 4 }
    }

    package let cell: Cell
    /// Per direction.
    package let hiddenSize: Int
    package let isBidirectional: Bool

    package init(cell: Cell, hiddenSize: Int, isBidirectional: Bool = false) {
        (self.cell, self.hiddenSize, self.isBidirectional) = (cell, hiddenSize, isBidirectional)
    }

    package var directions: Int { isBidirectional ? 2 : 1 }
}

/// A convolutional LSTM layer over maps of one size.
package struct ConvolutionalRecurrence: Sendable, Equatable {
    package let height, width, channels, hiddenChannels: Int
    /// Side of the kernel, odd; borders are zero-padded.
    package let kernel: Int

    package init(height: Int, width: Int, channels: Int, hiddenChannels: Int, kernel: Int = 3) {
        precondition(kernel % 2 == 1, "the kernel has no centre")
        (self.height, self.width, self.channels, self.hiddenChannels) = (height, width, channels, hiddenChannels)
        self.kernel = kernel
    }
}
