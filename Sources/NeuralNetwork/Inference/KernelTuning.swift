import Foundation

/// How long the kernels take on this machine, measured once and remembered.
///
/// Plans that share one choose alike. With a path, what was measured is kept there for later runs of the
/// program, by processor and version of the arithmetic library; a file that cannot be read or written is
/// no error, the measuring is then done again.
public final class KernelTuning: Sendable {
    struct Measured: Codable {
        /// By the signature of a convolution.
        var kernels: [String: [ConvolutionKernel]] = [:]
        /// Seconds of a reorder, by its signature.
        var reorders: [String: Double] = [:]
        /// Seconds that finding the kernels of a network took.
        var networks: [String: Double] = [:]
        /// How much Winograd's algorithm changes the features, by network and weights.
        var errors: [String: Double] = [:]
    }

    private struct State {
        var measured: Measured?
        var isChanged = false
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

    /// Whether the kernels of a network's plans are known here; where not, the first plan measures them.
    public func isMeasured(graph: Graph, output: String, batch: Int, arithmetic: Arithmetic) -> Bool {
        if arithmetic.precision == .int8 { return true }
        let request = PlanRequest(graph: graph, output: output, batch: batch, arithmetic: arithmetic)
        return withMeasured { $0.networks[request.signature] != nil }
    }

    /// Lets one thread at a time make a plan: the first measures and checks what the others then know.
    func serially<Result>(_ body: () throws -> Result) rethrows -> Result {
        try oneAtATime.withLock(body)
    }

    /// Looks up and measures while nobody else does, so that measuring is not disturbed.
    func withMeasured<Result>(_ body: (inout Measured) throws -> Result) rethrows -> Result {
        try state.withLock { state in
            var measured = state.measured ?? load()
            defer { state.measured = measured }
            let known = measured.size
            let result = try body(&measured)
            if measured.size != known { save(measured) }
            return result
        }
    }

    private static let machine = "\(ArithmeticLibrary.version) \(ArithmeticLibrary.instructionSet) \(processor)"

    private static var processor: String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") || $0.hasPrefix("CPU part") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
    }

    private func loadAll() -> [String: Measured] {
        guard let path, let data = FileManager.default.contents(atPath: path) else { return [:] }
        return (try? JSONDecoder().decode([String: Measured].self, from: data)) ?? [:]
    }

    private func load() -> Measured { loadAll()[Self.machine] ?? Measured() }

    /// Adds to what other processes may have written meanwhile.
    private func save(_ measured: Measured) {
        guard let path else { return }
        var all = loadAll()
        var own = all[Self.machine] ?? Measured()
        own.kernels.merge(measured.kernels) { $1 }
        own.reorders.merge(measured.reorders) { $1 }
        own.networks.merge(measured.networks) { $1 }
        own.errors.merge(measured.errors) { $1 }
        all[Self.machine] = own
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let folder = (path as NSString).deletingLastPathComponent
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try? encoder.encode(all).write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}

extension KernelTuning.Measured {
    fileprivate var size: Int { kernels.count + reorders.count + networks.count + errors.count }
}
