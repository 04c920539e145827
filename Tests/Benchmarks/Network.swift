import Backbones
import Foundation
import Inference
import NeuralNetwork
import ONNX
import Synchronization

/// A backbone alone, as `extract` runs it: one single-threaded plan a worker, shared weights.
enum NetworkBenchmark {
    struct Setting {
        let backbone: Backbone
        let precision: Precision
        let workers, batch: Int
        let seconds: Double
        let isTuned: Bool

        /// The backbone's parameters: of an ONNX file its own, else random ones.
        var weights: PackedWeights {
            guard let model else { return PackedWeights(RandomParameters(), identity: "random") }
            return PackedWeights(model, identity: model.path)
        }

        /// Where the backbone comes from an ONNX file.
        var model: ImportedNetwork?

        var output: String { model?.outputs.first ?? "pooled" }
    }

    /// The backbone of a name, or of an ONNX file.
    static func backbone(_ name: String) -> (Backbone, ImportedNetwork?)? {
        if name.hasSuffix(".onnx") {
            guard let model = try? ImportedNetworks.open(path: name) else { return nil }
            return (try? Backbone.imported(model)).map { ($0, model) }
        }
        return Backbone.named(name).map { ($0, nil) }
    }

    static func run(_ setting: Setting) throws {
        let size = setting.backbone.nativeImageSize
        let graph = setting.backbone.graph(imageSize: size)
        let weights = setting.weights
        let normalization = setting.backbone.inputConvention().normalization
        let pixels = (0..<setting.batch * graph.nodes[0].shape.size).map {
            UInt8(truncatingIfNeeded: ($0 / 96 &* 37) ^ $0 >> 9)
        }
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
                        arithmetic: arithmetic, tuning: setting.isTuned ? KernelTuning.standard : nil)
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

    /// What each step of the network takes on one core, the longest first.
    static func steps(_ setting: Setting) throws {
        let size = setting.backbone.nativeImageSize
        let graph = setting.backbone.graph(imageSize: size)
        let normalization = setting.backbone.inputConvention().normalization
        let pixels = (0..<setting.batch * graph.nodes[0].shape.size).map {
            UInt8(truncatingIfNeeded: ($0 / 96 &* 37) ^ $0 >> 9)
        }
        ArithmeticLibrary.setThreadsOfCallingThread(1)
        let plan = try InferencePlan(
            graph: graph, output: setting.output, batch: setting.batch, weights: setting.weights,
            arithmetic: arithmetic(setting, graph, pixels, normalization),
            tuning: setting.isTuned ? KernelTuning.standard : nil)
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
        let graph = setting.backbone.graph(imageSize: setting.backbone.nativeImageSize)
        print(
            """
            {"backbone": "\(setting.backbone.name)", "precision": "\(setting.precision)", \
            "workers": \(setting.workers), "batch": \(setting.batch), "frames_per_second": \(rate), \
            "gflops": \(rate * 2 * Double(graph.multiplyAdds) / 1e9), "peak_mib": \(peakMemory()), \
            "start_up_seconds": \(startUp), "library": "\(ArithmeticLibrary.version)", \
            "instruction_set": "\(ArithmeticLibrary.instructionSet)"}
            """)
    }

    /// Peak resident memory in MiB.
    static func peakMemory() -> Double {
        #if os(Linux)
            // Not getrusage: that counts what the process was before it became this program.
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
