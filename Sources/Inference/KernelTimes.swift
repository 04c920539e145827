import COneDNN
import Foundation
import NeuralNetwork

/// What the kernels of a network's plan take, as far as it is known, and what they should take where it is not.
struct KernelTimes {
    /// By the value that a convolution makes.
    private(set) var kernels: [Lowering.Value: [ConvolutionKernel]] = [:]
    /// Seconds to change the format of a value that several steps may want in their own.
    private(set) var reorders: [Lowering.Value: Double] = [:]

    /// The share of the work that is left which measuring may take.
    static let share = 0.03

    /// Measures what is not known, the most important things first, for as long as that is a small share of the work.
    ///
    /// - Parameter pictures: how many are left for plans like this; nil measures everything.
    /// - Throws: `ArithmeticError`.
    init(
        _ lowering: Lowering, batch: Int, element: onednn_element, pictures: Int?, tuning: KernelTuning,
        context: Context
    ) throws {
        let questions = lowering.questions(batch: batch, element: element)
        let groups = Dictionary(grouping: questions.values, by: \.signature)
        let known = KnownKernels(tuning.withMeasured { $0 })
        var unknown: [(question: KernelQuestion, seconds: Double)] = []
        var (supposed, work) = ([String: [ConvolutionKernel]](), 0.0)
        for (signature, group) in groups {
            let answer = known.answer(group[0])
            let kernels = answer ?? group[0].estimated(context)
            let seconds = Double(group.count) * (kernels.map(\.seconds).min() ?? 0)
            (supposed[signature], work) = (kernels, work + seconds)
            if answer == nil { unknown.append((group[0], seconds)) }
        }
        if !unknown.isEmpty {
            let budget = pictures.map { Self.share * work * Double($0) / Double(batch) } ?? .infinity
            let important = unknown.sorted { ($0.seconds, $0.question.signature) > ($1.seconds, $1.question.signature) }
            try tuning.measure(important.map(\.question.small), atMost: budget)
        }
        let measured = KnownKernels(tuning.withMeasured { $0 })
        kernels = questions.mapValues { measured.answer($0) ?? supposed[$0.signature] ?? [] }
        for value in lowering.steps.filter({ lowering.isFixed($0) != nil }).flatMap(lowering.read) {
            // Read and written at the speed of the memory, in the median of a thousand shapes.
            reorders[value] = 2 * Double(batch * lowering.shapes[value].size * element.bytes) / 2e10
        }
    }
}

/// Kernels that were measured, also with another number of pictures.
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

    func answer(_ question: KernelQuestion) -> [ConvolutionKernel]? {
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
    /// Whether a step knows channels last only; nil for steps that no format is chosen for.
    func isFixed(_ step: Step) -> Bool? {
        switch step {
        case .convolution: false
        case .pooling(_, let pooling, _, let output):
            shapes[output].pixels == 1 ? nil : pooling.window.reachesOverFrames
        case .normalization, .rows: true
        case .activation, .binary, .concatenation: nil
        }
    }

    /// What a step reads besides the network's input, which is always channels last, and its readers take it so.
    func read(_ step: Step) -> [Value] { step.inputs.filter { $0 != input } }

    /// By the values that convolutions make.
    fileprivate func questions(batch: Int, element: onednn_element) -> [Value: KernelQuestion] {
        var questions: [Value: KernelQuestion] = [:]
        for step in convolutions {
            questions[step.output] = KernelQuestion(
                step: step, from: shapes[step.input], to: shapes[step.output], readsInput: step.input == input,
                batch: batch, element: element)
        }
        return questions
    }
}
