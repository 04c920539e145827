import Foundation
import NeuralNetwork

/// How long the kernels take on this machine, measured once and remembered.
///
/// Plans that share one choose alike. With a path, what was measured is kept there for later runs of the
/// program, by processor and version of the arithmetic library; a file that cannot be read or written is
/// no error, the measuring is then done again.
public final class KernelTuning: Sendable {
    struct Measured: Codable {
        /// By the signature of a convolution.
        var kernels: [String: [ConvolutionKernel]] = [:]
        /// `Precision.bf16Speed`.
        var bf16Speed: Double?
        /// How much Winograd's algorithm changes the features, by network and weights.
        var errors: [String: Double] = [:]
    }

    private struct State {
        var measured: Measured?
        var saved = ContinuousClock.now
    }

    private let path: String?
    private let state = Guarded(State())
    private let oneAtATime = NSLock()

    /// - Parameter path: a JSON file; nil remembers nothing beyond the process.
    public init(path: String?) { self.path = path }

    /// Remembers in the user's cache folder (`XDG_CACHE_HOME`, or `~/.cache`), in `zoetrope/kernels.json`. Nil where
    /// the environment says `ZOETROPE_TUNING=off`: features are then the same to the last bit on all machines of
    /// one kind, whatever is measured.
    public static let standard: KernelTuning? = {
        if ProcessInfo.processInfo.environment["ZOETROPE_TUNING"] == "off" { return nil }
        return KernelTuning(path: UserCache.folder + "/kernels.json")
    }()

    /// Lets one thread at a time make a plan: the first measures and checks what the others then know.
    func serially<Result>(_ body: () throws -> Result) rethrows -> Result {
        try oneAtATime.withLock(body)
    }

    /// Looks up or adds something, which is kept at once.
    func withMeasured<Result>(_ body: (inout Measured) throws -> Result) rethrows -> Result {
        try state.withLock { state in
            var measured = state.measured ?? load()
            defer { state.measured = measured }
            let known = measured.size
            let result = try body(&measured)
            if measured.size != known {
                save(measured)
                state.saved = .now
            }
            return result
        }
    }

    /// Answers questions in their order, on all cores, until that many seconds of a core are spent. What was found is
    /// kept every half second.
    func measure(_ questions: [KernelQuestion], atMost budget: Double) throws {
        let spent = Guarded(0.0)
        _ = try onAllCores(questions.count) {
            let bench = try KernelBench()
            return { index in
                if spent.withLock({ $0 }) >= budget { return }
                let begin = ContinuousClock.now
                let kernels = questions[index].measured(bench)
                self.note { $0.kernels[questions[index].signature] = kernels }
                spent.withLock { $0 += (ContinuousClock.now - begin) / .seconds(1) }
            }
        }
        state.withLock { state in
            if let measured = state.measured { save(measured) }
        }
    }

    private func note(_ change: (inout Measured) -> Void) {
        state.withLock { state in
            var measured = state.measured ?? load()
            change(&measured)
            state.measured = measured
            if ContinuousClock.now - state.saved > .milliseconds(500) {
                save(measured)
                state.saved = .now
            }
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

    /// Adds to what other processes may have written meanwhile.
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
