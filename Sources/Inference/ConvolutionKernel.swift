import COneDNN
import NeuralNetwork

/// The order of a picture's numbers in memory.
enum MemoryFormat: String, Codable, CaseIterable {
    case channelsLast
    /// A vector's worth of channels of one pixel, then those of the next.
    case blocked

    var code: onednn_format { self == .channelsLast ? ONEDNN_CHANNELS_LAST : ONEDNN_BLOCKED }
}

/// One way to compute a convolution, and what it takes here.
struct ConvolutionKernel: Codable, Equatable {
    let format: MemoryFormat
    /// Lavin and Gray 2015: fewer multiplications for 3×3 windows, at slightly other rounding.
    let isWinograd: Bool
    /// Whether the activation is a step of its own; nothing is no.
    var separatesActivation: Bool?
    let seconds: Double
}
