import CElementwise
import Foundation
import Testing
@testable import Inference
@testable import NeuralNetwork

@Suite(.enabled(if: Precision.int8.isNative, "needs int8 instructions")) struct ByteAttentionTests {
    /// Tokens of two images with query, key and value of two heads, sharp or not, with correlated keys.
    private struct Example {
        let heads = 2
        let width = 24
        let batch = 2
        let tokens: Int
        let input: [Float]

        init(tokens: Int, sharpness: Float) {
            self.tokens = tokens
            let random = RandomParameters()
            let count = batch * tokens * 3 * heads * width
            let size = heads * width
            input = random.uniform("example \(tokens)", count: count).enumerated().map { index, value in
                switch index % (3 * size) / size {
                case 0: 2 * sharpness * (value - 0.5)
                case 1: 2 * sharpness * (value - 0.5) + Float(index % 7) * 5
                default: value - 0.5
                }
            }
        }

        var shape: ImageShape { ImageShape(.tokens(count: tokens, size: 3 * heads * width)) }

        func exact(queries: Int) -> [Float] {
            let attention = TokenAttention(heads: heads, size: heads * width, count: tokens)
            var scratch = [Float](repeating: 0, count: TokenAttention.scratch(queries: queries, keys: tokens))
            var output = [Float](repeating: 0, count: batch * queries * heads * width)
            input.withUnsafeBufferPointer { input in
                output.withUnsafeMutableBufferPointer { output in
                    for image in 0..<batch {
                        attention.forward(
                            input.baseAddress! + image * tokens * 3 * heads * width, queries: queries,
                            into: output.baseAddress! + image * queries * heads * width, scratch: &scratch)
                    }
                }
            }
            return output
        }

        /// The kernel's output as `Element`s.
        func bytes<Element>(queries: Int, _ qparams: QuantizationParameters?, _ zero: Element) throws -> [Element] {
            let to = ImageShape(.tokens(count: queries, size: heads * width))
            let kernel = ByteAttention("attention", heads: heads, batch: batch, from: shape, to: to, qparams).kernel
            let (source, target) = (AlignedBuffer(bytes: input.count * 4), AlignedBuffer(bytes: batch * to.size * 4))
            let scratch = AlignedBuffer(bytes: kernel.scratchpadBytes)
            input.withUnsafeBytes { source.pointer.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
            memset(scratch.pointer, 0xff, scratch.bytes)
            let buffers = KernelBuffers(
                sources: [source.pointer], destination: target.pointer, scratchpad: scratch.pointer)
            try kernel.bind(buffers)(Context())
            let elements = target.pointer.assumingMemoryBound(to: Element.self)
            return Array(UnsafeBufferPointer(start: elements, count: batch * to.size))
        }
    }

    private static func cosine(_ first: [Float], _ second: [Float]) -> Double {
        FeatureAgreement.cosines(
            Tensor(shape: [1, first.count], values: first), Tensor(shape: [1, second.count], values: second))[0]
    }

    @Test(
        "int8 attention is close to f32", arguments: [5, 16, 50, 197, 400],
        [Float(0), 1e-6, 0.1, 1, 4])
    func agrees(tokens: Int, sharpness: Float) throws {
        let example = Example(tokens: tokens, sharpness: sharpness)
        for queries in [tokens, 3] {
            let exact = example.exact(queries: queries)
            let own = try example.bytes(queries: queries, nil, Float(0))
            // If one token gets nearly all of the weight, small differences decide which one.
            #expect(1 - Self.cosine(own, exact) < (sharpness > 1 ? 0.003 : 0.0005))
            // Nor is there a bias: padding after the last key has no effect.
            let (ownSquare, exactSquare) = (own.reduce(0) { $0 + $1 * $1 }, exact.reduce(0) { $0 + $1 * $1 })
            #expect(abs(ownSquare / exactSquare - 1) < 0.02, "\(ownSquare / exactSquare)")
        }
    }

    @Test("quantised outputs equal the rounded float outputs", arguments: [0, 100, 128] as [Int32])
    func bytes(zero: Int32) throws {
        let example = Example(tokens: 50, sharpness: 1)
        let numbers = try example.bytes(queries: 50, nil, Float(0))
        let qparams = QuantizationParameters(scale: 0.002, isSigned: true, zeroPoint: zero)
        let bytes = try example.bytes(queries: 50, qparams, UInt8(0))
        let range: ClosedRange<Float> = zero == 0 ? -128...127 : 0...255
        for (number, byte) in zip(numbers, bytes) {
            let exact = min(max(number / qparams.scale + Float(zero), range.lowerBound), range.upperBound)
            let own = zero == 0 ? Float(Int8(bitPattern: byte)) : Float(byte)
            #expect(abs(own - exact) <= 0.501)
        }
    }

    @Test("older recipes compute attention in f32 and have no key for it") func older() throws {
        let older = Data(#"{"kept":[],"ranges":{"input":1}}"#.utf8)
        let calibration = try JSONDecoder().decode(Calibration.self, from: older)
        #expect(calibration == Calibration(ranges: ["input": 1]))
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(try encoder.encode(calibration) == older)
    }
}

@Suite struct ElementwiseTests {
    @Test(
        "a transposed matrix has rows and columns swapped, for any size", arguments: [1, 7, 8, 19, 32], [1, 8, 13, 40])
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

    @Test("GELU equals x · Φ(x) within the precision of float32") func gelu() {
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

    @Test("quantised GELU is rounded to the nearest integer", arguments: [0, 9, 128]) func geluBytes(zero: Int32) {
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
