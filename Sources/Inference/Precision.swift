import COneDNN

package enum Precision: String, Sendable, CaseIterable, Codable {
    /// IEEE 754 single precision, in which the networks were trained.
    case f32
    /// bfloat16: eight exponent and seven fraction bits; accumulates in `f32`.
    case bf16
    /// Quantised integers with a scale per filter and per layer output; accumulates in int32.
    case int8
    /// IEEE 754 half precision, on a GPU; accumulates in `f32`.
    case f16
    /// `f32` whose products round their factors to ten fraction bits, on a GPU.
    case tf32

    /// Whether this processor has instructions for it. Otherwise `bf16` is slower than `f32`, and `int8` overflows;
    /// `f16` and `tf32` are for GPUs.
    package var isNative: Bool {
        switch self {
        case .f32: true
        case .f16, .tf32: false
        case .bf16: onednn_has_arithmetic(ONEDNN_BF16)
        case .int8: onednn_has_arithmetic(ONEDNN_U8)
        }
    }
}

/// A precision, with its calibration if it has one.
package enum Arithmetic: Sendable, Equatable {
    case f32, bf16
    case int8(Calibration)

    package var precision: Precision {
        switch self {
        case .f32: .f32
        case .bf16: .bf16
        case .int8: .int8
        }
    }
}

/// Calibrated int8 activation ranges of one network, determined from its layers' outputs for typical images.
package struct Calibration: Sendable, Equatable, Codable {
    /// Largest representable magnitude of a layer's output, by the layer's name; larger values are clipped.
    package var ranges: [String: Float]
    /// Layers that stay in `f32` to preserve accuracy.
    package var kept: [String]
    /// Precision of the attention products; nil is `f32`.
    package var attention: Precision?

    package init(ranges: [String: Float], kept: [String] = [], attention: Precision? = nil) {
        self.ranges = ranges
        self.kept = kept
        self.attention = attention
    }

    /// Key in `ranges` of the network's input.
    static let input = "input"
}
