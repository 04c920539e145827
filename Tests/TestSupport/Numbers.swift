import Datasets
import Foundation
import NeuralNetwork

/// `around` of Tests/Parity/parameters.py: evenly spread values about a centre, which depend only on their name.
package func around(_ name: String, _ shape: [Int], centre: Float = 0, spread: Float = 1) -> Tensor {
    let values = RandomParameters().uniform(name, count: shape.reduce(1, *))
    return Tensor(shape: shape, values: values.map { centre + spread * (2 * $0 - 1) })
}

/// `pixels` of Tests/Parity/parameters.py: `[size, size, 3]`.
package func parityImage(_ index: Int, size: Int) -> [UInt8] {
    let tiles = index + 2
    let random = RandomParameters()
    let coarse = random.uniform("picture \(index) tiles", count: tiles * tiles * 3)
    let fine = random.uniform("picture \(index) noise", count: size * size * 3)
    return (0..<size * size * 3).map { position in
        let (row, column, channel) = (position / 3 / size, position / 3 % size, position % 3)
        let tile = (row * tiles / size * tiles + column * tiles / size) * 3 + channel
        return UInt8(231 * coarse[tile] + 24 * fine[position])
    }
}

/// Largest difference relative to the largest expected value.
package func relativeError(_ ours: [Float], _ expected: [Float]) -> Float {
    let largest = expected.map(abs).max() ?? 0
    return (zip(ours, expected).map { abs($0 - $1) }.max() ?? 0) / max(largest, 1e-12)
}

extension Double {
    /// Whether the numbers are equal within rounding.
    package func isNear(_ other: Double, within tolerance: Double = 1e-6) -> Bool { abs(self - other) <= tolerance }
}

/// Repetitions of each fault: 2, or `ZOETROPE_FAULTS` (`make faults`: 50).
package let faultRounds = ProcessInfo.processInfo.environment["ZOETROPE_FAULTS"].flatMap { Int($0) } ?? 2

/// Seed of the faults: 1, or `ZOETROPE_SEED`.
package let faultSeed = ProcessInfo.processInfo.environment["ZOETROPE_SEED"].flatMap { UInt64($0) } ?? 1

package typealias SeededGenerator = SplitMix64

/// Time limit for results that must not depend on a file's content: without limits they would take for ever, or many
/// minutes. The limit is generous, since tests are not optimised and run in parallel.
package let soon: Duration = .seconds(20)

/// The error of a test with an unexpected result.
package struct Unexpected: Error {
    let found: (any Error)?

    package init(found: (any Error)?) { self.found = found }
}

/// The message of the thrown error; empty if none is thrown. If it takes too long, the result says so.
package func refusal(_ body: () throws -> Void) -> String {
    let start = ContinuousClock.now
    var text = ""
    do { try body() } catch { text = error.localizedDescription }
    let time = ContinuousClock.now - start
    return time < soon ? text : "it took \(time)"
}

/// The error's message, if `body` throws one of this type; otherwise empty.
package func refusal<Refusal: Error, Value>(of type: Refusal.Type, _ body: () throws -> Value) -> String {
    do { _ = try body() } catch { return error is Refusal ? error.localizedDescription : "" }
    return ""
}
