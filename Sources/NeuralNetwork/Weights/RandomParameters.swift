import CElementwise

/// The counter-based generator of `weights: random` and the parity tests. Value i depends only on the parameter's name,
/// the seed and i, so parameters can be generated in any order: the state goes through SplitMix64's finaliser (Steele
/// et al. 2014), and its top 24 bits give an exact `Float` in [0, 1).
package struct RandomParameters: Sendable {
    package let seed: UInt64

    package init(seed: UInt64 = 0) { self.seed = seed }

    private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// Returns `count` values in [0, 1).
    package func uniform(_ name: String, count: Int) -> [Float] {
        let key = Self.hash(name) ^ ((seed &+ 1) &* Self.increment)
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            elementwise_uniform(key, count, buffer.baseAddress)
            initialized = count
        }
    }

    package func tensor(for parameter: Graph.Parameter) -> Tensor {
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
