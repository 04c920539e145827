import COneDNN

enum MemoryFormat: String, Codable, CaseIterable {
    case channelsLast
    /// Blocks of as many channels as a vector register holds, for one pixel after the other.
    case blocked

    var code: onednn_format { self == .channelsLast ? ONEDNN_CHANNELS_LAST : ONEDNN_BLOCKED }
}

/// One way to compute a convolution, with its time on this machine.
struct ConvolutionKernel: Codable, Equatable {
    let format: MemoryFormat
    /// Winograd convolution (Lavin and Gray 2015): fewer multiplications for 3×3 windows, with slightly different
    /// rounding.
    let isWinograd: Bool
    /// Whether the activation is a separate step; nil means false.
    var separatesActivation: Bool?
    let seconds: Double
}
