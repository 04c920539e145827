import Backbones
import Datasets
import Extraction
import Foundation
import Inference
import NeuralNetwork
import ONNX
import Synchronization

func seconds(_ body: () throws -> Void) rethrows -> Double { try ContinuousClock().measure(body) / .seconds(1) }

/// A backbone alone, as `extract` runs it: one single-threaded plan per worker, shared weights.
enum NetworkBenchmark {
    struct Setting {
        let backbone: Backbone
        let precision: Precision
        let workers, batch: Int
        let seconds: Double
        let isTuned: Bool

        /// The backbone's parameters: those of an ONNX file, else random ones.
        var weights: PackedWeights {
            guard let model else { return PackedWeights(RandomParameters(), identity: "random") }
            return PackedWeights(model, identity: model.path)
        }

        /// If the backbone comes from an ONNX file.
        var model: ImportedNetwork?

        var output: String { model?.outputs.first ?? "pooled" }
        var graph: Graph { backbone.graph(imageSize: backbone.nativeImageSize) }
        var normalization: PixelNormalization { backbone.inputConvention().normalization }
        var tuning: KernelTuning? { isTuned ? KernelTuning.standard : nil }
        var pixels: [UInt8] {
            (0..<batch * graph.nodes[0].shape.size).map { UInt8(truncatingIfNeeded: ($0 / 96 &* 37) ^ $0 >> 9) }
        }
    }

    /// The backbone with a name, or of an ONNX file.
    static func backbone(_ name: String) -> (Backbone, ImportedNetwork?)? {
        if name.hasSuffix(".onnx") {
            guard let model = try? ImportedNetwork(path: name) else { return nil }
            return (try? Backbone.imported(model)).map { ($0, model) }
        }
        return Backbone.named(name).map { ($0, nil) }
    }

    static func run(_ setting: Setting) throws {
        let (graph, weights, pixels) = (setting.graph, setting.weights, setting.pixels)
        let normalization = setting.normalization
        ArithmeticLibrary.setThreadsOfCallingThread(1)
        let arithmetic = try arithmetic(setting, graph, pixels, normalization)
        let frames = Atomic<Int>(0)
        let longest = Mutex(0.0)
        let (ready, finished, go) = (DispatchGroup(), DispatchGroup(), DispatchSemaphore(value: 0))
        let start = ContinuousClock.now
        for _ in 0..<setting.workers {
            ready.enter()
            finished.enter()
            let thread = Thread {
                ArithmeticLibrary.setThreadsOfCallingThread(1)
                do {
                    let plan = try InferencePlan(
                        graph: graph, output: setting.output, batch: setting.batch, weights: weights,
                        arithmetic: arithmetic, tuning: setting.tuning)
                    ready.leave()
                    go.wait()
                    _ = try plan.run(pixels: pixels, normalization: normalization)
                    let begin = ContinuousClock.now
                    var (done, taken) = (0, 0.0)
                    while taken < setting.seconds {
                        _ = try plan.run(pixels: pixels, normalization: normalization)
                        done += setting.batch
                        taken = (ContinuousClock.now - begin) / .seconds(1)
                    }
                    frames.add(done, ordering: .relaxed)
                    longest.withLock { $0 = max($0, taken) }
                } catch {
                    print(error.localizedDescription)
                    exit(1)
                }
                finished.leave()
            }
            thread.start()
        }
        ready.wait()
        let startUp = (ContinuousClock.now - start) / .seconds(1)
        for _ in 0..<setting.workers { go.signal() }
        finished.wait()
        let rate = Double(frames.load(ordering: .relaxed)) / longest.withLock { $0 }
        report(setting, rate: rate, startUp: startUp)
    }

    /// Time of each step of the backbone on one core, longest first.
    static func steps(_ setting: Setting) throws {
        let (graph, pixels, normalization) = (setting.graph, setting.pixels, setting.normalization)
        ArithmeticLibrary.setThreadsOfCallingThread(1)
        let plan = try InferencePlan(
            graph: graph, output: setting.output, batch: setting.batch, weights: setting.weights,
            arithmetic: arithmetic(setting, graph, pixels, normalization), tuning: setting.tuning)
        _ = try plan.run(pixels: pixels, normalization: normalization)
        let steps = try plan.seconds(rounds: 5)
        let all = steps.reduce(0) { $0 + $1.seconds }
        let adds = Dictionary(
            graph.nodes.map { ($0.name, graph.multiplyAdds(of: $0)) }, uniquingKeysWith: { first, _ in first })
        for step in steps.sorted(by: { $0.seconds > $1.seconds }) {
            let rate = 2e-9 * Double(setting.batch * (adds[step.name] ?? 0)) / step.seconds
            print(
                String(format: "%8.3f ms %5.1f %% %7.1f GFLOP/s  ", step.seconds * 1e3, 100 * step.seconds / all, rate)
                    + "\(step.name)  \(step.kernel)")
        }
    }

    private static func arithmetic(
        _ setting: Setting, _ graph: Graph, _ pixels: [UInt8], _ normalization: PixelNormalization
    ) throws -> Arithmetic {
        switch setting.precision {
        case .f32, .f16, .tf32: .f32
        case .bf16: .bf16
        case .int8:
            .int8(
                try Calibrator(
                    graph: graph, output: setting.output, batch: setting.batch,
                    weights: setting.weights, normalization: normalization
                ).calibration(of: [pixels]))
        }
    }

    private static func report(_ setting: Setting, rate: Double, startUp: Double) {
        print(
            """
            {"backbone": "\(setting.backbone.name)", "precision": "\(setting.precision)", \
            "workers": \(setting.workers), "batch": \(setting.batch), "frames_per_second": \(rate), \
            "gflops": \(rate * 2 * Double(setting.graph.multiplyAdds) / 1e9), "peak_mib": \(peakMemory()), \
            "start_up_seconds": \(startUp), "library": "\(ArithmeticLibrary.version)", \
            "instruction_set": "\(ArithmeticLibrary.instructionSet)"}
            """)
    }

    /// Peak resident memory in MiB.
    static func peakMemory() -> Double {
        #if os(Linux)
            // Not getrusage: it includes the memory of the process before exec.
            let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
            return (line.split(separator: " ").dropLast().last.flatMap { Double($0) } ?? .nan) / 1024
        #else
            var usage = rusage()
            getrusage(RUSAGE_SELF, &usage)
            return Double(usage.ru_maxrss) / 1_048_576
        #endif
    }
}

/// Peak throughput of a compute-bound convolution, on one core and on all: the reference for whole models.
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
        let normalization = PixelNormalization(mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25])
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
                    let taken = seconds {
                        for _ in 0..<3 { _ = try? plan?.run(pixels: pixels, normalization: normalization) }
                    }
                    best = max(best, 3 * Double(batch) * 2 * Double(graph.multiplyAdds) / taken / 1e9)
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

/// Frames per second of a backbone on the GPU, from bytes in memory to features in memory, as `extract` runs it.
enum DeviceBenchmark {
    static func run(_ backbone: Backbone, _ precision: Precision, batch: Int?, seconds: Double) throws {
        let configuration = ExtractionConfiguration(
            backbone: backbone, weights: .random, tap: "pooled", imageSize: backbone.nativeImageSize,
            sampling: .uniform(frames: 20), precision: precision)
        var extractor = Extractor(
            name: "bench", dataset: DatasetConfiguration(layout: .folders, root: "/"),
            configurations: [configuration], workers: 1, version: "")
        (extractor.device, extractor.deviceBatch) = (.cuda, batch)
        let (recipe, weights) = try extractor.recipe(configuration) { _ in }
        let begin = ContinuousClock.now
        let rate = try extractor.framesPerSecond(recipe, weights, seconds: seconds)
        let taken = (ContinuousClock.now - begin) / .seconds(1)
        let graph = try recipe.graph()
        print(
            """
            {"backbone": "\(backbone.name)", "precision": "\(recipe.precision)", "frames_per_second": \(rate), \
            "tflops": \(rate * 2 * Double(graph.multiplyAdds) / 1e12), "start_up_seconds": \(taken - 2 * seconds), \
            "peak_mib": \(NetworkBenchmark.peakMemory())}
            """)
    }
}
