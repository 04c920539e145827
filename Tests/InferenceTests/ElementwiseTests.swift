import CElementwise
import Foundation
import Testing

@Suite struct ElementwiseTests {
    @Test(
        "a transposed matrix has rows for columns, whatever its sides", arguments: [1, 7, 8, 19, 32], [1, 8, 13, 40])
    func transposes(rows: Int, columns: Int) {
        let matrix = (0..<rows * columns).map(Float.init)
        var transposed = [Float](repeating: -1, count: matrix.count)
        elementwise_transpose(rows, columns, matrix, &transposed)
        for row in 0..<rows {
            for column in 0..<columns { #expect(transposed[column * rows + row] == matrix[row * columns + column]) }
        }
    }

    /// Around zero, in the tails, and far beyond them.
    private static let numbers: [Float] =
        (-4000...4000).map { Float($0) / 500 } + [-1e6, -1000, -87.5, -5.6, 5.6, 87.5, 1000, 1e6, -0.0]

    @Test("GELU is x · Φ(x), as far as float32 tells one from what is just below it") func gelu() {
        var output = Self.numbers
        elementwise_gelu(output.count, Self.numbers, &output)
        for (x, y) in zip(Self.numbers, output) {
            let exact = Double(x) * 0.5 * erfc(-Double(x) / 2.0.squareRoot())
            #expect(abs(Double(y) - exact) <= 1e-6 + 1e-7 * abs(exact))
        }
        var strange: [Float] = [.nan, .infinity]
        elementwise_gelu(2, strange, &strange)
        #expect(strange[0].isNaN && strange[1] == .infinity)
    }

    @Test("GELU as bytes is the nearest byte to it", arguments: [0, 9, 128]) func geluBytes(zero: Int32) {
        let factor: Float = 20
        var bytes = [UInt8](repeating: 0, count: Self.numbers.count)
        elementwise_gelu_bytes(bytes.count, factor, zero, Self.numbers, &bytes)
        let range: ClosedRange<Double> = zero == 0 ? -128...127 : 0...255
        for (x, byte) in zip(Self.numbers, bytes) {
            let exact = Double(factor * x) * 0.5 * erfc(-Double(x) / 2.0.squareRoot()) + Double(zero)
            let value = zero == 0 ? Double(Int8(bitPattern: byte)) : Double(byte)
            #expect(abs(value - min(max(exact, range.lowerBound), range.upperBound)) <= 0.5001)
        }
    }
}
