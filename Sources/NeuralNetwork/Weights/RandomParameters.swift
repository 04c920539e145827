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
            for index in 0..<count {
                var z = key &+ UInt64(truncatingIfNeeded: index &+ 1) &* Self.increment
                z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
                z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
                z ^= z >> 31
                buffer[index] = Float(z >> 40) * 0x1p-24
            }
            initialized = count
        }
    }

    /// A parameter's values, spread evenly as its initialiser says.
    public func tensor(for parameter: Graph.Parameter) -> Tensor {
        let centre = parameter.initializer.centre
        let spread = parameter.initializer.spread
        var values = uniform(parameter.name, count: parameter.count)
        for index in values.indices { values[index] = centre + spread * (2 * values[index] - 1) }
        return Tensor(shape: parameter.shape, values: values)
    }

    /// 64-bit FNV-1a of the UTF-8 bytes.
    static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
