import Backbones
import Foundation
import NeuralNetwork
import Synchronization

// Measures a backbone alone, as `extract` runs it: one single-threaded plan a worker, shared weights.
//
//     Benchmarks BACKBONE [WORKERS] [BATCH] [SECONDS]
//     Benchmarks head gru|bilstm [EPOCHS]
//     Benchmarks load GIGABYTES CACHE            makes the cache where it is not there
//
// Prints one JSON object.

let arguments = CommandLine.arguments
if arguments.count > 2, arguments[1] == "head" {
    try HeadBenchmark.run(arguments[2], epochs: arguments.count > 3 ? Int(arguments[3]) ?? 5 : 5)
    exit(0)
}
if arguments.count > 3, arguments[1] == "load" {
    try LoadingBenchmark.run(gigabytes: Double(arguments[2]) ?? 2, path: arguments[3])
    exit(0)
}
guard arguments.count > 1, let backbone = Backbone.named(arguments[1]) else {
    print("usage: Benchmarks BACKBONE [WORKERS] [BATCH] [SECONDS]")
    exit(2)
}
let workers = arguments.count > 2 ? Int(arguments[2]) ?? 1 : ProcessInfo.processInfo.activeProcessorCount
let batch = arguments.count > 3 ? Int(arguments[3]) ?? 10 : 10
let seconds = arguments.count > 4 ? Double(arguments[4]) ?? 5 : 5
let size = backbone.nativeImageSize
let weights = PackedWeights(RandomParameters())
let frames = Atomic<Int>(0)
let longest = Mutex(0.0)
let ready = DispatchGroup()
let go = DispatchSemaphore(value: 0)
let finished = DispatchGroup()
let start = ContinuousClock.now

for _ in 0..<workers {
    ready.enter()
    finished.enter()
    let thread = Thread {
        ArithmeticLibrary.setThreadsOfCallingThread(1)
        do {
            let plan = try InferencePlan(
                graph: backbone.graph(imageSize: size), output: "pooled", batch: batch, weights: weights)
            let pixels = (0..<batch * size * size * 3).map { UInt8(truncatingIfNeeded: $0 &* 37) }
            let normalization = backbone.inputConvention().normalization
            _ = try plan.run(pixels: pixels, normalization: normalization)
            ready.leave()
            go.wait()
            let begin = ContinuousClock.now
            var done = 0
            while (ContinuousClock.now - begin) / .seconds(1) < seconds {
                _ = try plan.run(pixels: pixels, normalization: normalization)
                done += batch
            }
            frames.add(done, ordering: .relaxed)
            let taken = (ContinuousClock.now - begin) / .seconds(1)
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
for _ in 0..<workers { go.signal() }
finished.wait()

/// Peak resident memory in MiB.
func peakMemory() -> Double {
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
let rate = Double(frames.load(ordering: .relaxed)) / longest.withLock { $0 }
let operations = 2 * Double(backbone.graph(imageSize: size).multiplyAdds)
print(
    """
    {"backbone": "\(backbone.name)", "workers": \(workers), "batch": \(batch), "frames_per_second": \(rate), \
    "gflops": \(rate * operations / 1e9), "peak_mib": \(peakMemory()), "start_up_seconds": \(startUp), \
    "library": "\(ArithmeticLibrary.version)", "instruction_set": "\(ArithmeticLibrary.instructionSet)"}
    """)
