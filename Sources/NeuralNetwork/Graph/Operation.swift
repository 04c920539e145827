/// What a node does. Parameters, where an operation has any, stand in the order given here.
public enum Operation: Sendable, Equatable {
    case input
    /// weight `[out, in / groups, height, width]`, of frames `[out, in / groups, frames, height, width]`; then bias
    /// `[out]` where `hasBias`.
    case convolution(Convolution)
    /// weight (where `hasScale`), bias, running mean, running variance, each `[channels]`.
    case batchNormalization(epsilon: Float, hasScale: Bool)
    case activation(Activation)
    /// A function of every number by itself that is no common activation: slower, and only where nothing is trained.
    case function(NumberFunction)
    case add
    /// Each channel of an image times its number in an image of one pixel.
    case scaleChannels
    /// Two values of one shape, number by number.
    case multiply
    /// Images of one size, tokens of one picture or vectors, joined along the channels.
    case concatenation
    /// Channels of the input in this order, each as often as it stands there.
    case gatherChannels([Int])
    case maxPooling(Window)
    case averagePooling(Window, countsPadding: Bool)
    /// Mean over height and width, and over frames where there are several: image → vector.
    case globalAveragePooling
    /// Image → vector, in the order in which features are stored: frames, height, width, channels.
    case flatten
    /// weight `[out, in]`, then perhaps bias `[out]`; on each pixel, token or step where there are several.
    case linear(out: Int)
    /// Zeroes values while training, and scales the rest by 1 / (1 − rate).
    case dropout(rate: Float)
    /// Mean over the valid steps: sequence → vector.
    case sequenceMean
    /// Each vector, or each step of a sequence, as the same direction of length 1; zeros stay.
    case unitLength
    /// Largest value over the valid steps: sequence → vector.
    case sequenceMax
    /// Mean over the valid steps weighted by the softmax of a score a step: two sequences → vector.
    case attentionPooling
    /// Adds a learned vector to each step by its place: `[maximum, feature]`.
    case positions(maximum: Int)
    /// Attention between the steps of a sequence; its input holds query, key and value side by side.
    case selfAttention(heads: Int)
    /// The same between tokens, each looking at itself and those before it.
    case causalAttention(heads: Int)
    /// weight, bias `[feature]`; over the channels of each pixel, the numbers of each token or step.
    case layerNormalization(epsilon: Float)
    /// Groups of an image's channels, over all pixels (Wu and He 2018, arXiv:1803.08494): weight, bias `[channels]`.
    case groupNormalization(groups: Int, epsilon: Float)
    /// A learned factor for each channel, layer scale (Touvron et al. 2021, arXiv:2103.17239): weight `[channels]`.
    case channelScale
    /// Global response normalisation (Woo et al. 2023, arXiv:2301.00808): weight, bias `[channels]`.
    case responseNormalization(epsilon: Float)
    /// Patches `[channels, height, width]` → tokens; parameters as `TokenEmbedding` says.
    case tokens(TokenEmbedding)
    /// Attention of one learned query to all tokens, whose numbers are key and value side by side; tokens → vector:
    /// latent `[1, 1, size]`, weight `[size, size]` and bias `[size]` that make it the query.
    case latentAttention(heads: Int)
    /// The first token: tokens → vector.
    case classToken
    /// Mean over the tokens behind the first few: tokens → vector.
    case tokenMean(skipping: Int)
    /// The tokens behind the first few as the image that they are patches of.
    case tokenMap(skipping: Int)
    /// A convolutional LSTM over maps `[height, width, channel]`: weight
    /// `[4 · hidden, channels + hidden, kernel, kernel]`, bias `[4 · hidden]`; gates input, forget, cell, output.
    case convolutionalRecurrent(ConvolutionalRecurrence)
    /// Mean over a map `[height, width, channel]`: vector → vector `[channel]`.
    case spatialMean(channels: Int)
    /// A recurrent layer, sequence → sequence. For each direction: weight_ih `[gates·hidden, in]`,
    /// weight_hh `[gates·hidden, hidden]`, bias_ih, bias_hh `[gates·hidden]`, gates in PyTorch's order.
    case recurrent(Recurrence)
    /// The last valid step of the forward direction and, where `bidirectional`, the first of the
    /// backward one: the state after reading everything. Sequence → vector.
    case finalState(bidirectional: Bool)

    /// The name `describe` prints.
    public var name: String {
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
        case .recurrent(let recurrence):
            (recurrence.isBidirectional ? "bidirectional " : "") + recurrence.cell.rawValue
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
        case .tokens(let embedding):
            "tokens" + (embedding.prefix > 0 ? ", \(embedding.prefix) in front" : "")
        case .latentAttention(let heads): "attention of a learned query, \(heads) heads"
        case .classToken: "class token"
        case .tokenMean: "mean over tokens"
        case .tokenMap: "map of tokens"
        case .convolutionalRecurrent(let options): "convolutional lstm \(options.kernel)×\(options.kernel)"
        case .spatialMean: "mean over the map"
        }
    }
}

/// A function of a number, known by a name: functions of one name are one function.
public struct NumberFunction: Sendable, Equatable {
    /// Whose equality counts.
    public let name: String
    /// The function.
    public let apply: @Sendable (Double) -> Double

    /// All parts, as they are.
    public init(name: String, apply: @escaping @Sendable (Double) -> Double) {
        self.name = name
        self.apply = apply
    }

    /// Whether the names are.
    public static func == (first: NumberFunction, second: NumberFunction) -> Bool { first.name == second.name }
}

/// A function of every number by itself.
public enum Activation: String, Sendable, Equatable {
    case relu, sigmoid, tanh, silu
    /// ReLU that ends at 6.
    case relu6
    /// ReLU6(x + 3) / 6.
    case hardSigmoid = "hard-sigmoid"
    /// x · ReLU6(x + 3) / 6 (Howard et al. 2019, arXiv:1905.02244).
    case hardSwish = "hard-swish"
    /// x · Φ(x), with the error function (Hendrycks and Gimpel 2016, arXiv:1606.08415).
    case gelu
    /// The same through tanh, as JAX computes it.
    case geluTanh = "gelu-tanh"
    /// x · sigmoid(1.702 x), as OpenAI's CLIP computes it.
    case quickGELU = "quick-gelu"

    /// Whether nothing below zero comes out.
    package var isUnsigned: Bool { [.relu, .relu6, .sigmoid, .hardSigmoid].contains(self) }
}

/// What is put before the patches of a picture, and what is added to them.
///
/// Parameters, where there are any: class token `[1, 1, size]`, registers `[1, registers, size]`, positions
/// `[1, places, size]`: one for the class token where `positionsCoverClass`, then `grid²`.
public struct TokenEmbedding: Sendable, Equatable {
    /// Whether a learned token stands first.
    public let hasClassToken: Bool
    /// Learned tokens behind it (Darcet et al. 2023, arXiv:2309.16588).
    public let registers: Int
    /// Side of the grid of patches that positions were learned on. Other grids get interpolated ones, bicubic with
    /// antialiasing, as timm's `resample_abs_pos_embed` makes them.
    public let grid: Int
    /// Whether the class token has a position too.
    public let positionsCoverClass: Bool

    /// All parts, as they are.
    public init(hasClassToken: Bool, registers: Int = 0, grid: Int, positionsCoverClass: Bool) {
        self.hasClassToken = hasClassToken
        self.registers = registers
        self.grid = grid
        self.positionsCoverClass = positionsCoverClass
    }

    /// Tokens before the patches.
    public var prefix: Int { (hasClassToken ? 1 : 0) + registers }
}

/// Height and width of something, in pixels.
public struct Extent: Sendable, Equatable {
    /// Rows.
    public let height: Int
    /// Columns.
    public let width: Int

    /// All parts, as they are.
    public init(_ height: Int, _ width: Int) {
        self.height = height
        self.width = width
    }

    /// All parts, as they are.
    public init(_ side: Int) { self.init(side, side) }
}

/// How a sliding window reaches over frames.
public struct TimeWindow: Sendable, Equatable {
    /// Frames that are seen at once.
    public let kernel: Int
    /// Frames from one window to the next.
    public let stride: Int
    /// Black frames before the first.
    public let leading: Int
    /// Black frames after the last.
    public let trailing: Int

    /// One frame after the other.
    public static let frame = TimeWindow(kernel: 1)

    /// Symmetric padding unless `trailing` says otherwise.
    public init(kernel: Int, stride: Int = 1, padding: Int = 0, trailing: Int? = nil) {
        self.kernel = kernel
        self.stride = stride
        leading = padding
        self.trailing = trailing ?? padding
    }

    /// Frames of the output, rounded down as PyTorch does.
    public func output(frames: Int) -> Int { (frames + leading + trailing - kernel) / stride + 1 }
}

/// A sliding window over an image, or over neighbouring frames.
public struct Window: Sendable, Equatable {
    /// Size of the window.
    public let kernel: Extent
    /// Pixels from one window to the next.
    public let stride: Extent
    /// Zeros before the first row and column.
    public let leading: Extent
    /// Zeros after the last row and column.
    public let trailing: Extent
    /// Pixels from one weight of a convolution to the next; 1 leaves no holes.
    public let dilation: Extent
    /// Over frames, where there are several.
    public let time: TimeWindow

    /// Symmetric padding unless `trailing` says otherwise.
    public init(
        kernel: Extent, stride: Extent = Extent(1), padding: Extent = Extent(0), trailing: Extent? = nil,
        dilation: Extent = Extent(1), time: TimeWindow = .frame
    ) {
        self.time = time
        self.dilation = dilation
        self.kernel = kernel
        self.stride = stride
        self.leading = padding
        self.trailing = trailing ?? padding
    }

    /// Such as `3×3`, or `3×1×1` with frames first.
    var size: String { (time.kernel > 1 ? "\(time.kernel)×" : "") + "\(kernel.height)×\(kernel.width)" }

    /// Rows and columns of the output, rounded down as PyTorch does.
    public func output(height: Int, width: Int) -> Extent {
        Extent(
            (height + leading.height + trailing.height - (kernel.height - 1) * dilation.height - 1) / stride.height + 1,
            (width + leading.width + trailing.width - (kernel.width - 1) * dilation.width - 1) / stride.width + 1)
    }
}

/// A convolution, without its input.
public struct Convolution: Sendable, Equatable {
    /// Filters.
    public let outChannels: Int
    /// Kernel, stride and padding.
    public let window: Window
    /// Parts that channels are split into; as many as channels for a depthwise convolution.
    public let groups: Int
    /// Whether a number is added to each filter's output.
    public let hasBias: Bool

    /// All parts, as they are.
    public init(outChannels: Int, window: Window, groups: Int = 1, hasBias: Bool = false) {
        self.outChannels = outChannels
        self.window = window
        self.groups = groups
        self.hasBias = hasBias
    }
}

/// A recurrent layer in one or both directions.
public struct Recurrence: Sendable, Equatable {
    /// Cell equations are PyTorch's: the GRU applies the reset gate after the recurrent product
    /// (Keras `reset_after=True`).
    public enum Cell: String, Sendable, Equatable {
        case gru, lstm

        /// GRU: reset, update, new. LSTM: input, forget, cell, output.
        public var gates: Int { self == .gru ? 3 : 4 }
    }

    /// Equations of a step.
    public let cell: Cell
    /// Numbers in the state of one direction.
    public let hiddenSize: Int
    /// Whether a second direction reads from the end.
    public let isBidirectional: Bool

    /// All parts, as they are.
    public init(cell: Cell, hiddenSize: Int, isBidirectional: Bool = false) {
        self.cell = cell
        self.hiddenSize = hiddenSize
        self.isBidirectional = isBidirectional
    }

    package var directions: Int { isBidirectional ? 2 : 1 }
}

/// A convolutional LSTM layer over maps of one size.
public struct ConvolutionalRecurrence: Sendable, Equatable {
    /// Rows of the map.
    public let height: Int
    /// Columns of the map.
    public let width: Int
    /// Channels of the input map.
    public let channels: Int
    /// Channels of the state.
    public let hiddenChannels: Int
    /// Side of the kernel, odd; the border is padded with zeros.
    public let kernel: Int

    /// All parts, as they are.
    public init(height: Int, width: Int, channels: Int, hiddenChannels: Int, kernel: Int = 3) {
        precondition(kernel % 2 == 1, "the kernel has no centre")
        self.height = height
        self.width = width
        self.channels = channels
        self.hiddenChannels = hiddenChannels
        self.kernel = kernel
    }
}
