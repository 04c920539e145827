import Inference
import Testing

@testable import Training

@Suite struct DenormalTests {
    /// Whether the calling thread computes with numbers below 1e-38.
    private static func keepsDenormals() -> Bool {
        var values: [Float] = [1e-38, 1e-3]
        // Not known to the compiler.
        values.withUnsafeMutableBufferPointer { $0.swapAt(0, 1) }
        return values[0] * values[1] > 0
    }

    @Test("threads compute with denormal numbers again after work that treats them as zero", arguments: [1, 4])
    func restored(threads: Int) {
        #expect(Self.keepsDenormals())
        var flushed = [Bool](repeating: false, count: 8)
        flushed.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let places = buffer
            Parallel(threads: threads).run(8) { places[$0] = !Self.keepsDenormals() }
        }
        #expect(flushed.allSatisfy { $0 })
        #expect(Self.keepsDenormals())
        #expect(flushingDenormals { !Self.keepsDenormals() })
        #expect(Self.keepsDenormals())
        #expect(throws: CancellationError.self) { try flushingDenormals { throw CancellationError() } }
        #expect(Self.keepsDenormals())
    }
}
