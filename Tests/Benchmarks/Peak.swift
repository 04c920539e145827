import Foundation
import Inference
import NeuralNetwork
import Synchronization

/// What one convolution with plenty to reuse reaches, on one core and on all: the floor that networks are held to.
enum PeakBenchmark {
    static func run() throws {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        var fields = ["\"library\": \"\(ArithmeticLibrary.version)\"", "\"has_bf16\": \(Precision.bf16.isNative)"]
        for precision in Precision.allCases where precision.isNative {
            fields.append("\"\(precision)\": \(try rate(precision, workers: cores))")
            fields.append("\"one_\(precision)\": \(try rate(precision, workers: 1))")
        }
        print("{" + fields.joined(separator: ", ") + "}")
    }

    /// Sixteen equal convolutions in a row.
    private static var graph: Graph {
        var builder = GraphBuilder()
        var x = builder.input(.image(channels: 3, height: 28, width: 28))
        for layer in 0..<17 {
            let window = Window(kernel: Extent(3), padding: Extent(1))
            let options = Convolution(outChannels: 256, window: window, hasBias: true)
            x = builder.activation(.relu, builder.convolution("layer\(layer)", x, options))
        }
        return builder.build(outputs: ["out": builder.globalAveragePooling("mean", x)])
    }

    /// GFLOP/s.
    private static func rate(_ precision: Precision, workers: Int) throws -> Double {
        let graph = graph
        let batch = 4
        let weights = PackedWeights(RandomParameters())
        let pixels = (0..<batch * 28 * 28 * 3).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        let normalization = PixelNormalization(mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25])
        var arithmetic = precision == .bf16 ? Arithmetic.bf16 : .f32
        if precision == .int8 {
            ArithmeticLibrary.setThreadsOfCallingThread(1)
            let calibrator = try Calibrator(
                graph: graph, output: "out", batch: batch, weights: weights, normalization: normalization)
            arithmetic = .int8(try calibrator.calibration(of: [pixels], goal: -1))
        }
        let chosen = arithmetic
        let total = Mutex(0.0)
        let group = DispatchGroup()
        for _ in 0..<workers {
            group.enter()
            let thread = Thread {
                ArithmeticLibrary.setThreadsOfCallingThread(1)
                let plan = try? InferencePlan(
                    graph: graph, output: "out", batch: batch, weights: weights, arithmetic: chosen)
                var best = 0.0
                for _ in 0..<8 where plan != nil {
                    let begin = ContinuousClock.now
                    for _ in 0..<3 { _ = try? plan?.run(pixels: pixels, normalization: normalization) }
                    let seconds = (ContinuousClock.now - begin) / .seconds(1)
                    best = max(best, 3 * Double(batch) * 2 * Double(graph.multiplyAdds) / seconds / 1e9)
                }
                total.withLock { $0 += best }
                group.leave()
            }
            thread.stackSize = 16 << 20
            thread.start()
        }
        group.wait()
        return total.withLock { $0 }
    }
}
