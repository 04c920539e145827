import COneDNN
import NeuralNetwork

/// The numbers a network computes with.
public enum Precision: String, Sendable, CaseIterable, Codable {
    /// IEEE 754 single precision, as the networks were trained.
    case f32
    /// Eight bits of exponent, seven of fraction; sums are kept in `f32`.
    case bf16
    /// Whole numbers of eight bits times a scale for each filter and each layer's output; sums are exact.
    case int8
    /// IEEE 754 half precision, on a GPU; sums are kept in `f32`.
    case f16
    /// `f32` whose products round their factors to ten bits of fraction, on a GPU.
    case tf32

    /// Whether this processor has instructions for it. Elsewhere `bf16` would be slower than `f32`, and `int8`
    /// would overflow; `f16` and `tf32` are for GPUs.
    public var isNative: Bool {
        switch self {
        case .f32: true
        case .f16, .tf32: false
        case .bf16: onednn_has_arithmetic(ONEDNN_BF16)
        case .int8: onednn_has_arithmetic(ONEDNN_U8)
        }
    }
}

/// A precision with all it needs.
public enum Arithmetic: Sendable, Equatable {
    case f32, bf16
    case int8(Calibration)

    /// Which precision it is.
    public var precision: Precision {
        switch self {
        case .f32: .f32
        case .bf16: .bf16
        case .int8: .int8
        }
    }
}

/// What whole numbers of eight bits stand for in each layer of one network: found by looking at what its layers
/// give for typical pictures.
public struct Calibration: Sendable, Equatable, Codable {
    /// The largest magnitude that a layer's output can express, by the layer's name; larger ones are cut off.
    public var ranges: [String: Float]
    /// Layers that compute in `f32` because too much would be lost.
    public var kept: [String]
    /// What the products of attention are computed in; nil is `f32`.
    public var attention: Precision?

    /// All parts, as they are.
    public init(ranges: [String: Float], kept: [String] = [], attention: Precision? = nil) {
        self.ranges = ranges
        self.kept = kept
        self.attention = attention
    }

    /// The name in `ranges` of the network's own input.
    static let input = "input"
}
