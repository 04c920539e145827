import Foundation
import NeuralNetwork
import Synchronization
import Threads

/// The auto-tuning cache of kernel times on this machine.
///
/// Plans that share an instance choose the same kernels. With a path, measurements are saved there for later processes,
/// by processor and oneDNN version. If the file cannot be read or written, kernels are measured again.
package final class KernelTuning: Sendable {
    struct Measured: Codable {
        /// By signature of the convolution.
        var kernels: [String: [ConvolutionKernel]] = [:]
        /// Cached `Precision.bf16Speed`.
        var bf16Speed: Double?
        /// Relative difference of features caused by Winograd convolution, by network and weights.
        var errors: [String: Double] = [:]
    }

    private struct State {
        var measured: Measured?
        var saved = ContinuousClock.now
    }

    private let path: String?
    private let state = Mutex(State())
    private let oneAtATime = Mutex(())

    /// - Parameter path: a JSON file; nil keeps measurements in memory only.
    package init(path: String?) { self.path = path }

    /// Saved as `zoetrope/kernels.json` in the user's cache folder (`XDG_CACHE_HOME`, or `~/.cache`). Nil if the
    /// environment has `ZOETROPE_TUNING=off`: features are then bit-identical on all machines of one kind.
    package static let standard: KernelTuning? = {
        if ProcessInfo.processInfo.environment["ZOETROPE_TUNING"] == "off" { return nil }
        return KernelTuning(path: UserCache.folder + "/kernels.json")
    }()

    /// Serialises the compilation of plans, so that the first thread's measurements are reused by the others.
    func serially<Result>(_ body: () throws -> Result) throws -> Result { try oneAtATime.serially(body) }

    /// Reads or changes measurements. Changes are saved if the last ones were saved longer than `delay` ago.
    func withMeasured<Result: Sendable>(
        savingAfter delay: Duration = .zero, _ body: (inout Measured) -> Result
    ) -> Result {
        state.withLock { state in
            var measured = state.measured ?? load()
            defer { state.measured = measured }
            let known = measured.size
            let result = body(&measured)
            if measured.size != known, ContinuousClock.now - state.saved >= delay {
                save(measured)
                state.saved = .now
            }
            return result
        }
    }

    /// Measures kernels in order on all cores until the budget of core seconds is spent. Results are saved every half
    /// second.
    func measure(_ questions: [ConvolutionBenchmark], atMost budget: Double) throws {
        let spent = Mutex(0.0)
        _ = try onAllCores(questions.count) {
            let bench = try KernelBench()
            return { index in
                if spent.withLock({ $0 }) >= budget { return }
                let begin = ContinuousClock.now
                let kernels = questions[index].measured(bench)
                self.withMeasured(savingAfter: .milliseconds(500)) { $0.kernels[questions[index].signature] = kernels }
                spent.withLock { $0 += (ContinuousClock.now - begin) / .seconds(1) }
            }
        }
        state.withLock { state in
            if let measured = state.measured { save(measured) }
        }
    }

    private static let machine = "\(ArithmeticLibrary.version) \(ArithmeticLibrary.instructionSet) \(processor)"

    private static var processor: String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") || $0.hasPrefix("CPU part") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
    }

    private func loadAll() -> [String: Measured] {
        guard let path, let data = UserCache.contents(path) else { return [:] }
        return (try? JSONDecoder().decode([String: Measured].self, from: data)) ?? [:]
    }

    private func load() -> Measured { loadAll()[Self.machine] ?? Measured() }

    /// Merges with what other processes have written meanwhile.
    private func save(_ measured: Measured) {
        guard let path else { return }
        var all = loadAll()
        var own = all[Self.machine] ?? Measured()
        own.kernels.merge(measured.kernels) { $1 }
        own.errors.merge(measured.errors) { $1 }
        own.bf16Speed = measured.bf16Speed ?? own.bf16Speed
        all[Self.machine] = own
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        if let data = try? encoder.encode(all) { UserCache.write(data, to: path) }
    }
}

extension KernelTuning.Measured {
    fileprivate var size: Int { kernels.count + errors.count + (bf16Speed == nil ? 0 : 1) }
}
