import COneDNN
import Foundation

/// Measured kernel times of a network's convolutions, and estimates for those that were not measured.
struct KernelTimes {
    /// By the output value of the convolution.
    private(set) var kernels: [Lowering.Value: [ConvolutionKernel]] = [:]
    /// Seconds to reorder each value that several steps may read in different formats.
    private(set) var reorders: [Lowering.Value: Double] = [:]

    /// Maximum fraction of the remaining work that tuning may take.
    static let share = 0.03

    /// Measures missing kernels, the most expensive convolutions first, within `share` of the remaining work.
    /// `images`: expected number of images for such plans; nil measures everything. Throws `ArithmeticError`.
    init(
        _ lowering: Lowering, batch: Int, element: onednn_element, images: Int?, tuning: KernelTuning,
        context: Context
    ) throws {
        let questions = lowering.questions(batch: batch, element: element)
        let groups = Dictionary(grouping: questions.values, by: \.signature)
        let known = KnownKernels(tuning.withMeasured { $0 })
        var unknown: [(question: ConvolutionBenchmark, seconds: Double)] = []
        var (supposed, work) = ([String: [ConvolutionKernel]](), 0.0)
        for (signature, group) in groups {
            let answer = known.answer(group[0])
            let kernels = answer ?? group[0].estimated(context)
            let seconds = Double(group.count) * (kernels.map(\.seconds).min() ?? 0)
            (supposed[signature], work) = (kernels, work + seconds)
            if answer == nil { unknown.append((group[0], seconds)) }
        }
        if !unknown.isEmpty {
            let budget = images.map { Self.share * work * Double($0) / Double(batch) } ?? .infinity
            let important = unknown.sorted { ($0.seconds, $0.question.signature) > ($1.seconds, $1.question.signature) }
            try tuning.measure(important.map(\.question.small), atMost: budget)
        }
        let measured = KnownKernels(tuning.withMeasured { $0 })
        kernels = questions.mapValues { measured.answer($0) ?? supposed[$0.signature] ?? [] }
        for value in lowering.steps.filter({ lowering.isFixed($0) != nil }).flatMap(lowering.read) {
            // Memory bandwidth of a reorder, the median of a thousand shapes.
            reorders[value] = 2 * Double(batch * lowering.shapes[value].size * element.bytes) / 2e10
        }
    }
}

/// Measured kernels, including those of other batch sizes.
private struct KnownKernels {
    private let measured: KernelTuning.Measured
    private var others: [String: (batch: Int, kernels: [ConvolutionKernel])] = [:]

    init(_ measured: KernelTuning.Measured) {
        self.measured = measured
        for (signature, kernels) in measured.kernels {
            guard let batch = signature.batch, batch > 1 else { continue }
            let key = signature.replacing(batch: "*")
            if let other = others[key], other.batch >= batch { continue }
            others[key] = (batch, kernels)
        }
    }

    func answer(_ question: ConvolutionBenchmark) -> [ConvolutionKernel]? {
        let signature = question.signature
        if let kernels = measured.kernels[signature] { return kernels }
        guard question.batch > 1, let other = others[signature.replacing(batch: "*")] else { return nil }
        return other.kernels.map {
            ConvolutionKernel(
                format: $0.format, isWinograd: $0.isWinograd, separatesActivation: $0.separatesActivation,
                seconds: $0.seconds * Double(question.batch) / Double(other.batch))
        }
    }
}

extension Lowering {
    /// Whether a step supports only channels last; nil for steps without a choice of format.
    func isFixed(_ step: Step) -> Bool? {
        switch step.operation {
        case .convolution: false
        case .pooling(let pooling):
            shapes[step.output].pixels == 1 ? nil : pooling.window.reachesOverFrames
        case .normalization, .rows: true
        case .activation, .binary, .concatenation: nil
        }
    }

    /// The step's inputs without the network's input, which is always channels last.
    func read(_ step: Step) -> [Value] { step.inputs.filter { $0 != input } }

    /// By the convolutions' output values.
    fileprivate func questions(batch: Int, element: onednn_element) -> [Value: ConvolutionBenchmark] {
        var questions: [Value: ConvolutionBenchmark] = [:]
        for step in convolutions {
            questions[step.output] = ConvolutionBenchmark(
                step: step, from: shapes[step.input], to: shapes[step.output], readsInput: step.input == input,
                batch: batch, element: element)
        }
        return questions
    }
}
