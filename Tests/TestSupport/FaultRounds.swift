import Foundation

/// How often each fault is tried: 2 times, or as `ZOETROPE_FAULTS` says (`make faults`: 50).
package let faultRounds = ProcessInfo.processInfo.environment["ZOETROPE_FAULTS"].flatMap { Int($0) } ?? 2

/// What faults are chosen by: 1, or as `ZOETROPE_SEED` says.
package let faultSeed = ProcessInfo.processInfo.environment["ZOETROPE_SEED"].flatMap { UInt64($0) } ?? 1

/// The same numbers for the same seed, on every machine: SplitMix64.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// - Parameter seed: decides all numbers.
    package init(seed: UInt64) { state = seed }

    /// The next 64 bits.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
