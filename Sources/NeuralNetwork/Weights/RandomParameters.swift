import CElementwise

/// The counter-based generator behind `weights: random` and the parity tests.
///
/// Value i depends on the parameter's name, the seed and i alone, so any parameter can be made at any
/// time in any order: the state goes through SplitMix64's finaliser (Steele et al. 2014) and its top
/// 24 bits make an exact `Float` in [0, 1).
public struct RandomParameters: Sendable {
    /// Another seed gives other numbers everywhere.
    public let seed: UInt64

    /// A generator; it has no state.
    public init(seed: UInt64 = 0) { self.seed = seed }

    private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// `count` numbers in [0, 1).
    public func uniform(_ name: String, count: Int) -> [Float] {
        let key = Self.hash(name) ^ ((seed &+ 1) &* Self.increment)
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            elementwise_uniform(key, count, buffer.baseAddress)
            initialized = count
        }
    }

    /// A parameter's values, spread evenly as its initialiser says.
    public func tensor(for parameter: Graph.Parameter) -> Tensor {
        let centre = parameter.initializer.centre
        let spread = parameter.initializer.spread
        var values = uniform(parameter.name, count: parameter.count)
        values.withUnsafeMutableBufferPointer { elementwise_spread($0.count, centre, spread, $0.baseAddress) }
        return Tensor(shape: parameter.shape, values: values)
    }

    /// 64-bit FNV-1a of the UTF-8 bytes.
    static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
